"""Group 11: the merges of ``kinetic.py`` pair by pair, the angles integrated by two methods of scipy that share no code with ours."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from measureformer import Empirical
from measureformer.dynamics import coarsen

ANGLES, BETA = np.array([0.0622, 0.2143, 1.8191, 2.9111, -3.0952]), 4.0


def drift(_, theta):
    difference = theta[:, None] - theta
    kernel = np.exp(BETA * (np.cos(difference) - 1))
    return -(kernel * np.sin(difference)).sum(1) / kernel.sum(1)


def test_group_11_kinetic_pairs():
    """Cosine 0.999 at 1.267, 2.409, 5.195 and 5.267; the last merge at 328.405 (328.36 is in print)."""
    found = []
    for method, rtol in (("DOP853", 1e-12), ("Radau", 1e-9)):
        path = solve_ivp(drift, (0, 340), ANGLES, method, rtol=rtol, atol=1e-13, dense_output=True).sol
        pairs = ((0, 1), (3, 4), (2, 3), (2, 4), (0, 2))
        found.append([brentq(lambda t, i=i, j=j, path=path: np.cos(path(t)[i] - path(t)[j]) - 0.999, 0, 340) for i, j in pairs])
        np.testing.assert_allclose(found[-1][:4], [1.267, 2.409, 5.195, 5.267], atol=5e-4)
        assert found[-1][4] == pytest.approx(328.4053, abs=5e-4)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-7)
    merges = coarsen(Empirical(np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1)), BETA, np.inf).merges
    np.testing.assert_allclose([merge.time for merge in merges], [found[0][k] for k in (0, 1, 2, 4)], rtol=5e-6)
