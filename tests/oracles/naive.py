"""Formulas written once more, naively, one loop for each sum, to check the library against."""

import numpy as np
from scipy.integrate import solve_ivp


def attention(x, points, weights, B):
    """A_B[mu](x) of arXiv:2411.04551, Section 1, atom by atom."""
    out = np.zeros_like(x)
    for i in range(len(x)):
        mass = 0.0
        for y, w in zip(points, weights, strict=True):
            e = w * np.exp((B @ x[i]) @ y)
            out[i] += e * y
            mass += e
        out[i] /= mass
    return out


def velocity(x, weights, V, B, W, U, b):
    """P_x (V A_B[mu](x) + W (U x + b)_+) at the atoms of mu."""
    a = attention(x, x, weights, B)
    v = np.zeros_like(x)
    for i in range(len(x)):
        whole = V @ a[i] + W @ np.maximum(U @ x[i] + b, 0)
        v[i] = whole - (x[i] @ whole) * x[i]
    return v


def solve(x, weights, segments, rtol=1e-12):
    """The ODE of the tokens through segments (duration, V, B, W, U, b), by LSODA, a multistep method unlike those of the library."""
    for duration, *theta in segments:
        solution = solve_ivp(
            lambda _, y, theta=theta, shape=x.shape: velocity(y.reshape(shape), weights, *theta).ravel(),
            (0, duration),
            x.ravel(),
            "LSODA",
            rtol=rtol,
            atol=rtol,
        )
        x = solution.y[:, -1].reshape(x.shape)
        x = x / np.linalg.norm(x, axis=1, keepdims=True)
    return x
