"""The exponential integral between two limits, in logarithms, so that beta may be as large as one likes; roots of increasing functions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from .._types import Numbers

# Beyond this the asymptotic series of the exponential integrals reaches rounding error, with as many terms.
_FAR = 40
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


def log_exponential_integral(k: Numbers, low: Numbers, high: Numbers) -> Numbers:
    r"""$\log \int_a^b e^{k s} \frac{ds}{s}$ for 0 < a <= b (``low``, ``high``), k of any sign; -inf if a = b, inf if a = 0.

    It is log(Ei(kb) - Ei(ka)) for k > 0 and log(E_1(|k|a) - E_1(|k|b)) for k < 0; short intervals, where these would cancel, by
    Gauss-Legendre quadrature. Relative error of the integral about 1e-14.
    """
    k, a, b = np.broadcast_arrays(*(np.asarray(value, float) for value in (k, low, high)))
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        middle, half = (a + b) / 2, (b - a) / 2
        s = middle[..., None] + half[..., None] * _NODES
        top = np.maximum(k * a, k * b)
        short = top + np.log(half * (_WEIGHTS * np.exp(k[..., None] * s - top[..., None]) / s).sum(-1))
        size = abs(k)
        grows = size * b + np.log(_scaled(size * b, 1) - np.exp(-size * (b - a)) * _scaled(size * a, 1))
        decays = -size * a + np.log(_scaled(size * a, -1) - np.exp(-size * (b - a)) * _scaled(size * b, -1))
        flat = np.log(np.log(b / a))
    long = np.where(k > 0, grows, np.where(k < 0, decays, flat))
    found = np.where((b <= 2 * a) & (size * (b - a) <= 1), short, long)
    return np.where(a == b, -np.inf, np.where(a == 0, np.inf, found))


def _scaled(x: Numbers, sign: int) -> Numbers:
    """e^{-x} Ei(x) for sign = +1, e^x E_1(x) for sign = -1; x >= 0."""
    from scipy.special import exp1, expi

    near = np.minimum(x, _FAR)
    direct = np.exp(-near) * expi(near) if sign > 0 else np.exp(near) * exp1(near)
    far, series = np.maximum(x, _FAR), np.ones_like(x)
    for m in range(_FAR, 0, -1):
        series = 1 + sign * m / far * series
    return np.where(x < _FAR, direct, series / far)


def increasing_root(function: Callable[[float], float], low: float = 0.0) -> float:
    """The zero above ``low`` of an increasing function that is negative there, to rounding error (Brent's method)."""
    from scipy.optimize import brentq

    top = max(1.0, 2 * low)
    while function(top) < 0:
        top *= 2
    found: Any = brentq(function, low, top, xtol=1e-14)
    return float(found)
