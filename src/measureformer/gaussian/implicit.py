r"""Steps of the Gaussian flow where it is stiff: where a part of S wants to fall much faster than what is looked at changes.

The state is that of ``steps``. Cov(X | QX) says, for the factor, that $F Z = N$ with a constant Z and a basis N of ker Q: a linear
invariant, which linearly implicit steps keep as exactly as Runge-Kutta steps do, and with it the rank of the limit.
"""

import numpy as np

from .steps import Slope, error_of

ORDER = 7  # numbers of substeps 1, ..., 7: the extrapolated step has this order
_NUDGE = 1e-7  # of the largest entry: for derivatives by differences; an inexact one costs no order


def implicit(slopes: Slope, t: np.ndarray, y: np.ndarray, h: np.ndarray, first: np.ndarray, rtol: float, atol: float):
    r"""One attempt: the linearly implicit Euler method with 1, ..., 7 substeps,

    $$ (I - \tau J) (y_{k+1} - y_k) = \tau f(t_{k+1}, y_k), \qquad \tau = h / n, $$

    extrapolated to $\tau = 0$ by Aitken and Neville's scheme; J is the Jacobian at the start.

    Args and returns: as in ``steps.runge_kutta``.

    References:
        Hairer, Wanner, Solving ordinary differential equations II, IV.9.
    """
    n, size = len(y), y[0].size
    J, unit = _jacobian(slopes, t, y, first), np.eye(size)
    table: list[np.ndarray] = []
    for substeps in range(1, ORDER + 1):
        tau = h / substeps
        inverse = np.linalg.inv(_finite(unit - tau[:, None, None] * J))
        now, slope = y, slopes(t + tau, y)[0]
        for k in range(1, substeps + 1):
            now = now + (inverse @ (tau[:, None] * slope.reshape(n, size))[..., None]).reshape(y.shape)
            if k < substeps:
                slope = slopes(t + (k + 1) * tau, now)[0]
        row = [now]
        for k, before in enumerate(table):
            row.append(row[k] + (row[k] - before) / (substeps / (substeps - k - 1) - 1))
        table = row
    new, last = table[-1], slopes(t + h, table[-1])[0]
    return new, last, error_of([table[-1] - table[-2]], y, new, last, rtol, atol)


def _jacobian(slopes: Slope, t: np.ndarray, y: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Of the slopes in the state, both read as vectors: (n, s, s), by differences."""
    n, size = len(y), y[0].size
    nudge = _NUDGE * np.maximum(abs(y).max((1, 2)), 1e-300)
    columns = []
    for k in range(size):
        moved = y.reshape(n, size).copy()
        moved[:, k] += nudge
        columns.append((slopes(t, moved.reshape(y.shape))[0] - first).reshape(n, size) / nudge[:, None])
    return np.stack(columns, -1)


def _finite(M: np.ndarray) -> np.ndarray:
    """NaN is no matrix to invert; the step fails by its error, which stays infinite."""
    return np.where(np.isfinite(M).all((1, 2), keepdims=True), M, np.nan)
