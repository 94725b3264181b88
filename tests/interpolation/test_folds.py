"""Folds: do all points get their own displacement, by exact shears, with the promised number of segments?"""

import numpy as np
import pytest

from measureformer import Empirical, Schedule, flow, integrate
from measureformer.flows import is_shear
from measureformer.geometry import GnomonicChart
from measureformer.interpolation.folds import folds


@pytest.mark.parametrize(("d", "K", "width"), [(3, 30, 3), (3, 30, 2), (3, 1, 3), (3, 2, 4), (5, 30, 7)])
@pytest.mark.parametrize("steepest", [np.inf, 30.0])
def test_each_point_gets_its_own_displacement(d, K, width, steepest):
    rng = np.random.default_rng(K + d)
    chart = GnomonicChart(rng.normal(size=d))
    xi = rng.uniform(-1.5, 1.5, size=(K, d - 1))
    a = np.eye(d - 1)[0]
    D = rng.normal(size=(K, d - 1)) * 0.5
    D[:, 0] = 0
    along = np.array([0.0, 1.0]) if d == 3 else None
    segments = folds(chart, a, xi @ a, D, width, "match", along=along, steepest=steepest)
    assert all(is_shear(s.field) and s.phase == "match" and s.field.width == width for s in segments)
    moved = chart.coordinates(flow(Schedule(segments), [Empirical(chart.points(xi))]).measures[0].points)
    np.testing.assert_allclose(moved, xi + D, atol=1e-9)
    if steepest == np.inf:
        assert len(segments) <= -(-(K + 1) // width) + 2
    original = integrate(Schedule(segments), [Empirical(chart.points(xi))], rtol=1e-12, atol=1e-12).measures[0].points
    np.testing.assert_allclose(chart.coordinates(original), xi + D, atol=1e-5)


def test_one_direction_takes_fewer_segments_than_many():
    """The same scalar displacements, once as such and once as vectors: the line then has a knot between any two points."""
    rng = np.random.default_rng(0)
    chart, xi = GnomonicChart(np.eye(3)[0]), rng.uniform(-1, 1, size=(60, 2))
    D = np.outer(rng.normal(size=60), [0.0, 1.0])
    one, many = (folds(chart, np.eye(2)[0], xi[:, 0], D, 3, "match", along=along) for along in (np.eye(2)[1], None))
    assert len(one) < 0.9 * len(many)


def test_nothing_moves():
    assert folds(GnomonicChart(np.eye(3)[0]), np.eye(2)[0], np.arange(4.0), np.zeros((4, 2)), 3, "match") == []
