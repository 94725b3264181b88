"""The best placement of whole atoms: closed forms, brute force over all vertices, and bounds that hold."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer.errors import InputError
from measureformer.measures import Empirical
from measureformer.transport import attainable, best_placement, geodesic_cost, wasserstein2
from measureformer.transport.bounds import placement_lower_bound, split_bound, spread_bound
from measureformer.transport.coupling import Coupling
from measureformer.transport.frechet import frechet_means
from measureformer.transport.grouping import whole_groups
from measureformer.transport.polytope import count_trees, vertices
from strategies import seeds as shared_seeds
from strategies import sphere

seeds = shared_seeds()


def check(best, source, target):
    """What holds for every placement."""
    assert best.positions.shape == source.points.shape
    assert np.linalg.norm(best.positions, axis=1) == pytest.approx(1, abs=1e-14)
    assert best.lower <= best.value == best.attainable
    assert best.method.startswith("exact: " if best.exact else "upper bound: ")
    assert best.value == pytest.approx(wasserstein2(source.moved(best.positions), target).value, rel=1e-12)


def on_targets(best, target):
    """Each position is a target atom, bit for bit: the mass that each target atom gets."""
    atoms = [row.tobytes() for row in target.points]
    return np.array([atoms.index(row.tobytes()) for row in best.positions])


@pytest.mark.parametrize("angle", [1e-9, 0.3, np.pi / 2, 3.0, np.pi])
def test_three_atoms_for_two(angle):
    """One atom stands half-way: W_2^2 = D^2/12."""
    source = Empirical(np.eye(3))
    target = Empirical(np.array([[1.0, 0, 0], [np.cos(angle), np.sin(angle), 0]]))
    best = best_placement(source, target)
    assert best.exact
    assert best.value == pytest.approx(angle / np.sqrt(12), rel=1e-9)
    check(best, source, target)


@pytest.mark.parametrize("n, m", [(1, 1), (7, 1), (8, 8), (60, 20), (500, 500)])
def test_whole_groups_cost_nothing(n, m):
    rng = np.random.default_rng(n)
    source, target = Empirical(sphere(rng, n)), Empirical(sphere(rng, m))
    best = best_placement(source, target)
    assert best.value == 0 and best.lower == 0 and best.exact
    assert (np.bincount(on_targets(best, target)) == n // m).all()
    moved = np.sum(geodesic_cost(source.points, best.positions).diagonal() ** 2) / n
    assert np.sqrt(moved) == pytest.approx(wasserstein2(source, target).value, rel=1e-12)  # no shorter way to do it


@given(seeds, st.booleans())
def test_unequal_groups_are_found(seed, whole):
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 6, size=9).astype(float) if whole else rng.random(9) + 0.1
    groups = np.concatenate([np.arange(3), rng.integers(3, size=6)])
    source, target = Empirical(sphere(rng, 9), weights), Empirical(sphere(rng, 3), np.bincount(groups, weights))
    best = best_placement(source, target)
    assert best.value == 0 and best.exact
    assert np.bincount(on_targets(best, target), source.weights) == pytest.approx(target.weights, abs=1e-12)


def test_the_search_for_groups_ends():
    rng = np.random.default_rng(0)
    assert whole_groups(rng.random(40) + 0.5, np.full(8, 5.0)) is None
    assert whole_groups(np.array([3.0, 3.0, 2.0]), np.array([4.0, 4.0])) is None
    assert whole_groups(np.array([3.0, 1.0, 2.0, 2.0]), np.array([4.0, 4.0])).tolist() in ([0, 0, 1, 1], [1, 1, 0, 0])


def test_equal_source_atoms_move_together():
    rng = np.random.default_rng(1)
    x, y = sphere(rng, 3), sphere(rng, 4)
    source, target = Empirical(x[[0, 1, 0, 2]]), Empirical(y)
    best = best_placement(source, target)
    assert np.array_equal(best.positions[0], best.positions[2])
    assert best.value > 0.1
    check(best, source, target)


def test_one_atom_goes_to_the_frechet_mean():
    """In a small ball the mean of R^d, up to third order; and never worse than any point of a fine sample."""
    rng = np.random.default_rng(2)
    source, target = Empirical(np.eye(3)[:1]), Empirical(sphere(rng, 30, spread=1e-3), rng.random(30) + 0.1)
    best = best_placement(source, target)
    mean = target.mean() / np.linalg.norm(target.mean())
    assert best.exact
    assert geodesic_cost(best.positions, mean[None]) < 1e-8
    wide = Empirical(sphere(rng, 12))
    best = best_placement(source, wide)
    sample = sphere(rng, 20_000)
    assert best.value <= np.sqrt((geodesic_cost(sample, wide.points) ** 2).mean(axis=1).min())
    check(best, source, wide)


def test_symmetric_points_do_not_hold_the_mean_on_a_saddle():
    """Three points at 120 degrees on the equator: the poles, at (pi/2)^2, beat each of the points at 2/3 (2 pi/3)^2."""
    angles = 2 * np.pi * np.arange(3) / 3
    y = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    means = frechet_means(y, Coupling(np.zeros(3, int), np.arange(3), np.full(3, 1 / 3)), 1)
    assert means.cost[0] == pytest.approx((np.pi / 2) ** 2, rel=1e-9)
    assert not means.proved[0]


@given(seeds, st.floats(0.05, 0.95), st.sampled_from([1e-8, 0.1, 1.0, None]))
def test_mean_of_two_points(seed, w, spread):
    rng = np.random.default_rng(seed)
    y = sphere(rng, 2, d=5, spread=spread)
    d = geodesic_cost(y, y)[0, 1]
    means = frechet_means(y, Coupling(np.zeros(2, int), np.arange(2), np.array([w, 1 - w])), 1)
    assert means.proved[0]
    assert means.cost[0] == pytest.approx(w * (1 - w) * d**2, rel=1e-6 if spread == 1e-8 else 1e-12)


@pytest.mark.parametrize("n, m", [(1, 1), (1, 4), (4, 1), (2, 2), (3, 3), (2, 4), (4, 3)])
def test_vertices_are_all_vertices(n, m):
    """Against all choices of n + m - 1 entries whose linear system has exactly one, non-negative solution."""
    rng = np.random.default_rng(n + 10 * m)
    a, b = rng.random(n) + 0.1, rng.random(m) + 0.1
    a, b = a / a.sum(), b / b.sum()
    marginals = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    expected = set()
    for choice in product([False, True], repeat=n * m):
        if sum(choice) == n + m - 1 and np.linalg.matrix_rank(marginals[:, choice]) == n + m - 1:
            entries = np.zeros(n * m)
            entries[list(choice)] = np.linalg.lstsq(marginals[:, choice], np.concatenate([a, b]), rcond=None)[0]
            if (entries >= 0).all():
                expected.add(tuple(np.round(entries, 9) + 0.0))
    found = vertices(a, b)
    assert {tuple(np.round(entries, 9) + 0.0) for entries in found.reshape(-1, n * m)} == expected
    assert len(found) <= count_trees(n, m)


@given(seeds, st.sampled_from([(2, 3), (3, 2), (3, 4), (4, 3)]), st.booleans())
def test_small_instances_against_a_scan_of_placements(seed, shape, weighted):
    """Nothing on a grid of placements along the geodesics between targets, or at random, is better."""
    rng = np.random.default_rng(seed)
    n, m = shape
    source = Empirical(sphere(rng, n), rng.random(n) + 0.1 if weighted else None)
    target = Empirical(sphere(rng, m, spread=0.4), rng.random(m) + 0.1 if weighted else None)
    best = best_placement(source, target)
    check(best, source, target)
    assert best.exact
    for _ in range(60):
        mixture = rng.dirichlet(np.full(m, 0.4), size=n) @ target.points
        positions = mixture / np.linalg.norm(mixture, axis=1, keepdims=True)
        assert wasserstein2(source.moved(positions), target).value >= best.value - 1e-12


@settings(max_examples=10)
@given(seeds, st.sampled_from([(3, 3), (4, 3), (3, 4)]), st.booleans())
def test_search_and_enumeration(seed, shape, weighted):
    """The search never goes below the exact minimum, and reaches it for equal weights; the bounds stay below it."""
    rng = np.random.default_rng(seed)
    n, m = shape
    source = Empirical(sphere(rng, n), rng.random(n) + 0.1 if weighted else None)
    target = Empirical(sphere(rng, m, spread=0.4), rng.random(m) + 0.1 if weighted else None)
    exact = best_placement(source, target)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(attainable, "_MOST_TREES", 0)
        searched = best_placement(source, target, kicks=32)
    assert searched.lower <= exact.value <= searched.value + 1e-12
    assert weighted or searched.value <= exact.value * (1 + 1e-9)
    check(searched, source, target)


@given(seeds, st.sampled_from(["equal", "whole", "real"]), st.sampled_from([(3, 5), (6, 4), (20, 3)]))
def test_lower_bounds_hold_for_any_placement(seed, kind, shape):
    rng = np.random.default_rng(seed)
    n, m = shape
    draw = {"equal": np.ones, "whole": lambda k: rng.integers(1, 9, k).astype(float), "real": lambda k: rng.random(k) + 0.01}[kind]
    a, b = draw(n), draw(m)
    a, b = (a * b.sum(), b * a.sum()) if kind == "whole" else (a / a.sum(), b / b.sum())
    y = sphere(rng, m)
    square = geodesic_cost(y, y) ** 2
    bound = placement_lower_bound(a, b, square)
    assert bound == max(split_bound(a, b, square), spread_bound(a, b, square))
    assert bound > 0 or kind != "equal"
    for positions in (y[rng.integers(m, size=n)], sphere(rng, n)):
        reached = wasserstein2(Empirical(positions, a), Empirical(y, b)).value ** 2 * a.sum()
        assert reached >= bound * (1 - 1e-12) - 1e-12


def test_the_bound_is_met_by_equidistant_targets():
    """Atoms of mass 1/2 over four targets at right angles: each serves two, at W_2^2 = (pi/2)^2/4."""
    best = best_placement(Empirical(np.eye(4)[:2]), Empirical(np.eye(4)))
    assert best.value == pytest.approx(np.pi / 4, rel=1e-12)
    assert best.lower == pytest.approx(np.pi / 4, rel=1e-12)


@pytest.mark.parametrize(
    "n, m, weighted",
    [(30, 25, False), pytest.param(20, 27, False, marks=pytest.mark.slow), pytest.param(12, 10, True, marks=pytest.mark.slow)],
)
def test_medium_instances(n, m, weighted):
    """Better than leaving every atom on the target atom that gets most of it, never below the bound, the same for the same seed."""
    rng = np.random.default_rng(n)
    source = Empirical(sphere(rng, n), rng.random(n) + 0.1 if weighted else None)
    target = Empirical(sphere(rng, m), rng.random(m) + 0.1 if weighted else None)
    best = best_placement(source, target, seed=1)
    check(best, source, target)
    assert not best.exact and "8 starts, 128 random changes" in best.method
    assert np.array_equal(best.positions, best_placement(source, target, seed=1).positions)
    rows, cols, mass = wasserstein2(source, target).coupling
    largest = np.lexsort([mass, rows])[np.cumsum(np.bincount(rows)) - 1]
    assert best.value < wasserstein2(source.moved(target.points[cols[largest]]), target).value


def test_dimensions_must_agree():
    with pytest.raises(InputError, match="source has dimension 3 and target has dimension 4"):
        best_placement(Empirical(np.eye(3)), Empirical(np.eye(4)))
