"""Lemma 3.4."""

import numpy as np
import pytest

from measureformer import ConditioningError, Empirical
from measureformer.flows import integrate
from measureformer.geometry import distance, normalize
from measureformer.interpolation.paper import separate_equal_means
from measureformer.interpolation.paper.separate import mean_angle
from measureformer.schedule import Schedule


def ring(radius: float, n: int, turn: float = 0.0) -> np.ndarray:
    """A regular n-gon round (1, 1, 1): its mean is a multiple of (1, 1, 1)."""
    c, u = normalize(np.ones(3)), normalize(np.array([1.0, -1.0, 0.0]))
    angle = turn + 2 * np.pi * np.arange(n)[:, None] / n
    return np.cos(radius) * c + np.sin(radius) * (np.cos(angle) * u + np.sin(angle) * np.cross(c, u))


EQUAL = [(ring(0.4, 4), ring(0.4, 4, 0.7)), (ring(0.4, 4), ring(0.4, 3)), (ring(0.3, 6), ring(0.3, 6)[::2])]


@pytest.mark.parametrize("literal", [False, True])
@pytest.mark.parametrize("pair", EQUAL, ids=["turned square", "square and triangle with a common vertex", "every other vertex"])
def test_equal_means(pair, literal):
    measures = [Empirical(x) for x in pair]
    assert mean_angle(*measures) < 1e-12
    move = separate_equal_means(measures, 0, 1, literal=literal)
    assert len(move.segments) == 1 and move.segments[0].field.V is None
    assert mean_angle(*move.measures) > 1e-3
    assert min(mu.points.min() for mu in move.measures) > 0


def test_the_flow_is_the_identity_off_the_ball():
    measures = [Empirical(x) for x in EQUAL[0]]
    segments = separate_equal_means(measures, 0, 1).segments
    field = segments[0].field
    center, height = field.U[0], -field.b[0]  # the ball {<z, x> > cos R}
    x = normalize(np.random.default_rng(0).normal(size=(2000, 3)))
    y = integrate(Schedule(segments), [Empirical(x)]).measures[0].points
    off = x @ center <= height
    assert off.sum() > 1000 and distance(x, y)[off].max() < 1e-12
    final = integrate(Schedule(segments), measures).measures
    moved = np.concatenate([distance(mu.points, nu.points) for mu, nu in zip(measures, final, strict=True)])
    inside = np.concatenate([mu.points @ center > height for mu in measures])
    assert (moved[inside] > 1e-3).any() and moved[~inside].max() < 1e-12


def test_colinear_means_take_attention_first():
    measures = [Empirical(ring(0.4, 4)), Empirical(ring(0.2, 4))]
    move = separate_equal_means(measures, 0, 1)
    attention, ball = move.segments
    np.testing.assert_array_equal(attention.field.V, np.eye(3))
    between = integrate(Schedule([attention]), measures).measures
    assert mean_angle(*between) < 1e-9  # V = I keeps them colinear; the ball parts them
    met = [bool((mu.points @ ball.field.U[0] > -ball.field.b[0]).any()) for mu in between]
    assert sorted(met) == [False, True]
    assert mean_angle(*move.measures) > 1e-3


def test_measures_that_differ_too_little_are_refused():
    x = ring(0.4, 4)
    with pytest.raises(ConditioningError, match=r"phase separate means: .* digits are missing"):
        separate_equal_means([Empirical(x), Empirical(normalize(x + 1e-13 * np.eye(4, 3)))], 0, 1)
