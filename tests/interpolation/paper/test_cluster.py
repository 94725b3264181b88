"""Proposition 2.1, Claim 1 of Section 5.1, Lemma B.2."""

import numpy as np
import pytest

from instances import cap
from measureformer import ConditioningError, Empirical, InputError
from measureformer.flows import integrate
from measureformer.geometry import distance, normalize
from measureformer.interpolation.paper import Gate, cluster, cut_into_pieces
from measureformer.interpolation.paper.cluster import spread
from measureformer.interpolation.paper.pieces import collapse_ball
from measureformer.schedule import Schedule


@pytest.mark.parametrize("seed", [0, 1])
def test_attention_gathers_every_measure_in_one_point(seed):
    d = 4
    rng = np.random.default_rng(seed)
    measures = [Empirical(cap(normalize(rng.normal(size=d)), 1.2, 20, rng)) for _ in range(2)]
    move = cluster(measures, 1e-4)
    (segment,) = move.segments
    assert max(spread(mu) for mu in integrate(Schedule([segment]), measures).measures) < 1.01e-4
    shorter = cluster(measures, 1e-2).segments[0].duration
    assert segment.duration < 4 * shorter + 2  # O(log 1/radius)


def test_a_measure_that_attention_cannot_gather():
    with pytest.raises(ConditioningError, match="open hemisphere"):
        cluster([Empirical(np.array([[1.0, 0, 0], [-1.0, 0, 0]]))], 1e-3)


def test_a_ball_collapses_and_nothing_else_moves():
    rng = np.random.default_rng(0)
    z, R = normalize(rng.normal(size=3)), 0.3
    inside = cap(z, 0.2, 10, rng)
    everywhere = normalize(rng.normal(size=(500, 3)))
    off = everywhere[distance(everywhere, z) >= R]
    for gate in (Gate(z, np.cos(R)), Gate(z, np.cos(R), np.cos(0.25))):
        segment = collapse_ball(gate, inside, z, 1e-3)
        (moved,) = integrate(Schedule([segment]), [Empirical(np.concatenate([inside, off]))]).measures
        assert distance(moved.points[:10], z).max() <= 1e-3 * (1 + 1e-6)
        assert distance(moved.points[10:], off).max() < 1e-12


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape, literal", [((3, 12, 3), False), ((3, 12, 3), True), ((4, 20, 5), False), ((3, 9, 1), False)])
def test_pieces_of_equal_mass(seed, shape, literal):
    d, n, m = shape
    rng = np.random.default_rng(seed)
    centers = np.eye(d)[:2]
    measures = [Empirical(cap(c, 0.3, n, rng)) for c in centers]
    cut = cut_into_pieces(measures, 0, m, 1e-6, literal=literal)
    assert len(cut.segments) == m and sorted(map(len, cut.groups)) == [n // m] * m
    moved, other = integrate(Schedule(cut.segments), measures, rtol=1e-11, atol=1e-11).measures
    assert distance(other.points, measures[1].points).max() < 1e-12
    centres = np.array([normalize(moved.points[g].mean(axis=0)) for g in cut.groups])
    assert max(distance(moved.points[g], c).max() for g, c in zip(cut.groups, centres, strict=True)) < 1e-5
    apart = distance(centres[:, None], centres[None]) + np.eye(m)
    assert apart.min() > 1e-4
    assert sorted(np.concatenate(cut.groups)) == list(range(n))


def test_masses_that_cannot_be_cut():
    mu = Empirical(cap(np.eye(3)[0], 0.3, 5, np.random.default_rng(0)))
    with pytest.raises(InputError, match="5 atoms .* no 2 pieces"):
        cut_into_pieces([mu], 0, 2, 1e-6)
