"""Lemma 3.3."""

import numpy as np
import pytest

from instances import cap
from measureformer import ConditioningError, Empirical
from measureformer.flows import integrate
from measureformer.geometry import distance, normalize
from measureformer.interpolation.paper import isolate
from measureformer.interpolation.paper.cluster import spread
from measureformer.schedule import Schedule


def overlapping(seed: int, d: int, N: int, n: int = 4) -> list[Empirical]:
    """Measures in the positive orthant that share their first atom."""
    rng = np.random.default_rng(seed)
    measures = [cap(normalize(1 + 0.3 * rng.uniform(-1, 1, d)), 0.25, n, rng) for _ in range(N)]
    for x in measures[1:]:
        x[0] = measures[0][0]
    return [Empirical(x, rng.uniform(0.2, 1, n)) for x in measures]


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape, literal", [((3, 2), False), ((3, 3), True), ((6, 4), False)])
def test_one_measure_shrinks_and_the_others_come_home(seed, shape, literal):
    measures = overlapping(seed, *shape)
    k = seed % len(measures)
    move = isolate(measures, k, 0.01, literal=literal)
    assert len(move.segments) <= 2 * (shape[0] - 1) + 1
    a = normalize(measures[k].mean())
    for i, (mu, nu) in enumerate(zip(measures, move.measures, strict=True)):
        if i != k:
            assert distance(mu.points, nu.points).max() < 1e-9
        else:
            assert distance(nu.points, a).max() < 0.02 and spread(nu) < spread(mu) / 2
    integrated = integrate(Schedule(move.segments), measures).measures
    assert max(distance(mu.points, nu.points).max() for mu, nu in zip(integrated, move.measures, strict=True)) < 1e-6


def test_attention_leaves_the_isolated_measure_where_it_is_and_carries_the_others_away():
    measures = overlapping(0, 3, 3)
    segments = isolate(measures, 1, 0.01).segments
    middle = next(k for k, s in enumerate(segments) if s.field.V is None)
    assert len(segments) == 2 * middle + 1
    a = normalize(measures[1].mean())
    away = integrate(Schedule(segments[:middle]), measures).measures
    assert distance(away[1].points, measures[1].points).max() < 1e-12
    assert max((mu.points @ a).max() for k, mu in enumerate(away) if k != 1) < (measures[1].points @ a).min()
    for segment, undone in zip(segments[:middle], segments[:middle:-1], strict=True):
        np.testing.assert_array_equal(segment.field.V, -undone.field.V)
        assert np.linalg.norm(segment.field.V @ a) < 1e-14 and segment.field.B is None


def test_colinear_means_are_refused():
    x = cap(normalize(np.ones(3)), 0.3, 4, np.random.default_rng(0))
    mu = Empirical(x)
    with pytest.raises(ConditioningError, match=r"phase disentangle: the means of measures 0 and 1 .* digits are missing"):
        isolate([mu, Empirical(x[::-1].copy())], 0, 0.01)
