"""W_2 and W_infinity against brute force, linear programming, and the axioms of a metric."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog
from scipy.stats import special_ortho_group

from measureformer.measures import Empirical
from measureformer.transport import coupling as coupling_module
from measureformer.transport import geodesic_cost, wasserstein2, wasserstein_inf
from strategies import seeds as shared_seeds
from strategies import sphere

BOTH = pytest.mark.parametrize("distance", [wasserstein2, wasserstein_inf])
seeds = shared_seeds()


def cloud(rng, n, d=3, spread=None, weighted=True):
    return Empirical(sphere(rng, n, d, spread), rng.random(n) + 0.1 if weighted else None)


def check_coupling(found, mu, nu, size):
    """The coupling has the right marginals and reaches the value."""
    rows, cols, mass = found.coupling
    assert (mass > 0).all()
    assert np.bincount(rows, mass, mu.size) == pytest.approx(mu.weights, abs=2e-12)
    assert np.bincount(cols, mass, nu.size) == pytest.approx(nu.weights, abs=2e-12)
    lengths = geodesic_cost(mu.points, nu.points)[rows, cols]
    reached = np.sqrt(mass @ lengths**2) if size is wasserstein2 else lengths.max()
    assert reached == pytest.approx(found.value, rel=1e-12, abs=1e-15)


def by_permutations(cost, size):
    rows = np.arange(len(cost))
    if size is wasserstein2:
        return min(np.sqrt(np.mean(cost[rows, list(p)] ** 2)) for p in permutations(rows))
    return min(cost[rows, list(p)].max() for p in permutations(rows))


def by_linear_program(cost, a, b):
    n, m = cost.shape
    marginals = np.vstack([np.kron(np.eye(n), np.ones(m)), np.kron(np.ones(n), np.eye(m))])
    return linprog(cost.ravel(), A_eq=marginals, b_eq=np.concatenate([a, b])).fun


@BOTH
@pytest.mark.parametrize("spread", [None, 1e-3, 1e-10])
@pytest.mark.parametrize("n", [1, 2, 4, 6])
def test_equal_weights_against_all_permutations(distance, n, spread):
    rng = np.random.default_rng(n)
    mu, nu = cloud(rng, n, spread=spread, weighted=False), cloud(rng, n, spread=spread, weighted=False)
    found = distance(mu, nu)
    assert found.exact and found.lower == found.value
    assert found.value == pytest.approx(by_permutations(geodesic_cost(mu.points, nu.points), distance), rel=1e-12)
    check_coupling(found, mu, nu, distance)


@given(seeds, st.sampled_from([(1, 4), (2, 3), (4, 4), (5, 3)]), st.sampled_from([None, 1e-4, 1e-9]))
def test_w2_with_weights_against_linear_programming(seed, shape, spread):
    rng = np.random.default_rng(seed)
    mu, nu = cloud(rng, shape[0], spread=spread), cloud(rng, shape[1], spread=spread)
    found = wasserstein2(mu, nu)
    cost = geodesic_cost(mu.points, nu.points) ** 2
    assert found.exact
    assert found.value**2 == pytest.approx(cost.max() * by_linear_program(cost / cost.max(), mu.weights, nu.weights), rel=1e-9)
    check_coupling(found, mu, nu, wasserstein2)


@given(seeds, st.sampled_from([(1, 4), (2, 3), (4, 4), (5, 3)]), st.booleans())
def test_w_inf_with_weights_against_linear_programming(seed, shape, whole):
    rng = np.random.default_rng(seed)
    mu, nu = cloud(rng, shape[0], weighted=not whole), cloud(rng, shape[1], weighted=not whole)
    found = wasserstein_inf(mu, nu)
    cost = geodesic_cost(mu.points, nu.points)
    feasible = [r for r in np.unique(cost) if by_linear_program((cost > r).astype(float), mu.weights, nu.weights) < 1e-9]
    assert found.exact
    assert found.value == pytest.approx(feasible[0], rel=1e-14)
    check_coupling(found, mu, nu, wasserstein_inf)


@BOTH
@given(seeds)
def test_metric_axioms(distance, seed):
    rng = np.random.default_rng(seed)
    mu, nu, xi = cloud(rng, 4), cloud(rng, 5, weighted=False), cloud(rng, 5)
    there, back = distance(mu, nu).value, distance(nu, mu).value
    assert there == pytest.approx(back, rel=1e-12)
    assert there > 0
    assert distance(mu, mu).value == 0
    assert there <= distance(mu, xi).value + distance(xi, nu).value + 1e-12


@BOTH
@given(seeds)
def test_rotations_and_orders_change_nothing(distance, seed):
    rng = np.random.default_rng(seed)
    mu, nu = cloud(rng, 4, d=4), cloud(rng, 6, d=4)
    value = distance(mu, nu).value
    turn = special_ortho_group.rvs(4, random_state=seed)
    assert distance(mu.moved(mu.points @ turn), nu.moved(nu.points @ turn)).value == pytest.approx(value, rel=1e-10)
    order = rng.permutation(6)
    assert distance(mu, Empirical(nu.points[order], nu.weights[order])).value == pytest.approx(value, rel=1e-12)


@given(seeds, st.booleans())
def test_bottleneck_is_at_least_the_mean(seed, weighted):
    rng = np.random.default_rng(seed)
    mu, nu = cloud(rng, 5, weighted=weighted), cloud(rng, 5, weighted=weighted)
    assert wasserstein_inf(mu, nu).value >= wasserstein2(mu, nu).value * (1 - 1e-14)


@BOTH
@pytest.mark.parametrize("step", [1e-12, 1e-9, 1e-5])
def test_tiny_moves_keep_their_digits(distance, step):
    rng = np.random.default_rng(3)
    angles = rng.permutation(np.linspace(0, 6, 50))
    circle = lambda t: np.stack([np.cos(t), np.sin(t), np.zeros_like(t)], axis=1)  # noqa: E731
    found = distance(Empirical(circle(angles)), Empirical(circle(angles[::-1] + step)))
    assert found.method == "nearest-neighbour bijection"
    assert found.value == pytest.approx(step, rel=1e-15 / step)


def test_assignment_resolves_tiny_distances_among_large_ones():
    """Two groups far apart, moved by about the distance of neighbours, so that nearest neighbours do not do."""
    t = np.array([0.0, 1e-9, 2.0, 2.0 + 1e-9])
    moved = np.array([0.4e-9, 1.3e-9, 2.0 + 1.1e-9, 2.0 + 2e-9])
    circle = lambda t: np.stack([np.cos(t), np.sin(t)], axis=1)  # noqa: E731
    mu, nu = Empirical(circle(t)), Empirical(circle(moved))
    found = wasserstein2(mu, nu)
    assert found.method == "assignment"
    assert found.value == pytest.approx(by_permutations(geodesic_cost(mu.points, nu.points), wasserstein2), rel=1e-12)


@BOTH
def test_equal_atoms_of_the_target_are_one_destination(distance):
    rng = np.random.default_rng(5)
    y = sphere(rng, 3)
    nu = Empirical(y[[0, 1, 0, 2, 0]], [1.0, 2, 3, 4, 2])
    mu = Empirical(y[[2, 1, 0, 0]], [4.0, 2, 5, 1])
    found = distance(mu, nu)
    assert (found.value, found.method) == (0.0, "nearest-neighbour bijection")
    check_coupling(found, mu, nu, distance)
    check_coupling(distance(nu, mu), nu, mu, distance)


def test_whole_masses_leave_no_slivers():
    """1/60 + 1/60 + 1/60 is not 1/20 in floating point; the difference must not cross the sphere."""
    rng = np.random.default_rng(0)
    x, y = sphere(rng, 60), sphere(rng, 20)
    _, _, mass = wasserstein2(Empirical(x), Empirical(y)).coupling
    assert len(mass) == 60 and mass == pytest.approx(1 / 60, rel=1e-14)


@BOTH
@pytest.mark.parametrize("weighted", [False, True])
def test_bounds_for_large_clouds_hold(distance, weighted):
    rng = np.random.default_rng(1)
    mu, nu = cloud(rng, 400, weighted=weighted), cloud(rng, 300, weighted=weighted)
    truth, bound = distance(mu, nu), distance(mu, nu, max_pairs=1000)
    assert truth.exact and not bound.exact
    assert bound.method.startswith("upper bound: ")
    assert bound.lower <= truth.value <= bound.value
    if distance is wasserstein2:
        assert bound.value <= 1.5 * truth.value
    check_coupling(bound, mu, nu, distance)


def test_large_clouds_that_nearly_match():
    rng = np.random.default_rng(2)
    x = sphere(rng, 2000)
    mu, nu = Empirical(x), Empirical(x[rng.permutation(2000)] + 2e-3 * rng.normal(size=x.shape) / 60)
    truth, bound = wasserstein2(mu, nu), wasserstein2(mu, nu, max_pairs=1000)
    assert bound.value <= 1.1 * truth.value


def test_a_solver_that_stops_early_is_not_called_exact(monkeypatch):
    monkeypatch.setattr(coupling_module, "_MAX_PIVOTS", 3)
    rng = np.random.default_rng(4)
    mu, nu = cloud(rng, 30), cloud(rng, 20)
    early = wasserstein2(mu, nu)
    monkeypatch.undo()
    assert not early.exact and early.method.startswith("upper bound: ")
    assert early.lower <= wasserstein2(mu, nu).value <= early.value
    check_coupling(early, mu, nu, wasserstein2)


@pytest.mark.slow
@BOTH
def test_a_hundred_thousand_atoms(distance):
    rng = np.random.default_rng(6)
    x = sphere(rng, 100_000)
    mu = Empirical(x)
    assert distance(mu, Empirical(x[::-1].copy())).value == 0
    other = distance(mu, Empirical(sphere(rng, 100_000)))
    assert not other.exact and other.lower < other.value
