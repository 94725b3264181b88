"""Two tokens, or two clusters with masses: the inner product, its clock, and the time to merge."""

import numpy as np

from .._types import Numbers
from ..errors import InputError
from .equiangular import equiangular, equiangular_time
from .law import CLOCKS, finite, known_law


def pair_rate(u: Numbers, beta: float, *, masses: tuple[float, float] = (0.5, 0.5), causal: bool = False, law: str = "softmax") -> Numbers:
    r"""u' for u = <x_1, x_2>, masses p + q = 1, Q = K = V = I:

    $$ u' = (1 - u^2) \Bigl[ \frac{q e^{\beta u}}{p e^\beta + q e^{\beta u}} + \frac{p e^{\beta u}}{q e^\beta + p e^{\beta u}} \Bigr]
       \text{ (softmax)}, \qquad u' = (1 - u^2) e^{\beta u} \text{ (unnormalised, whatever the masses)} . $$
    With causal attention x_1 rests and the first term of the bracket (or q of p + q) is missing; for equal masses that is half the speed.

    Args:
        u: in [-1, 1].
        beta: inverse temperature, of any sign.
        masses: (p, q), positive with sum 1.
        causal: whether the second sees the first but not the first the second.
        law: ``"softmax"``, ``"unnormalised"`` or ``"peak"``, see ``known_law``.

    Raises:
        InputError: an argument out of range, or overflow.

    References:
        arXiv:2312.10794, Sections 3 and 6 (n = 2); Karagodin, Polyanskiy, Rigollet, arXiv:2411.04990 (causal).
    """
    u = _checked(u, masses)
    with np.errstate(over="ignore", invalid="ignore"):
        if known_law(law) == "softmax":
            return (1 - u**2) * _pull(np.exp(beta * (1 - u)), masses, causal)
        kernel = np.exp(beta * (u - CLOCKS[law]))
        return finite((1 - u**2) * kernel * (masses[0] if causal else 1), "the speed", law, beta)


def pair_time(
    u: Numbers,
    beta: float,
    *,
    start: float = 0.0,
    masses: tuple[float, float] = (0.5, 0.5),
    causal: bool = False,
    law: str = "softmax",
) -> Numbers:
    r"""The time in which <x_1, x_2> grows from ``start`` to u.

    Equal masses: $t = F(u) - F(u_0)$, $F(u) = \frac12 \operatorname{artanh} u + \frac14 [e^{2\beta} \mathrm{Ei}(-\beta(1+u)) -
    \mathrm{Ei}(\beta(1-u))]$ (softmax), $F(u) = \frac12 [e^{\beta} \mathrm{Ei}(-\beta(1+u)) - e^{-\beta} \mathrm{Ei}(\beta(1-u))]$
    (unnormalised): two tokens are equiangular. Softmax with unequal masses: adaptive quadrature in artanh u, relative error 1e-11.

    Args:
        u: at least ``start``; at u = 1 the time is infinite.
        start: u_0 in (-1, 1).
        beta, masses, causal, law: as in ``pair_rate``.

    Raises:
        InputError: an argument out of range, or a value below ``start``.

    Example:
        >>> float(pair_time(0.999, 9.0))
        466.7...
    """
    u, p = _checked(u, masses), masses[0]
    if not -1 < start < 1 or (u < start).any():
        raise InputError(f"start must lie in (-1, 1) and not above u, got start = {start} and u = {u}; the inner product grows")
    if known_law(law) != "softmax" or abs(p - 0.5) < 1e-15:
        factor = 1.0 if not causal else 2.0 if law == "softmax" else 1 / p
        return factor * equiangular_time(u, beta, 2, start=start, law=law)
    return np.array([_quadrature(value, beta, start, masses, causal) for value in u.ravel().tolist()]).reshape(u.shape)


def pair_cosine(
    t: Numbers,
    beta: float,
    *,
    start: float = 0.0,
    masses: tuple[float, float] = (0.5, 0.5),
    causal: bool = False,
    law: str = "softmax",
) -> Numbers:
    """<x_1, x_2> at times t: the inverse of ``pair_time`` for equal masses, a scalar integration (tolerance 1e-13) for others.

    Args:
        t: times >= 0.
        start: in (-1, 1).
        beta, masses, causal, law: as in ``pair_rate``.

    Raises:
        InputError: an argument out of range.
    """
    from ..flows import integrate_ode

    t, p = np.asarray(t, float), masses[0]
    _checked(start, masses)
    if known_law(law) != "softmax" or abs(p - 0.5) < 1e-15:
        factor = 1.0 if not causal else 2.0 if law == "softmax" else 1 / p
        return equiangular(t / factor, beta, 2, start=start, law=law)
    if not (t >= 0).all():
        raise InputError(f"t must be at least 0, got {t}")

    def speed(y):
        """artanh(u)' = u'/(1 - u^2); 1 - tanh(y) = 2/(1 + e^{2y})."""
        return _pull(np.exp(np.minimum(beta * 2 / (1 + np.exp(2 * y)), 700)), masses, causal)

    order, y, found, now = np.argsort(t.ravel()), np.arctanh(np.array([start])), np.empty(t.size), 0.0
    for index in order.tolist():
        y, now = integrate_ode(speed, y, float(t.ravel()[index]) - now, rtol=1e-13, atol=1e-13).value, float(t.ravel()[index])
        found[index] = np.tanh(y[0])
    return found.reshape(t.shape)


def merge_time_asymptotic(beta: Numbers, *, start: float = 0.0) -> Numbers:
    r"""$e^{\beta (1 - u_0)} / (2 \beta (1 - u_0^2))$: the time two equal tokens need to merge under softmax, for large beta.

    The relative error is O(1/beta); ``pair_time`` is exact.

    Args:
        beta: positive.
        start: u_0 in (-1, 1).
    """
    beta = np.asarray(beta, float)
    return np.exp(beta * (1 - start)) / (2 * beta * (1 - start**2))


def _pull(s, masses: tuple[float, float], causal: bool):
    """The bracket of ``pair_rate`` with s = e^{beta (1-u)}."""
    p, q = masses
    second = p / (q * s + p)
    return second if causal else second + q / (p * s + q)


def _quadrature(u: float, beta: float, start: float, masses: tuple[float, float], causal: bool) -> float:
    from scipy.integrate import quad

    if u == start:
        return 0.0
    if u == 1:
        return np.inf
    scale = max(beta * (1 - start), beta * (1 - u))  # of the slowest place on the way

    def slowness(y: float) -> float:
        lift = beta * 2 / (1 + np.exp(2 * y))
        if lift > 500:  # s >> 1: the bracket is (p/q + q/p)/s, or (p/q)/s, up to 1/s
            p, q = masses
            return np.exp(lift - scale) / (p / q + (0 if causal else q / p))
        return np.exp(-scale) / _pull(np.exp(lift), masses, causal)

    with np.errstate(over="ignore"):
        return float(np.exp(scale) * quad(slowness, np.arctanh(start), np.arctanh(u), epsabs=0, epsrel=1e-11, limit=500)[0])


def _checked(u, masses: tuple[float, float]) -> Numbers:
    u = np.asarray(u, float)
    if not (abs(u) <= 1).all():
        raise InputError(f"u is an inner product of unit vectors and lies in [-1, 1], got {u}")
    if min(masses) <= 0 or abs(sum(masses) - 1) > 1e-12:
        raise InputError(f"masses must be positive with sum 1, got {masses}; divide them by their sum")
    return u
