"""The truth table: networks pass, each counterexample fails for its own reason; what is kept of it is checked without the library."""

import time

import numpy as np
import pytest

import incontext_samples as samples
from measureformer import Empirical
from measureformer.errors import InputError
from measureformer.fields import ParticleField, Softmax
from measureformer.incontext import (
    Ball,
    MeasureMap,
    UnitSphere,
    Verdict,
    attention_constants,
    classify,
    dobrushin,
    flow_map,
    measure_map,
)
from measureformer.incontext.euclidean import w1
from measureformer.incontext.existence import _turns
from measureformer.incontext.families import families
from measureformer.incontext.support import spectrum

TRUTH = {
    Verdict.NO_REGULAR_PART: ("e1", "e1_slow", "e1_rounded"),
    Verdict.NOT_UNIFORMLY_CONTINUOUS: ("e2",),
    Verdict.DISCONTINUOUS: (
        "batch_norm", "batch_norm_undefined", "mid_rank", "hardmax", "step_of_the_mean", "order_dependent", "mass_dependent",
    ),
    Verdict.NOT_SUPPORT_PRESERVING: ("heat", "bayes", "half_moved", "constant", "drops_dust"),
    Verdict.REPRESENTABLE: ("batch_norm_with_eta", "centred", "all_to_the_mean", "hot_attention"),
}  # fmt: skip
CASES = [(name, verdict) for verdict, names in TRUTH.items() for name in names]


@pytest.mark.parametrize(("name", "verdict"), CASES)
def test_truth_table_on_the_line(name, verdict):
    found = classify(getattr(samples, name), rounds=1)
    assert found.verdict is verdict
    assert found.certainty == ("evidence" if verdict is Verdict.REPRESENTABLE else "proof")
    assert found.witness is not None and found.calls > 0


@pytest.mark.slow
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("name", "verdict"), CASES)
def test_truth_table(name, verdict, d, seed):
    assert classify(getattr(samples, name), Ball(d), seed=seed).verdict is verdict


def test_a_failure_is_a_proof_that_can_be_checked():
    """The witness alone, with the function called again: measures so close, images so far apart."""
    for name in ("mid_rank", "hardmax", "batch_norm"):
        f, found = getattr(samples, name), classify(getattr(samples, name), rounds=1)
        (mu, nu), says = found.witness.measures, found.witness.numbers
        assert w1(*mu, *nu) <= 1e-11 and says["omega"] > 1e-2
        assert w1(*f(*mu), *f(*nu)) == pytest.approx(says["omega"], rel=1e-9)
    found = classify(samples.e1, rounds=1)
    pair = found.witness
    places = [samples.e1(*atoms)[0][-1] for atoms in pair.measures]
    assert abs(places[0] - places[1])[0] == pytest.approx(pair.numbers["apart"]) and pair.numbers["apart"] > 0.3
    found = classify(samples.e2, rounds=1)
    assert found.witness.numbers["omega"] > 0.1
    assert all(m.omega[-1] < 1e-4 for m in found.moduli_f)


def test_exact_defects_of_the_witness():
    found = classify(samples.heat, rounds=1)
    assert found.support.defect == pytest.approx(0.1, rel=1e-12)  # the standard deviation of the kernel
    assert len(found.witness.measures[0][1]) == 1
    assert not found.support.kept and "no push-forward" in found.says


def recognised(G, d):
    """Verdict, and G recovered, against what is known."""
    found = classify(G, Ball(d), rounds=1)
    assert found.verdict is Verdict.REPRESENTABLE and found.sum_check < 1e-7
    assert found.G is not None and "evidence, not a proof" in found.says
    rng = np.random.default_rng(1)
    mu, x = samples.random_measure(rng, 8, d), rng.uniform(-0.5, 0.5, size=(2, d))
    np.testing.assert_allclose(found.G(mu, x), G(mu, x), atol=1e-6 * (1 + abs(G(mu, x)).max()))
    assert 0 < found.lipschitz_f < np.inf and 0 < found.lipschitz_g < np.inf


def test_a_layer_is_recognised_and_recovered():
    recognised(samples.network(np.random.default_rng(0), 2, depth=1, heads=1), 2)


@pytest.mark.slow
def test_three_layers_on_eight_atoms_within_half_a_minute():
    start = time.process_time()
    recognised(samples.network(np.random.default_rng(0), 2), 2)
    assert time.process_time() - start < 30


