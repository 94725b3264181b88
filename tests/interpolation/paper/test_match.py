"""Propositions 4.1 and 4.2."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import ConditioningError, Empirical
from measureformer.flows import integrate
from measureformer.geometry import distance, normalize
from measureformer.interpolation.paper import match_point, match_points
from measureformer.interpolation.paper.gate import run
from measureformer.schedule import Schedule
from strategies import seeds


def executed(segments, x: np.ndarray) -> np.ndarray:
    return integrate(Schedule(segments), [Empirical(x)]).measures[0].points


@given(seeds(), st.sampled_from([3, 6]), st.booleans())
@settings(max_examples=8)
def test_one_point_moves_and_the_others_stay(seed, d, literal):
    rng = np.random.default_rng(seed)
    x, place = normalize(rng.normal(size=(5, d))), normalize(rng.normal(size=d))
    segments = match_point(x, 2, place, literal=literal)
    assert len(segments) <= 6
    wanted = x.copy()
    wanted[2] = place
    assert distance(executed(segments, x), wanted).max() < 1e-6


def test_gather_corridor_restore():
    """What the three pairs of segments do, one after the other."""
    rng = np.random.default_rng(1)
    x, place = normalize(rng.normal(size=(8, 3))), normalize(rng.normal(size=3))
    segments = match_point(x, 0, place)
    assert len(segments) == 6
    gathered = executed(segments[:2], x)
    assert distance(gathered[0], x[0]) < 1e-12
    omega = -normalize(x[0] + place)
    assert distance(gathered[1:], omega).max() <= 3 * np.pi / 16 + 1e-9
    assert min(distance(omega, x[0]), distance(omega, place)) >= np.pi / 2 - 1e-12
    there = executed(segments[:4], x)
    assert distance(there[0], place) < 1e-8 and distance(there[1:], gathered[1:]).max() < 1e-9
    for forth, back in zip(segments[:2], segments[:3:-1], strict=True):
        np.testing.assert_array_equal(forth.field.W, -back.field.W)


@pytest.mark.parametrize("goal", ["opposite", "same", "near"])
def test_special_places(goal):
    x = normalize(np.random.default_rng(3).normal(size=(4, 3)))
    place = {"opposite": -x[0], "same": x[0], "near": normalize(x[0] + 1e-7 * np.eye(3)[0])}[goal]
    y = executed(match_point(x, 0, place), x) if goal != "same" else x
    assert distance(y[0], place) < 1e-8 and distance(y[1:], x[1:]).max() < 1e-7
    assert (match_point(x, 0, place) == []) == (goal == "same")


@given(seeds(), st.sampled_from([(3, 6), (5, 8)]))
@settings(max_examples=4)
def test_many_points(seed, shape):
    d, K = shape
    rng = np.random.default_rng(seed)
    x, y = normalize(rng.normal(size=(K, d))), normalize(rng.normal(size=(K, d)))
    kinds = np.arange(K) % 2
    y = y[np.argsort(rng.permutation(kinds), kind="stable")]
    matching = match_points(x, y, kinds)
    assert len(matching.segments) <= 6 * K and sorted(matching.order) == list(range(K))
    assert (kinds[matching.order] == kinds).all()
    final = executed(matching.segments, x)
    assert distance(final, y[matching.order]).max() < 1e-6
    assert distance(final, matching.points).max() < 1e-6
    own = match_points(x[:3], y[:3])
    assert (own.order == np.arange(3)).all()


def test_a_point_in_the_way_is_refused():
    x = np.array([[1.0, 0, 0], normalize(np.array([1.0, 1.0, 1e-12]))])
    with pytest.raises(ConditioningError, match=r"phase match: the great circle .* digits are missing"):
        match_point(x, 0, np.array([0.0, 1.0, 0.0]))


def crowd() -> tuple[np.ndarray, np.ndarray]:
    """Point 0 follows the equator; one point is just above it, the others are far."""
    x = normalize(np.array([[1.0, 0, 0], [-0.5, 1.0, 0.05], [0, -1, 2.0], [0.1, -1, 2.0], [1, 0, -2.0]]))
    return x, np.array([0.0, 1.0, 0.0])


def test_literal_gates_fail_because_of_the_worst_case_time():
    """A rank-one gate held for the time c/eps crushes the other points, and float64 cannot bring them back; short times, or saturated
    gates, leave them apart."""
    x, place = crowd()
    wanted = np.concatenate([place[None], x[1:]])
    with pytest.raises(ConditioningError, match=r"phase match: gathering lasts .* digits are missing"):
        match_point(x, 0, place, literal=True, shortest=False)
    # executed all the same: points that were 0.04 apart become one
    segments = match_point(x, 0, place, literal=True, shortest=False, tolerance=np.inf)
    crushed = run(segments[:2], [Empirical(x)])[0].points
    assert distance(x[2], x[3]) > 0.04 and distance(crushed[2], crushed[3]) < 1e-14
    lost = run(segments, [Empirical(x)])[0].points
    assert distance(lost, wanted)[1:].min() > 1 and abs(np.linalg.norm(lost, axis=1) - 1).max() < 1e-15
    for literal, shortest in ((False, True), (False, False), (True, True)):
        final = executed(match_point(x, 0, place, literal=literal, shortest=shortest), x)
        assert distance(final, wanted).max() < 1e-6


def test_the_worst_case_time_suffices_and_a_wide_slab_survives_it():
    x = normalize(np.array([[1.0, 0, 0], [0.2, 0.1, 1.0], [0.3, -0.2, -1.0], [-1.0, 0.5, 1.5]]))
    place = np.array([0.0, 1.0, 0.0])
    segments = match_point(x, 0, place, literal=True, shortest=False)
    gathered = run(segments[:2], [Empirical(x)])[0].points
    assert distance(gathered[1:], -normalize(x[0] + place)).max() < 3 * np.pi / 16
    assert distance(executed(segments, x), np.concatenate([place[None], x[1:]])).max() < 1e-4
