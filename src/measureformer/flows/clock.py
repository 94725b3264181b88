r"""The clock of a measure under attention of rank one: an integral, not an equation to integrate.

$$ \tau' = L\, M(\tau), \quad \tau(0) = 0, \qquad M(\tau) = \sum_j w_j \tanh(y_j + \tau). $$

M rises from -1 to 1 and has one zero. With x the distance from it, $a_j$ the $y_j$ as seen from there and $v = \log\sinh x$,
$$ L\,dt = F(v)\,dv, \qquad 1/F = \sum_j w_j \frac{1 - A_j^2}{1 + A_j \tanh x}, \quad A_j = \tanh a_j, \quad \sum_j w_j A_j = 0. $$
By Jensen's inequality F >= 1, so that v moves by at most \|L\|; and F is analytic for \|Im v\| < pi/2, because M has no zeros there but
the real one. Gauss's rule on pieces of length 2 therefore gives every digit, for any measure, towards the zero and away from it.
"""

from functools import cache

import numpy as np
from jaxtyping import Float

_LENGTH, _NODES = 2.0, 16  # (1 / 3.5)^32 is what the rule leaves out
_CELL, _ORDER = 0.0625, 8  # of the cells in which tokens are gathered: (1 / 100)^8 is left out
_BLOCK = 8192  # tokens at a time, in the cache
_FAR = 20.0  # beyond that 1 - tanh is rounding


def run_clock(x: Float[np.ndarray, "n d"], axis: Float[np.ndarray, " d"], weights: Float[np.ndarray, " n"], length: float) -> float:
    """tau(1) for tau' = length * M(tau): see above.

    Args:
        x: tokens; y is the artanh of the cosine to the axis.
        axis: any multiple of it; zero for a clock that stands still.
        weights: of the tokens.
        length: L, of either sign.
    """
    if not length:
        return 0.0
    y, weights = gathered(x, axis / np.linalg.norm(axis), weights, _FAR + abs(length))
    slope = float(weights @ np.tanh(y))
    if not slope:
        return 0.0
    return _away(y, weights, length) if slope > 0 else -_away(-y, weights, length)


def _away(y: np.ndarray, weights: np.ndarray, length: float) -> float:
    """The clock where M(0) > 0, so that the zero is at -x0 < 0."""
    x0 = -_root(lambda tau: float(weights @ np.tanh(y + tau)), -float(y.max()) - 1, 0.0)
    E = np.exp(np.clip(2 * (x0 - y), -700, 700))
    c = 2 * weights * E / (1 + E)
    nodes, rule = _gauss()
    start = float(np.log(np.expm1(2 * x0) / 2)) - x0

    def integral(a: float, b: float) -> float:
        """Of F, from v = start + a to start + b."""
        Z = np.exp(-2 * _distance(start + (a + b) / 2 + (b - a) / 2 * nodes))
        return (b - a) / 2 * float(rule @ (1 / ((1 + Z) * (1 / (1 + np.multiply.outer(Z, E)) @ c))))

    gone, left, piece = 0.0, length, float(np.copysign(min(_LENGTH, abs(length)), length))
    while abs(step := integral(gone, gone + piece)) < abs(left):
        gone, left = gone + piece, left - step
    end = _root(lambda end: integral(gone, end) - left, *sorted((gone, gone + piece)))
    return float(_distance(start + end)) - x0


@cache
def _gauss() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(_NODES)


def _distance(v):
    """x with log sinh x = v."""
    return np.arcsinh(np.exp(np.minimum(v, _FAR))) + np.maximum(v - _FAR, 0)


def _root(f, low: float, high: float) -> float:
    from scipy.optimize import brentq

    return float(brentq(f, low, high, xtol=1e-300, rtol=4 * np.finfo(float).eps, maxiter=1000))  # type: ignore[arg-type]


def gathered(
    x: Float[np.ndarray, "n d"], e: Float[np.ndarray, " d"], weights: Float[np.ndarray, " n"], far: float
) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    r"""Rapidities along e of atoms (some of negative weight) with the tokens' mean of every function analytic within pi/2 of the real line.

    Eight atoms in each cell of length 1/16 that holds a token, at the Chebyshev points; the moments $\sum_j w_j T_k(u_j)$ of the cell are
    kept. Few tokens stay as they are. Those beyond ``far`` are moved there.
    """
    if len(x) <= _ORDER / _CELL:
        return np.clip(_rapidity(x, e), -far, far), weights
    cells = int(np.ceil(far / _CELL))
    moments = np.zeros((_ORDER, 2 * cells + 1))
    for begin in range(0, len(x), _BLOCK):
        place = np.clip(_rapidity(x[begin : begin + _BLOCK], e), -far, far) / _CELL + cells
        cell = place.astype(np.int64)
        twice, now = 4 * (place - cell) - 2, weights[begin : begin + _BLOCK]
        before = twice / 2 * now
        for row in moments:
            row += np.bincount(cell, now, row.size)
            before, now = now, twice * now - before
    held, k, angle = np.flatnonzero(moments[0]), np.arange(_ORDER), np.pi * (np.arange(_ORDER) + 0.5) / _ORDER
    values = np.cos(np.outer(angle, k)) * np.where(k == 0, 1, 2) / _ORDER @ moments[:, held]
    places = (held - cells + (1 + np.cos(angle))[:, None] / 2) * _CELL
    return places.ravel(), values.ravel()


def _rapidity(x: np.ndarray, e: np.ndarray) -> np.ndarray:
    """artanh <x, e>, from the component across near the poles; -inf, inf at them."""
    cosine = np.clip(x @ e, -1, 1)
    near = np.flatnonzero(abs(cosine) > 0.99)
    along = cosine[near]
    across = x[near] - along[:, None] * e
    with np.errstate(divide="ignore"):
        y = np.log((1 + cosine) / (1 - cosine)) / 2
        y[near] = np.copysign(np.log((1 + abs(along)) / np.sqrt(np.einsum("ni,ni->n", across, across))), along)
    return y