@pytest.mark.slow
@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_three_layers_are_recognised_and_recovered(d, seed):
    recognised(samples.network(np.random.default_rng(seed), d), d)


def test_lipschitz_maps_show_slope_one():
    found = classify(samples.centred, rounds=1)
    slopes = [m.slope for m in found.moduli_f if m.omega[-1] > 1e-13 and m.delta[-1] > 1e-13]
    assert len(slopes) > 3
    np.testing.assert_allclose(slopes, 1, atol=0.2)
    assert (
        found.support.separation == pytest.approx(1, abs=1e-6) and classify(samples.all_to_the_mean, rounds=1).support.separation == np.inf
    )
    assert found.lipschitz_f <= 2 + 1e-9 and found.lipschitz_g <= 1 + 1e-6  # |x - m - (y - n)| <= W_1 + W_1


@pytest.mark.slow
def test_a_flow_on_the_sphere():
    G = flow_map(ParticleField(Softmax(2.0)), 1.0, steps=5)
    found = classify(G, UnitSphere(3), rounds=1)
    assert found.verdict is Verdict.REPRESENTABLE and found.strict and 0.01 < found.support.separation < 10
    assert found.lipschitz_f <= dobrushin(attention_constants(2 * np.eye(3), np.eye(3), on_sphere=True), 1.0)
    mu = Empirical(UnitSphere(3).sample(np.random.default_rng(1), 5))
    np.testing.assert_allclose(np.linalg.norm(found.G(mu, -mu.points), axis=1), 1, atol=1e-9)


def test_single_precision_is_not_held_against_a_map():
    def f(x, a):
        x, a = x.astype(np.float32), a.astype(np.float32)
        share = np.exp(2 * x @ x.T) * a
        return (x + (share @ x) / share.sum(1, keepdims=True)).astype(np.float32), a

    assert classify(f, rounds=1).verdict is Verdict.REPRESENTABLE


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda x, a: x, "must return a pair"),
        (lambda x, a: (x, a[:-1]), r"must be \(m, k\) and \(m,\)"),
        (lambda x, a: (x[:, 0], a), r"must be \(m, k\) and \(m,\)"),
        (lambda x, a: (x, 2 * a), "sum to 1"),
        (lambda x, a: (np.full_like(x, np.nan), a), "not finite"),
        (lambda x, a: (x.astype(str), a), "real numbers"),
        (lambda x, a: (x / (len(x) > 1), a), "defined at every measure"),
    ],
)
def test_what_is_no_map_of_measures_is_refused(function, message):
    with pytest.raises(InputError, match=message):
        classify(function, rounds=1)
    with pytest.raises(InputError, match="rounds"):
        classify(samples.centred, rounds=0)


def test_small_tools():
    rng = np.random.default_rng(0)
    image = MeasureMap(lambda x, a: (np.array([[0.0], [1.0], [0.0]]), np.array([2.0, 4.0, 1.0]) / 7))(np.zeros((1, 1)), np.ones(1))
    assert image.points.tolist() == [[0.0], [1.0]] and spectrum(image, 3).tolist() == [0, 0, 1]
    assert spectrum(measure_map(samples.network(rng, 1))(rng.normal(size=(3, 1)), np.array([1.0, 2, 4]) / 7), 3) is not None
    z = np.sin(np.linspace(0, 6 * np.pi, 200))[:, None]
    assert _turns(z, 0.1) == 6 and _turns(1e-3 * z, 0.1) == 0
    for family in families(Ball(2), rng, 1):  # groups come together at the rate of the scale
        for s in family.scales[:5]:
            group = family.group(float(s))
            assert all(np.linalg.norm(x, axis=1).max() <= 1 + 1e-9 or "move" in family.name for x, _ in group)
            assert max(w1(*group[0], *other) for other in group) <= 6 * s


def test_w1_against_the_assignment():
    from scipy.optimize import linear_sum_assignment

    rng = np.random.default_rng(0)
    for d in (1, 2):
        x, y, a = rng.normal(size=(6, d)), rng.normal(size=(6, d)), np.full(6, 1 / 6)
        cost = np.linalg.norm(x[:, None] - y[None], axis=2)
        assert w1(x, a, y, a) == pytest.approx(cost[linear_sum_assignment(cost)].mean(), rel=1e-12)
        if d == 1:
            continue  # on the line sums of masses are rounded
        far = np.append(a, 1e-40), np.concatenate([x, np.full((1, d), 3.0)])
        assert 0 < w1(far[1], far[0], x, a) < 1e-38
