"""The column "keeps Gaussians" of the table of laws: on a Gaussian measure the field is affine with a known slope, or it is not."""

import numpy as np
import pytest

from measureformer.fields import LAWS

# N(m, s) in one dimension by Gauss-Hermite nodes; Q K = a, V = v
M, S, A, V, EPS = 0.3, 0.8, 0.7, 1.3, 2.0


def values(name, x):
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    y, w = (M + np.sqrt(S) * nodes)[:, None], weights / weights.sum()
    more = {"eps": EPS} if name == "sinkhorn" else {}
    law = LAWS[name](beta=1.0, Q=np.array([[0.9]]), K=np.array([[A / 0.9]]), V=np.array([[V]]), **more)
    return law(x[:, None], y, w)[:, 0]


def cross_covariance():
    """C of the entropic plan of N(m, s) to itself with the kernel e^{a x y}: the positive root of a C^2 + C = a s^2."""
    a = A / EPS
    return (-1 + np.sqrt(1 + 4 * (a * S) ** 2)) / (2 * a)


SLOPES = {
    "softmax": V * A * S,
    "l2": 2 * V * S * A / (1 + 2 * S * (A / 0.9) ** 2),
    "linear": V * A * (S + M**2),
    "sinkhorn": V * cross_covariance() / S / EPS,
}


@pytest.mark.parametrize("name", ["softmax", "l2", "linear", "sinkhorn", "sigmoid", "unnormalised"])
def test_affine_exactly_where_the_table_says_so(name):
    x = np.linspace(-1, 1, 9)
    v = values(name, x)
    slope, offset = np.polyfit(x, v, 1)
    bend = abs(v - (slope * x + offset)).max()
    if LAWS[name].about.gaussian.startswith("yes"):
        assert bend < 1e-9
        assert abs(slope / SLOPES[name] - 1) < 1e-9
    else:
        assert LAWS[name].about.gaussian == "no" and bend > 1e-3
