"""Degenerate data: solved to within eps by the schedule and by the network, or refused with the reason."""

import numpy as np
import pytest

from instances import cap
from measureformer import ConditioningError, Empirical, InputError, flow, interpolate, wasserstein2
from measureformer.geometry import normalize
from measureformer.interpolation import verify

EPS = 1e-5
AXES = np.eye(3)
PLACES = normalize(np.array([-AXES[0], -AXES[1], -AXES[2], -AXES[0] - AXES[1]]))


def ring(n: int, turn: float = 0.0, *, center: bool = False) -> np.ndarray:
    """A regular n-gon of radius 0.4 round (1, 1, 1), with its centre or not; equal means, from n = 3 on equal second moments."""
    c, u = normalize(np.ones(3)), normalize(np.array([1.0, -1.0, 0.0]))
    angle = turn + 2 * np.pi * np.arange(n)[:, None] / n
    x = np.cos(0.4) * c + np.sin(0.4) * (np.cos(angle) * u + np.sin(angle) * np.cross(c, u))
    return np.vstack([x, c]) if center else x


def goal(k: int, n: int) -> np.ndarray:
    """n atoms in the k-th of four caps of targets."""
    return cap(PLACES[k], 0.5, n, np.random.default_rng(10 + k))


def nudged(x: np.ndarray, size: float, seed: int = 0) -> np.ndarray:
    """Every point moved by about ``size``."""
    return normalize(x + size * np.random.default_rng(seed).normal(size=x.shape))


X, Y = (cap(sign * AXES[0], 0.8, 6, np.random.default_rng(seed)) for seed, sign in ((0, 1.0), (1, -1.0)))
SQUARE = np.vstack([AXES[:2], -AXES[:2]])  # its mean is zero
LENS = cap(AXES[2], 0.9, 5, np.random.default_rng(2))
TWIN_SOURCE = np.vstack([X[:5], nudged(X[:1], 1e-9)])
TWIN_TARGET = np.vstack([Y[:5], nudged(Y[:1], 1e-9)])
PLANE = np.pad(normalize(np.array([[1.0, 0], [0, 1], [1, 1], [-1, 2]])), ((0, 0), (0, 3)))
NEARLY = [0.5 + 1e-6, 0.5 - 1e-6]
UNEQUAL = [0.4, 0.3, 0.2, 0.1]

