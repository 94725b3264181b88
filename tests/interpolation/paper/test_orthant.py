"""Lemma 3.2."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from instances import cap
from measureformer import Empirical
from measureformer.flows import integrate
from measureformer.geometry import distance, normalize
from measureformer.interpolation.paper import into_orthant
from measureformer.schedule import Schedule
from strategies import seeds


@given(seeds(), st.sampled_from([3, 4, 7]), st.floats(0.1, 2.9))
def test_everything_ends_in_the_open_orthant(seed, d, radius):
    rng = np.random.default_rng(seed)
    center = normalize(rng.normal(size=d))
    measures = [Empirical(cap(center, radius, 12, rng)) for _ in range(2)]
    move = into_orthant(measures, seed=seed % 100)
    assert len(move.segments) <= 2
    assert all(s.field.V is None and s.field.U is None for s in move.segments)
    assert min(mu.points.min() for mu in move.measures) > 0


def test_the_first_segment_flees_into_the_ball():
    rng = np.random.default_rng(0)
    mu = Empirical(cap(-np.ones(3) / np.sqrt(3), 2.0, 40, rng))
    move = into_orthant([mu])
    fled = integrate(Schedule(move.segments[:1]), [mu]).measures[0].points
    minus_w0 = move.segments[0].field.W[:, 0]
    assert distance(fled, minus_w0).max() <= np.pi / 8 * (1 + 1e-9)
    assert distance(mu.points, -minus_w0).min() > 0.1  # the supports miss w_0
    assert integrate(Schedule(move.segments), [mu]).measures[0].points.min() > 0


def test_nothing_to_do_inside():
    mu = Empirical(cap(normalize(np.array([1.0, 1.1, 0.9])), 0.01, 5, np.random.default_rng(0)))
    there = into_orthant([mu]).measures[0]
    again = into_orthant([there])
    assert again.measures[0].points.min() > 0


def test_points_all_over_the_sphere_with_a_small_hole():
    k = np.arange(2000) + 0.5
    z, angle = 1 - k / 1000, 2.399963 * k
    mu = Empirical(np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=1))
    assert into_orthant([mu]).measures[0].points.min() > 0
