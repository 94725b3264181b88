"""Maps of the circle that keep the cyclic order, against trying everything."""

from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from measureformer import Empirical, InputError
from measureformer.geometry import distance
from measureformer.interpolation import make_task
from measureformer.interpolation.cyclic import cyclic_places
from measureformer.interpolation.task import distinct_pairs, fingerprint

GRID = 2 * np.pi * np.arange(9) / 9 + 0.1  # a coarse grid: points and places are often shared


def circle(angles) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def keeps_order(points: list[int], places: list[int]) -> bool:
    """One place for each point, and going once round the points goes at most once round the places."""
    there: dict[int, int] = {}
    for x, y in zip(points, places, strict=True):
        if there.setdefault(x, y) != y:
            return False
    images = [there[x] for x in sorted(there)]
    steps = [(b - a) % 9 for a, b in zip(images, [*images[1:], images[0]], strict=True)]
    return sum(steps) in (0, 9)


def least_cost(sources, targets) -> float:
    """The least sum of weights times squared distances of all maps that keep the order; infinite if there are none."""
    slots = [[y for y in t for _ in range(len(s) // len(t))] for s, t in zip(sources, targets, strict=True)]
    least = np.inf
    for places in product(*(set(permutations(slot)) for slot in slots)):
        if keeps_order([x for s in sources for x in s], [y for p in places for y in p]):
            gaps = [
                np.array([min((x - y) % 9, (y - x) % 9) for x, y in zip(s, p, strict=True)]) for s, p in zip(sources, places, strict=True)
            ]
            least = min(least, sum(float((g**2).mean()) for g in gaps) * (2 * np.pi / 9) ** 2)
    return least


@st.composite
def tasks(draw):
    sources, targets = [], []
    for _ in range(draw(st.integers(1, 3))):
        n = draw(st.integers(1, 4))
        m = draw(st.sampled_from([k for k in range(1, n + 1) if n % k == 0]))
        sources.append(draw(st.lists(st.integers(0, 8), min_size=n, max_size=n, unique=True)))
        targets.append(draw(st.lists(st.integers(0, 8), min_size=m, max_size=m, unique=True)))
    return sources, targets


@given(tasks())
@settings(max_examples=150)
def test_the_cheapest_map_that_keeps_the_order_is_found(task):
    sources, targets = task
    measures = [Empirical(circle(GRID[s])) for s in sources]
    assume(len({fingerprint(mu) for mu in measures}) == len(measures))
    pairs = make_task([(i, mu, Empirical(circle(GRID[t]))) for i, (mu, t) in enumerate(zip(measures, targets, strict=True))])
    least = least_cost(sources, targets)
    if not np.isfinite(least):
        with pytest.raises(InputError, match=r"d = 2: .*(would have to cross|are one point and would have to go to two places)"):
            cyclic_places(pairs)
        return
    motion = cyclic_places(pairs)
    cost = sum(p.source.weights @ distance(p.source.points, y) ** 2 for p, y in zip(pairs, motion.wanted, strict=True))
    assert cost == pytest.approx(least, abs=1e-9)
    nearest = [np.argmin(distance(y[:, None], circle(GRID)[None]), axis=1).tolist() for y in motion.wanted]
    assert keeps_order([x for s in sources for x in s], [y for places in nearest for y in places])
    turn = np.diff(np.unwrap(np.arctan2(*motion.points.T[::-1])))
    assert (turn % (2 * np.pi) > 0).all() and (turn % (2 * np.pi)).sum() < 2 * np.pi  # the points, once round the circle


def test_unequal_weights_fill_targets_in_order():
    mu = Empirical(circle(np.array([0.0, 1.0, 2.0, 3.0])), [0.1, 0.2, 0.3, 0.4])
    nu = Empirical(circle(np.array([5.0, 4.0])), [0.3, 0.7])
    (pair,) = make_task([("a", mu, nu)])
    (wanted,) = cyclic_places([pair]).wanted
    np.testing.assert_allclose(np.arctan2(*wanted.T[::-1]) % (2 * np.pi), [5, 5, 4, 4], atol=1e-12)


def test_weights_that_fit_in_another_order_only():
    mu = Empirical(circle(np.array([0.0, 1.0, 2.0, 3.0])), [0.1, 0.2, 0.4, 0.3])
    nu = Empirical(circle(np.array([4.0, 5.0])), [0.5, 0.5])
    with pytest.raises(InputError, match="the atoms of measure 'a' cannot fill the atoms of its target in cyclic order"):
        cyclic_places(make_task([("a", mu, nu)]))


def test_what_cannot_be_filled_goes_to_the_best_places():
    mu, nu = Empirical(circle(np.arange(5.0))), Empirical(circle(np.array([2.0, 3.0, 4.0])))
    (pair,) = make_task([("a", mu, nu)])
    (wanted,) = cyclic_places([pair]).wanted
    assert sorted(map(tuple, wanted.round(12))) == sorted(map(tuple, pair.placement.positions.round(12)))


@pytest.mark.parametrize(
    ("sources", "targets", "words"),
    [
        (
            ([0, 1], [1, 2]),
            ([0, 1], [2, 3]),
            r"atom 1 of measure 'a' \(from the angle 1 to 1\) and atom 0 of measure 'b' \(from the angle 1 to 2\) are one point",
        ),
        (
            ([0], [1], [2]),
            ([0], [2], [1]),
            r"atom 0 of measure 'b' \(from the angle 1 to 2\) and atom 0 of measure 'c' \(from the angle 2 to 1\) would have to cross",
        ),
    ],
)
def test_the_refusal_names_two_atoms(sources, targets, words):
    named = zip("abc", sources, targets, strict=False)
    pairs = make_task([(name, *(Empirical(circle(np.array(x, float))) for x in pair)) for name, *pair in named])
    with pytest.raises(InputError, match=words):
        cyclic_places(distinct_pairs(pairs))
