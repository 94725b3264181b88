"""Group 15: the columns of the Monte-Carlo table for steps of 0.02, and the numbers of clusters."""

import numpy as np
import pytest

from measureformer.experiments.literature.phase_diagram import gathered_pairs

FINE = {(2, 2.0): 0.831, (2, 4.0): 0.532, (2, 9.0): 0.347, (8, 4.0): 0.838, (8, 6.0): 0.465, (8, 9.0): 0.203}
CLUSTERS = {(2, 1.0): 1, (2, 2.0): 1, (2, 4.0): 2, (2, 9.0): 3, (8, 2.0): 1, (8, 4.0): 1, (8, 6.0): 3, (8, 9.0): 7}


@pytest.mark.slow
@pytest.mark.parametrize(("d", "beta"), list(FINE))
def test_group_15_fine_steps(d, beta):
    """t = 30, eta = 0.02, 512 samples like the printed ones: within 3 standard errors of the difference."""
    mean, error, _ = gathered_pairs(np.random.default_rng(1), d, np.array([beta]), np.array([30.0]), 512, eta=0.02)
    assert abs(mean[0, 0] - FINE[d, beta]) < 3 * np.sqrt(2) * error[0, 0] + 5e-4


@pytest.mark.slow
@pytest.mark.parametrize(("d", "beta"), list(CLUSTERS))
def test_group_15_median_clusters(d, beta):
    counts = gathered_pairs(np.random.default_rng(2), d, np.array([beta]), np.array([30.0]), 512)[2]
    assert np.median(counts) == CLUSTERS[d, beta]
