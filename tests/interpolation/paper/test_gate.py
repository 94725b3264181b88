"""Gates and their exact flow."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer import Empirical
from measureformer.flows import boost, flow
from measureformer.geometry import distance, normalize
from measureformer.interpolation.paper import Gate
from measureformer.interpolation.paper.gate import saturated_flow
from measureformer.schedule import Schedule
from strategies import points, seeds


@pytest.mark.parametrize("high", [None, 0.4])
@given(points(6, 4), seeds())
def test_the_segment_is_the_field_that_the_gate_describes(high, x, seed):
    rng = np.random.default_rng(seed)
    gate, target = Gate(normalize(rng.normal(size=4)), 0.1, high), normalize(rng.normal(size=4))
    v = gate.segment(target, 1.0, "").field(x, x, np.full(6, 1 / 6))
    wanted = gate.speed(x)[:, None] * (target - (x @ target)[:, None] * x)
    np.testing.assert_allclose(v, wanted, atol=1e-13)


@given(points(8, 3), seeds(), st.floats(0.1, 2.0))
def test_the_exact_flow_of_a_saturated_gate_is_the_integrated_one(x, seed, duration):
    rng = np.random.default_rng(seed)
    gate, target = Gate(normalize(rng.normal(size=3)), -0.3, -0.2), normalize(rng.normal(size=3))
    segment = gate.segment(target, duration, "")
    y = saturated_flow(segment, x)
    if y is None:  # then some point that is not at rest comes below the top of the ramp, were it to follow the boost
        way = np.stack([boost(x, part * target) for part in np.linspace(0, duration, 2000)])
        lowest = (way @ gate.axis).min(axis=0)
        assert (lowest[x @ gate.axis > gate.low] < gate.high + 1e-5).any()
    else:
        integrated = flow(Schedule([segment]), [Empirical(x)]).measures[0].points
        assert distance(y, integrated).max() < 1e-9


@pytest.mark.parametrize("high", [None, 0.3])
def test_travel_time_is_when_the_point_arrives(high):
    gate, target = Gate(np.array([0.0, 0.0, 1.0]), 0.1, high), normalize(np.array([0.2, -0.3, 1.0]))
    x = normalize(np.array([[1.0, 0.5, 0.6]]))
    t = gate.travel_time(x[0], target, 0.05)
    y = flow(Schedule([gate.segment(target, t, "")]), [Empirical(x)]).measures[0].points
    assert distance(y, target)[0] == pytest.approx(0.05, abs=1e-10)
    assert gate.travel_time(-x[0], target, 0.05) == np.inf
    assert gate.travel_time(target, target, 0.05) == 0
