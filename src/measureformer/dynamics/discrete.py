"""One exact layer of equiangular tokens: with a residual branch (the map of the simulators) and without (long contexts)."""

import numpy as np

from .._types import Numbers
from ..errors import InputError
from .equiangular import _checked
from .special import increasing_root


def equiangular_step(rho: Numbers, beta: Numbers, n: int, eta: Numbers) -> Numbers:
    r"""The inner product after one post-norm layer x <- N(x + eta A(x)) of softmax attention, Q = K = V = I. With A = 1 + eta a, B = eta q,

    $$ 1 - \rho^+ = \frac{(A - B)^2 (1 - \rho)}{A^2 + 2AB(n-1)\rho + B^2 ((n-1) + (n-1)(n-2)\rho)}, \qquad
       a = \frac{e^\beta}{Z}, \; q = \frac{e^{\beta \rho}}{Z}, \; Z = e^\beta + (n-1) e^{\beta \rho}, $$
    since x_i^+ is proportional to A x_i + B sum_{j != i} x_j. Near consensus 1 - rho shrinks by (1 + eta)^{-2} a layer.

    Args:
        rho: in [-1/(n-1), 1].
        beta: inverse temperature.
        n: number of tokens, at least 2.
        eta: step, positive.

    Raises:
        InputError: an argument out of range.
    """
    own, other = _shares(_checked(rho, n), np.asarray(beta, float), n)
    return _mixed(np.asarray(rho, float), 1 + eta * own, eta * other, n)


def late_rate(eta: Numbers, *, projected: bool = False) -> Numbers:
    r"""The exponential rate of 1 - rho at the end, per unit of time (eta a layer): $2 \ln(1 + \eta)/\eta$ for N(x + eta A(x)).

    With A projected on the tangent space first (Euler's method, then normalised) it is $-2 \ln(1 - \eta)/\eta$. Both tend to 2.

    Args:
        eta: step, positive; below 1 if ``projected``.
        projected: whether A is projected before it is added.
    """
    eta = np.asarray(eta, float)
    return -2 * np.log1p(-eta) / eta if projected else 2 * np.log1p(eta) / eta


def discrete_front(t: float, n: int, eta: float, *, delta: float = 1e-3) -> float:
    """The beta at which round(t / eta) layers bring n orthogonal tokens exactly to rho = 1 - delta; NaN if beta = 0 is too slow.

    What ``gamma_curve`` is for the flow. A step of 0.1 moves the front at t = 30, n = 32 from 6.9065 to 6.784.

    Args:
        t: time, at least eta.
        n: number of tokens, at least 2.
        eta: step, positive.
        delta: in (0, 1).

    Raises:
        InputError: less than one layer.

    Example:
        >>> round(discrete_front(30.0, 32, 0.1), 3)
        6.784
    """
    layers = round(t / eta)
    if layers < 1:
        raise InputError(f"t = {t} is less than one layer of eta = {eta}; take a longer time")

    def missing(beta: float) -> float:
        rho = np.array(0.0)
        for _ in range(layers):
            rho = equiangular_step(np.minimum(rho, 1.0), beta, n, eta)
        return 1 - delta - float(rho)

    return np.nan if missing(0.0) > 0 else increasing_root(missing)


def context_cosine(rho: Numbers, g: Numbers, n: Numbers) -> Numbers:
    r"""The inner product after one layer *without* residual branch on n equiangular tokens, when beta = g log n.

    Args:
        rho: inner product before, in (0, 1).
        g: scale of beta, at least 0.
        n: number of tokens >= 2; any size (1e12 is fine).

    Raises:
        InputError: an argument out of range.

    References:
        arXiv:2510.05554, as surveyed in arXiv:2512.01868.

    Example:
        >>> context_cosine(0.5, 2.0, 1e12).round(4)
        np.float64(0.8)
    """
    rho, n = np.asarray(rho, float), np.asarray(n, float)
    if not ((rho > 0) & (rho < 1)).all() or not (n >= 2).all():
        raise InputError(f"rho must lie in (0, 1) and n be at least 2, got rho = {rho} and n = {n}")
    own, other = _shares(rho, np.asarray(g, float) * np.log(n), n)
    return _mixed(rho, own, other, n)


def context_limit(rho: Numbers, g: Numbers) -> Numbers:
    r"""The limit of ``context_cosine`` for n -> infinity: 1 if g < 1/(1-rho), $4\rho/(1 + 3\rho)$ if equal, rho if greater.

    Attention of a long context averages everything, or nothing; between is one critical scale of beta / log n.

    Args:
        rho: in (0, 1).
        g: scale of beta.
    """
    rho, g = np.broadcast_arrays(np.asarray(rho, float), np.asarray(g, float))
    critical = g * (1 - rho)
    equal = np.isclose(critical, 1, rtol=1e-12, atol=0)
    return np.where(equal, 4 * rho / (1 + 3 * rho), np.where(critical < 1, 1.0, rho))


def _shares(rho, beta, n) -> tuple[Numbers, Numbers]:
    """What a token gives itself, and each other one: a and q with a + (n-1) q = 1."""
    with np.errstate(over="ignore"):
        other = 1 / (np.exp(beta * (1 - rho)) + n - 1)
    return 1 - (n - 1) * other, other


def _mixed(rho, A, B, n) -> Numbers:
    """The common inner product of the normalised A x_i + B sum_{j != i} x_j."""
    squared = A**2 + 2 * A * B * (n - 1) * rho + B**2 * ((n - 1) + (n - 1) * (n - 2) * rho)
    return 1 - (A - B) ** 2 * (1 - rho) / squared
