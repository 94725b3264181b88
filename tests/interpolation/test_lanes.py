"""Lanes: gaps between points told apart by two directions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer.interpolation.lanes import best_lanes


@pytest.mark.parametrize("D", [2, 4])
@given(seed=st.integers(0, 1000))
def test_the_gap_is_the_smallest_that_is_used(D, seed):
    points = np.random.default_rng(seed).normal(size=(8, D))
    found = best_lanes(points, seed=seed)
    gaps = []
    for k in range(found.lane.max() + 1):
        gaps += list(np.diff(np.sort((points @ found.along)[found.lane == k])))
    if found.across is not None:
        assert abs(found.along @ found.across) < 1e-12
        heights = points @ found.across
        for k in range(found.lane.max()):
            gaps.append(heights[found.lane > k].min() - heights[found.lane <= k].max())
    assert min(gaps) == pytest.approx(found.gap) and found.gap > 0


def test_a_square_grid_falls_into_lanes():
    """Nine points of a 3 x 3 grid of spacing 1: one direction leaves gaps of at most 2/8 of the diagonal extent, lanes leave 1."""
    points = np.stack(np.meshgrid([0.0, 1.0, 2.0], [0.0, 1.0, 2.0]), axis=-1).reshape(-1, 2)
    found = best_lanes(points)
    assert found.lane.max() == 2 and np.bincount(found.lane).tolist() == [3, 3, 3] and found.gap > 0.9


def test_one_lane_where_one_direction_is_enough():
    points = np.stack([np.arange(5.0), np.zeros(5)], axis=1)
    found = best_lanes(points)
    assert found.across is None and found.gap == pytest.approx(1.0)


def test_one_point_and_equal_points():
    assert best_lanes(np.zeros((1, 3))).gap == np.inf
    assert best_lanes(np.array([[0.0, 1.0], [0.0, 1.0]])).gap == 0
