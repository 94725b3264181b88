import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer.interpolation.heights import best_direction, smallest_gap, spread


@pytest.mark.parametrize(("K", "D"), [(40, 2), (300, 2), (100, 5), (200, 15)])
def test_much_better_than_a_random_direction(K, D):
    """A random direction leaves about 1/K^2; the best of many leaves an order of magnitude more, and the linear program adds to that."""
    rng = np.random.default_rng(K)
    x = rng.normal(size=(K, D))
    random = np.median([smallest_gap(x @ (v / np.linalg.norm(v))) for v in rng.normal(size=(200, D))])
    rough, fine = best_direction(x, refined=0), best_direction(x)
    for found in (rough, fine):
        assert np.linalg.norm(found.vector) == pytest.approx(1)
        assert found.gap == pytest.approx(smallest_gap(x @ found.vector))
    assert fine.gap >= rough.gap > 8 * random


def test_regular_polygon():
    """The best direction for a square with vertices on the axes: heights 1, 1/3, -1/3, -1 times 3/sqrt(10)."""
    square = np.array([[1.0, 0], [0, 1], [-1, 0], [0, -1]])
    assert best_direction(square).gap == pytest.approx(2 / np.sqrt(10), rel=1e-6)


@given(st.integers(0, 10**6), st.sampled_from([2, 6]))
def test_keeps_off_a_given_direction(seed, D):
    rng = np.random.default_rng(seed + 1)
    x, across = rng.normal(size=(20, D)), rng.normal(size=D)
    across /= np.linalg.norm(across)
    assert abs(best_direction(x, across=across, seed=seed).vector @ across) <= np.cos(np.pi / 6) + 0.1


def test_one_point():
    assert best_direction(np.zeros((1, 3))).gap == np.inf


@given(st.integers(0, 10**6), st.floats(1e-6, 0.3))
def test_spread_is_the_nearest_with_gaps(seed, gap):
    rng = np.random.default_rng(seed)
    heights = rng.choice([0.0, 0.1, 0.5, 0.51, 2.0], 7) + rng.choice([0.0, 1e-3], 7)
    moved = spread(heights, gap)
    assert smallest_gap(moved) >= gap - 1e-12
    order = np.argsort(heights, kind="stable")
    assert (np.diff(moved[order]) > 0).all()
    # optimality: no feasible competitor is nearer
    cost = ((moved - heights) ** 2).sum()
    for _ in range(50):
        steps = np.maximum(np.diff(moved[order]) + rng.normal(size=6) * gap, gap)
        other = np.empty(7)
        other[order] = moved[order][0] + rng.normal() * gap + np.concatenate([[0], np.cumsum(steps)])
        assert ((other - heights) ** 2).sum() >= cost - 1e-12


def test_spread_leaves_alone_what_is_far_apart():
    np.testing.assert_array_equal(spread(np.array([3.0, 1.0, 2.0]), 0.5), [3.0, 1.0, 2.0])
