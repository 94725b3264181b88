"""Group 14: on a long circle the greedy centres are parked cars, 0.74760 of the places that there are."""

import numpy as np
import pytest

from measureformer.diagnostics import renyi_centers


@pytest.mark.slow
def test_group_14_parking_constant():
    """Mean over 60 circles of 2e4 points, delta = 0.05, within 3 standard errors (and 0.2 % for n < infinity) of 0.74760 * 2 pi / delta."""
    rng, delta = np.random.default_rng(0), 0.05
    counts = []
    for _ in range(60):
        angles = rng.uniform(0, 2 * np.pi, 20_000)
        counts.append(len(renyi_centers(np.stack([np.cos(angles), np.sin(angles)], axis=1), delta)))
    limit = 0.74760 * 2 * np.pi / delta
    assert abs(np.mean(counts) - limit) < 3 * np.std(counts, ddof=1) / np.sqrt(60) + 0.002 * limit
