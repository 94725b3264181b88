"""The hardmax limit against the coarsening engine at large beta."""

import numpy as np
import pytest

from measureformer import Empirical
from measureformer.dynamics import coarsen, pairing_limit
from measureformer.geometry import distance, normalize


@pytest.mark.parametrize("law", ["softmax", "peak"])
def test_order_places_and_time_scales_at_large_beta(law):
    """log(time)/beta -> 1 - cosine up to O(log(beta)/beta); the places of the clusters are right up to O(beta^{-1/2})."""
    rng, beta = np.random.default_rng(8), 400.0
    mu = Empirical(normalize(rng.normal(size=(5, 3)) + [2.0, 0, 0]), rng.uniform(0.5, 1, 5))
    limit, run = pairing_limit(mu, law=law), coarsen(mu, beta, np.inf, law=law, angle=1e-2)
    assert [{*p.parts} for p in limit] == [{*m.parts} for m in run.merges]
    assert [p.mass for p in limit] == pytest.approx([m.mass for m in run.merges])
    times = np.array([merge.time for merge in run.merges])
    scales = np.array([p.scale for p in limit])
    slow = scales > 0.05
    assert slow.sum() >= 2
    assert np.all(abs(np.log(times[slow]) / beta - scales[slow]) < 2 * np.log(beta) / beta)
    assert distance(run.measure.points[0], limit[-1].point) < 0.02


def test_masses_decide_where_two_tokens_meet():
    """Softmax q^2 : p^2 up to O(beta^{-1/2}), for close to each other they see each other; unnormalised q : p for every beta."""
    mu = Empirical(np.eye(2), np.array([0.7, 0.3]))
    for law, share in [("softmax", 0.09 / (0.09 + 0.49)), ("peak", 0.3)]:
        (only,) = pairing_limit(mu, law=law)
        assert only.scale == pytest.approx(1) and only.parts == ((0,), (1,))
        assert np.arctan2(only.point[1], only.point[0]) == pytest.approx(share * np.pi / 2)
        off = [distance(coarsen(mu, beta, np.inf, law=law).measure.points[0], only.point) for beta in (60.0, 240.0)]
        assert max(off) < 1e-8 if law == "peak" else off[1] < 0.6 * off[0] < 0.02
