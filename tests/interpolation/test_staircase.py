import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer import Empirical, Schedule, flow
from measureformer.flows import is_shear
from measureformer.geometry import GnomonicChart
from measureformer.interpolation.heights import smallest_gap
from measureformer.interpolation.staircase import staircase


def instance(seed, d, K):
    rng = np.random.default_rng(seed)
    chart = GnomonicChart(rng.normal(size=d))
    a = rng.normal(size=d - 1)
    a /= np.linalg.norm(a)
    xi = rng.uniform(-1.5, 1.5, size=(K, d - 1))
    D = rng.normal(size=(K, d - 1))
    return chart, a, xi, D - np.outer(D @ a, a)


@given(st.integers(0, 10**6), st.sampled_from([(3, 3), (3, 2), (5, 5), (5, 12), (8, 7)]))
def test_each_point_moves_by_its_own_displacement(seed, shape):
    d, width = shape
    K = 9
    chart, a, xi, D = instance(seed, d, K)
    segments = staircase(chart, a, xi @ a, D, width, "x")
    assert all(is_shear(s.field) and s.field.width == width for s in segments)
    assert len(segments) <= -(-(K - 1) // (width // 2)) + 1
    end = flow(Schedule(segments), [Empirical(chart.points(xi))]).measures[0].points
    np.testing.assert_allclose(chart.coordinates(end), xi + D, atol=1e-13 / smallest_gap(xi @ a))


def test_one_segment_a_point_in_dimension_three():
    """K - 1 ramps of two neurons, and the constant takes the third neuron of the first segment."""
    chart, a, xi, D = instance(0, 3, 50)
    assert len(staircase(chart, a, xi @ a, D, 3, "x")) == 49


@given(st.integers(0, 10**6))
def test_neighbourhoods_move_rigidly(seed):
    """A quarter of the gap off in height, a point still moves by exactly the same displacement: errors of heights are forgotten."""
    chart, a, xi, D = instance(seed, 4, 6)
    heights = xi @ a
    segments = staircase(chart, a, heights, D, 4, "x")
    off = xi + 0.24 * smallest_gap(heights) * a
    end = flow(Schedule(segments), [Empirical(chart.points(off))]).measures[0].points
    np.testing.assert_allclose(chart.coordinates(end), off + D, atol=1e-12 / smallest_gap(heights))


@given(st.integers(0, 10**6))
def test_on_the_way_points_are_displaced_by_one_of_the_displacements(seed):
    chart, a, xi, D = instance(seed, 4, 8)
    seen = []
    flow(Schedule(staircase(chart, a, xi @ a, D, 4, "x")), [Empirical(chart.points(xi))], observe=lambda k, m: seen.append(m[0].points))
    allowed = np.vstack([np.zeros(3), D])
    for x in seen:
        moved = chart.coordinates(x) - xi
        nearest = np.abs(moved[:, None] - allowed).max(-1).min(1)
        assert nearest.max() < 1e-11 / smallest_gap(xi @ a)


def test_nothing_to_do_takes_no_segment():
    chart, a, xi, D = instance(0, 3, 5)
    assert staircase(chart, a, xi @ a, 0 * D, 3, "x") == []
    assert len(staircase(chart, a, xi @ a, 0 * D + chart_shift(a), 3, "x")) == 1


def chart_shift(a):
    return np.array([-a[1], a[0]])


@pytest.mark.parametrize("width", [2, 3, 4, 16])
def test_one_point_is_a_translation(width):
    chart, a, xi, D = instance(1, 3, 1)
    (segment,) = staircase(chart, a, xi @ a, D, width, "x")
    end = flow(Schedule([segment]), [Empirical(chart.points(xi))]).measures[0].points
    np.testing.assert_allclose(chart.coordinates(end), xi + D, atol=1e-13)
