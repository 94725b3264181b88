"""Proposition 3.1."""

from itertools import combinations

import numpy as np
import pytest

from instances import cap
from measureformer import Empirical
from measureformer.flows import integrate
from measureformer.geometry import distance, normalize
from measureformer.interpolation.paper import disentangle
from measureformer.schedule import Schedule


def hulls_are_disjoint(mu: Empirical, nu: Empirical) -> bool:
    """Whether some hyperplane through the origin, or cap, parts them: caps round the means."""
    centers = [normalize(m.mean()) for m in (mu, nu)]
    radii = [distance(m.points, c).max() for m, c in zip((mu, nu), centers, strict=True)]
    return bool(sum(radii) < distance(*centers))


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("shape", [(3, 2), (3, 4), (5, 3)])
def test_hulls_become_disjoint(seed, shape):
    d, N = shape
    rng = np.random.default_rng(seed)
    base = cap(normalize(np.ones(d)), 0.3, 6, rng)
    measures = [Empirical(np.concatenate([base[:3], cap(normalize(np.ones(d)), 0.3, 3, rng)])) for _ in range(N)]
    move = disentangle(measures)
    perceptrons = [s for s in move.segments if s.phase == "disentangle"]
    assert len(perceptrons) <= N * (2 * (d - 1) + 1)
    assert len(move.segments) - len(perceptrons) <= 2 * (N - 1)
    integrated = integrate(Schedule(move.segments), measures).measures
    assert all(hulls_are_disjoint(*pair) for pair in combinations(integrated, 2))
    assert not all(hulls_are_disjoint(*pair) for pair in combinations(measures, 2))


def test_disjoint_hulls_need_nothing():
    rng = np.random.default_rng(0)
    centers = [normalize(np.array(c, float)) for c in ([1, 0.2, 0.2], [0.2, 1, 0.2], [0.2, 0.2, 1])]
    assert disentangle([Empirical(cap(c, 0.1, 4, rng)) for c in centers]).segments == []