# name: (sources, targets); an atom list, or (atoms, weights)
SOLVED = {
    "equal means and second moments": ([ring(4), ring(4, 0.7)], [goal(0, 4), goal(1, 4)]),
    "equal means and second moments, common atoms": ([ring(8), ring(8)[::2], ring(8)[1::2]], [goal(0, 8), goal(1, 4), goal(2, 4)]),
    "a common atom on the axis of symmetry of both": ([ring(4, center=True), ring(4, 0.7, center=True)], [goal(0, 5), goal(1, 5)]),
    "zero means": ([np.vstack([LENS, -LENS]), np.vstack([LENS[:3], -LENS[:3]])], [goal(0, 10), goal(1, 6)]),
    "zero means, attention along the common atoms": ([SQUARE, SQUARE[::2]], [goal(0, 4), goal(1, 2)]),
    "zero mean, to the antipodes": ([SQUARE], [-SQUARE[[1, 0, 2, 3]]]),
    "two atoms 1e-9 apart": ([TWIN_SOURCE], [Y]),
    "two atoms 1e-9 apart, one of them common": ([TWIN_SOURCE, X[:4]], [Y, goal(1, 4)]),
    "two target atoms 1e-9 apart": ([X], [TWIN_TARGET]),
    "target atoms 1e-9 apart across measures": ([X, X[:4]], [Y, nudged(Y[:4], 1e-9)]),
    "sources 1e-6 apart": ([X, nudged(X, 1e-6, 1), nudged(X, 1e-6, 2)], [goal(0, 6), goal(1, 6), goal(2, 6)]),
    "zero means, common atoms of an octahedron": (
        [np.vstack([AXES, -AXES]), np.vstack([AXES[:2], -AXES[:2]]), np.vstack([AXES[1:], -AXES[1:]])],
        [goal(0, 6), goal(1, 4), goal(2, 4)],
    ),
    "sources in a plane of R^5, one part of the other": ([PLANE, PLANE[:3]], [np.eye(5)[:4] * [1, 1, -1, 1, 1], np.eye(5)[2:]]),
    "three twins 1e-6 apart in one source": ([np.vstack([X[:3], nudged(X[:3], 1e-6)])], [Y]),
    "weights 1e-6 apart": ([X[:2], (X[:2], NEARLY)], [Y[:2], (goal(1, 2), NEARLY)]),
    "one-atom sources 1e-6 apart": ([X[:1], nudged(X[:1], 1e-6)], [goal(0, 1), goal(1, 1)]),
    "one-atom sources 1e-9 apart": ([X[:1], nudged(X[:1], 1e-9)], [goal(0, 1), goal(1, 1)]),
    "targets that share atoms": ([X, X[:4]], [Y, Y[:4]]),
    "targets that coincide": ([X, X[:4], goal(3, 6)], [Y, Y[:4], Y]),
    "one-atom sources, one target": ([X[:1], X[1:2]], [Y[:1], Y[:1]]),
    "one-atom targets": ([X, X[:3]], [Y[:1], Y[1:2]]),
    "one common one-atom target": ([X, X[:3]], [Y[:1], Y[:1]]),
    "repeated atoms, unequal weights": ([(X[[0, 0, 1, 2]], UNEQUAL)], [(Y[[0, 1, 1, 2]], [0.7, 0.1, 0.1, 0.1])]),
    "weights alone tell the sources apart": ([(X[:4], UNEQUAL), (X[:4], UNEQUAL[::-1])], [(Y[:4], UNEQUAL), (goal(1, 4), UNEQUAL[::-1])]),
    "one atom": ([X[:1]], [Y[:1]]),
    "one atom to its antipode": ([X[:1]], [-X[:1]]),
    "one atom stays": ([X[:1]], [X[:1]]),
    "one atom, and a measure that has it": ([X[:1], X[:2]], [Y[:1], goal(1, 2)]),
    "equal pairs": ([X, X[::-1]], [Y, Y]),
}  # fmt: skip
# What strategy "paper" refuses of these, and the words that say why.
NOT_BY_THE_PROOF = {
    "two atoms 1e-9 apart": "phase match: the great circle .* digits are missing",
    "two atoms 1e-9 apart, one of them common": "phase match: the great circle .* digits are missing",
    "two target atoms 1e-9 apart": "phase match: the great circle .* digits are missing",
    "one-atom sources 1e-9 apart": "phase match: the great circle .* digits are missing",
    "targets that coincide": "pairs 0 and 2 have the same target",
    "one-atom sources, one target": "pairs 0 and 1 have the same target",
    "one common one-atom target": "pairs 0 and 1 have the same target",
}


def measures(clouds) -> list[Empirical]:
    return [Empirical(*cloud) if isinstance(cloud, tuple) else Empirical(cloud) for cloud in clouds]


def worst(result) -> float:
    """The largest W_2 after the schedule, and after the network where there is one."""
    moved = [flow(result.schedule, [p.source for p in result.task]).measures]
    if result.network:
        moved.append([p.source.moved(result.network(p.source.points, p.source.weights)) for p in result.task])
    return max(wasserstein2(mu, p.target).value for clouds in moved for mu, p in zip(clouds, result.task, strict=True))


def _runs():
    """Strategy "auto" differs from "compact" where targets are few; the proof takes seconds where there are many points."""
    for name, (sources, targets) in SOLVED.items():
        n, m = (sum(mu.size for mu in measures(side)) for side in (sources, targets))
        for strategy in ("compact", "auto") if 2 * m <= n else ("compact",):
            yield pytest.param(name, strategy, id=f"{name}-{strategy}")
        yield pytest.param(name, "paper", id=f"{name}-paper", marks=[pytest.mark.slow] if n > 9 else [])


