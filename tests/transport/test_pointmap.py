"""The best single map of points for several pairs, against brute force."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer.errors import InputError
from measureformer.measures import Empirical
from measureformer.transport import best_placement, best_point_map, geodesic_cost, wasserstein2
from measureformer.transport import pointmap as module
from strategies import seeds as shared_seeds
from strategies import sphere

seeds = shared_seeds()


def square(best):
    return sum(value**2 for value in best.values)


def check(best, sources, targets):
    """Equal points have equal images, and the values are those of the images."""
    image_of = {}
    for source, target, image, value in zip(sources, targets, best.images, best.values, strict=True):
        assert value == pytest.approx(wasserstein2(source.moved(image), target).value, rel=1e-12)
        for x, z in zip(source.points, image, strict=True):
            assert np.array_equal(image_of.setdefault(x.tobytes(), z), z)
    assert best.method.startswith("exact: " if best.exact else "upper bound: ")


def by_brute_force(n, m, shared, y, v):
    """All ways to give the shared points (the first ones of both sources) their two target atoms."""
    cost = geodesic_cost(y, v) ** 2 / (n + m)  # w_1 w_2/(w_1 + w_2) with w = 1/n, 1/m
    return min(
        sum(cost[k, l] for k, l in zip(first, second, strict=True))
        for first in permutations(range(n), shared)
        for second in permutations(range(m), shared)
    )


@given(seeds, st.sampled_from([(2, 2, 1), (3, 3, 2), (4, 2, 2), (3, 4, 3), (4, 4, 4)]))
def test_two_pairs_against_brute_force(seed, shape):
    rng = np.random.default_rng(seed)
    n, m, shared = shape
    x = sphere(rng, n + m - shared)
    sources = [Empirical(x[:n]), Empirical(np.concatenate([x[:shared], x[n:]])[rng.permutation(m)])]
    targets = [Empirical(sphere(rng, n)), Empirical(sphere(rng, m))]
    best = best_point_map(sources, targets)
    assert best.exact
    assert square(best) == pytest.approx(by_brute_force(n, m, shared, targets[0].points, targets[1].points), rel=1e-10)
    check(best, sources, targets)


@given(seeds)
def test_descent_never_beats_the_exact_map(seed):
    rng = np.random.default_rng(seed)
    x = sphere(rng, 6)
    sources, targets = [Empirical(x), Empirical(x[:4])], [Empirical(sphere(rng, 6)), Empirical(sphere(rng, 4))]
    exact = best_point_map(sources, targets)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_slots", lambda pair: None)
        descended = best_point_map(sources, targets)
    assert not descended.exact
    assert square(exact) <= square(descended) * (1 + 1e-12) <= 1.2 * square(exact) + 1e-12
    check(descended, sources, targets)


def test_several_atoms_for_each_target_atom():
    """Six points for three atoms, four of them also for two atoms: against all ways to share out the copies."""
    rng = np.random.default_rng(6)
    x, y, v = sphere(rng, 6), sphere(rng, 3), sphere(rng, 2)
    sources, targets = [Empirical(x), Empirical(x[:4])], [Empirical(y), Empirical(v)]
    best = best_point_map(sources, targets)
    assert best.exact
    assert square(best) == pytest.approx(by_brute_force(6, 4, 4, np.repeat(y, 2, axis=0), np.repeat(v, 2, axis=0)), rel=1e-10)
    check(best, sources, targets)


def test_disjoint_sources_are_no_conflict():
    rng = np.random.default_rng(0)
    sources, targets = [Empirical(sphere(rng, n)) for n in (5, 8, 6)], [Empirical(sphere(rng, n)) for n in (5, 4, 3)]
    best = best_point_map(sources, targets)
    assert best.exact and best.values == [0.0, 0.0, 0.0]
    check(best, sources, targets)


def test_one_pair_is_a_placement():
    rng = np.random.default_rng(1)
    source, target = Empirical(sphere(rng, 3)), Empirical(sphere(rng, 2))
    best = best_point_map([source], [target])
    assert best.exact and best.values == [best_placement(source, target).value]


def test_identical_sources_meet_half_way():
    """One cloud for two targets that are turned by an angle about an axis far away: each image is half-way, W_2 about half the angle."""
    rng = np.random.default_rng(2)
    x = sphere(rng, 7)
    a = 0.01
    turn = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    targets = [Empirical(x), Empirical(x @ turn.T)]
    best = best_point_map([Empirical(x), Empirical(x)], targets)
    assert best.exact
    assert best.values[0] == pytest.approx(best.values[1], rel=1e-9)
    assert best.values[0] == pytest.approx(wasserstein2(*targets).value / 2, rel=1e-9)
    assert best_point_map([Empirical(x), Empirical(x)], [targets[0], targets[0]]).values == pytest.approx([0, 0], abs=1e-14)


def test_points_agree_within_rounding():
    rng = np.random.default_rng(3)
    x = sphere(rng, 4)
    sources = [Empirical(x), Empirical(x + 1e-14)]
    best = best_point_map(sources, [Empirical(sphere(rng, 4)), Empirical(sphere(rng, 4))])
    assert np.array_equal(best.images[0], best.images[1])
    assert best.values[0] > 0.1


def test_a_subset_with_its_own_target_costs():
    """The task of the demonstration, in small: half of the points are wanted in two places at once."""
    rng = np.random.default_rng(4)
    x = sphere(rng, 20)
    west, east = sphere(rng, 20), sphere(rng, 10)
    west[:, 0], east[:, 0] = -np.abs(west[:, 0]), np.abs(east[:, 0])
    sources, targets = [Empirical(x), Empirical(x[:10])], [Empirical(west), Empirical(east)]
    best = best_point_map(sources, targets)
    assert best.exact and min(best.values) > 0.05
    assert square(best) <= square(best_point_map(sources[::-1], targets[::-1])) * (1 + 1e-12)
    check(best, sources, targets)


def test_three_pairs_with_weights():
    rng = np.random.default_rng(5)
    x = sphere(rng, 9)
    sources = [Empirical(x[:6], rng.random(6) + 0.1), Empirical(x[3:]), Empirical(x[[0, 1, 8, 8]])]
    targets = [Empirical(sphere(rng, 5)), Empirical(sphere(rng, 6), rng.random(6) + 0.1), Empirical(sphere(rng, 3))]
    best = best_point_map(sources, targets)
    assert not best.exact
    alone = [best_placement(source, target) for source, target in zip(sources, targets, strict=True)]
    assert square(best) >= sum(placement.lower**2 for placement in alone)
    check(best, sources, targets)


def test_numbers_and_dimensions_must_agree():
    point, other = Empirical(np.eye(3)), Empirical(np.eye(4))
    with pytest.raises(InputError, match="at least 1, got 0 and 0"):
        best_point_map([], [])
    with pytest.raises(InputError, match="got 1 and 2"):
        best_point_map([point], [point, point])
    with pytest.raises(InputError, match=r"sources\[0\] has dimension 3 and sources\[1\] has dimension 4"):
        best_point_map([point, other], [point, other])
