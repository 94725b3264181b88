import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instances import cap
from measureformer.geometry import distance, normalize
from measureformer.interpolation.hemisphere import RADIUS, boost_segment, route


@given(st.integers(0, 10**6), st.floats(0.25, 3.0), st.floats(0.25, 3.0), st.sampled_from([3, 6]))
@settings(max_examples=12)
def test_both_clouds_meet_in_the_standard_cap(seed, r, s, d):
    rng = np.random.default_rng(seed)
    x, y = cap(normalize(rng.normal(size=d)), r, 40, rng), cap(normalize(rng.normal(size=d)), s, 40, rng)
    way = route(x, y)
    for points in (way.enter(x), way.leave_inverse(y)):
        assert distance(points, way.pole).max() <= RADIUS + 1e-9
    assert 1 <= len(way.inward) <= 2 and 1 <= len(way.outward) <= 2


@pytest.mark.parametrize("angle", [np.pi, np.pi - 1e-9, 2.0, 0.0])
def test_opposite_clouds(angle):
    rng = np.random.default_rng(0)
    axes = np.eye(3)
    x, y = cap(axes[0], 1.2, 30, rng), cap(np.cos(angle) * axes[0] + np.sin(angle) * axes[1], 1.2, 30, rng)
    way = route(x, y)
    assert distance(way.enter(x), way.pole).max() <= RADIUS + 1e-9
    assert distance(way.leave_inverse(y), way.pole).max() <= RADIUS + 1e-9


def test_clouds_that_nearly_fill_the_sphere():
    """Holes of 0.15 rad on opposite sides."""
    rng = np.random.default_rng(1)
    x, y = cap(np.eye(3)[0], np.pi - 0.15, 500, rng), cap(-np.eye(3)[0], np.pi - 0.15, 500, rng)
    way = route(x, y)
    assert distance(way.enter(x), way.pole).max() <= RADIUS + 1e-9
    assert distance(way.leave_inverse(y), way.pole).max() <= RADIUS + 1e-9


def test_a_boost_segment_is_the_boost():
    from measureformer import Empirical, Schedule, flow
    from measureformer.flows import boost

    x, w = normalize(np.random.default_rng(0).normal(size=(5, 4))), np.array([0.1, -2.0, 0.3, 0.4])
    result = flow(Schedule([boost_segment(w, 7, "boost")]), [Empirical(x)])
    assert result.methods == {"boost": 1}
    np.testing.assert_allclose(result.measures[0].points, boost(x, w), atol=1e-14)
