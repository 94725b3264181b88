"""A schedule of ``interpolate``, seen from outside, is a Transformer; what is recovered of it is what it does."""

import numpy as np
import pytest

from instances import overlapping_caps
from measureformer import interpolate
from measureformer.incontext import UnitSphere, Verdict, classify, measure_map, recover, schedule_map


@pytest.mark.slow
def test_a_schedule_as_a_black_box():
    sources, targets = overlapping_caps(3, 2, 4, seed=0)
    G = schedule_map(interpolate(sources, targets, eps=1e-6).schedule)
    for mu, nu in zip(sources, targets, strict=True):
        assert np.linalg.norm(G.push(mu).points[:, None] - nu.points[None], axis=2).min(axis=1).max() < 1e-5
    found = classify(G, UnitSphere(3), rounds=1)
    assert found.verdict is Verdict.REPRESENTABLE
    x = UnitSphere(3).sample(np.random.default_rng(0), 3)
    for mu in sources:
        assert abs(recover(measure_map(G), mu, x, eps=1e-12).values - G(mu, x)).max() <= 1e-8