@pytest.mark.parametrize(("name", "strategy"), list(_runs()))
def test_solved(name, strategy):
    sources, targets = map(measures, SOLVED[name])
    if strategy == "paper" and name in NOT_BY_THE_PROOF:
        with pytest.raises(InputError, match=NOT_BY_THE_PROOF[name]):
            interpolate(sources, targets, eps=EPS, strategy=strategy)
    else:
        assert worst(interpolate(sources, targets, eps=EPS, strategy=strategy)) <= EPS


CERTIFIED = [
    "a common atom on the axis of symmetry of both",
    "zero means, attention along the common atoms",
    "two atoms 1e-9 apart, one of them common",
    "sources 1e-6 apart",
    "targets that coincide",
]


@pytest.mark.parametrize("name", [CERTIFIED[0], *(pytest.param(name, marks=pytest.mark.slow) for name in CERTIFIED[1:])])
def test_certified(name, tmp_path):
    sources, targets = map(measures, SOLVED[name])
    certificate = interpolate(sources, targets, eps=EPS).save(tmp_path / "run")
    assert certificate["passed"] and verify(tmp_path / "run").passed


DIGITS = r"phase match 1: heights .* [\d.]+ digits are missing"
REFUSED = {
    "one-atom sources at one point": ([X[:1], X[:1]], [Y[:1], Y[1:2]], "measures 0 and 1 have the same source but different targets"),
    "equal sources, another order and repeated atoms": (
        [goal(3, 2), X[[0, 1]], X[[1, 0, 1, 0]]], [Y[:2], Y[:2], Y[1:3]], "measures 1 and 2 have the same source but different targets",
    ),
    "weights that differ in the 13th digit": (
        [(X[:2], [0.5, 0.5]), (X[:2], [0.5 + 1e-13, 0.5 - 1e-13])], [Y[:2], goal(1, 2)], "measures 0 and 1 have the same source",
    ),
    "one-atom sources 1e-12 apart": ([X[:1], nudged(X[:1], 1e-12)], [Y[:1], goal(1, 1)], DIGITS),
    "sources that differ in the last bit": ([X, nudged(X, 3e-16)], [Y, goal(2, 6)], DIGITS),
    "six atoms 1e-9 apart across measures": ([X, nudged(X, 1e-9)], [Y, goal(2, 6)], DIGITS),
}  # fmt: skip


def test_means_that_the_proof_cannot_tell_apart():
    sources, targets, _ = REFUSED["six atoms 1e-9 apart across measures"]
    with pytest.raises(ConditioningError, match=r"phase separate means sources: measures 0 and 1 differ so little .* digits are missing"):
        interpolate(measures(sources), measures(targets), eps=EPS, strategy="paper")


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    sources, targets, words = REFUSED[name]
    with pytest.raises(InputError, match=words) as refusal:
        interpolate(measures(sources), measures(targets), eps=EPS)
    assert isinstance(refusal.value, ConditioningError) == ("digits" in words)


def test_symmetry_that_no_amount_of_plain_attention_breaks():
    """V = I, B = beta I keeps the common atom of two rings on their axis; turned attention parts it, by one segment all the same."""
    sources, targets = map(measures, SOLVED["a common atom on the axis of symmetry of both"])
    plan = interpolate(sources, targets, eps=EPS).plan
    assert plan.schedule.segments_by_phase()["disentangle"] == 1 and plan.network.attention_layers == 1
    V, B = plan.attention.matrices(3)
    np.testing.assert_allclose(V @ V.T, np.eye(3), atol=1e-14)
    assert np.abs(V - np.eye(3)).max() > 0.1 and (B is None or np.abs(B - B[0, 0] * np.eye(3)).max() > 0.1)
    assert plan.smallest_gap > 1e-4
