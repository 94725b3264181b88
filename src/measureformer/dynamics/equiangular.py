"""Tokens with one common inner product: attention keeps them so, and one scalar equation says everything."""

import numpy as np

from .._types import Numbers
from ..errors import InputError
from .law import CLOCKS, finite, known_law, known_sign
from .special import increasing_root, log_exponential_integral

# Newton steps of the inversion, safeguarded by bisection: a few are used.
_ROUNDS = 60


def equiangular_rate(rho: Numbers, beta: Numbers, n: int, *, law: str = "softmax", sign: float = 1.0) -> Numbers:
    r"""rho' for n tokens with $\langle x_i, x_j \rangle = \rho$, i != j, and Q = K = I, V = sign I:

    $$ \rho' = \pm \frac{2 e^{\beta \rho} (1 - \rho)((n-1) \rho + 1)}{e^\beta + (n-1) e^{\beta \rho}} \text{ (softmax)}, \qquad
       \rho' = \pm \frac{2}{n} e^{\beta \rho} (1 - \rho)((n-1) \rho + 1) \text{ (unnormalised)} . $$

    Args:
        rho: in [-1/(n-1), 1].
        beta: inverse temperature, of any sign.
        n: number of tokens, at least 2.
        law: ``"softmax"``, ``"unnormalised"`` or ``"peak"``, see ``known_law``.
        sign: +1, or -1 for repulsion.

    Raises:
        InputError: an argument out of range, or overflow.

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2312.10794, Theorem 6.8 and (4.1).
    """
    rho, beta = _checked(rho, n), np.asarray(beta, float)
    pull = known_sign(sign) * 2 * (1 - rho) * ((n - 1) * rho + 1)
    with np.errstate(over="ignore", invalid="ignore"):
        if known_law(law) == "softmax":
            return pull / (np.exp(beta * (1 - rho)) + n - 1)
        return finite(pull / n * np.exp(beta * (rho - CLOCKS[law])), "the speed", law, beta)


def equiangular_log_time(rho: Numbers, beta: Numbers, n: int, *, start: Numbers = 0.0, law: str = "softmax", sign: float = 1.0) -> Numbers:
    r"""The logarithm of the time from ``start`` to ``rho``, in closed form. With c = 1/(n-1), r from $\rho_0$ to $\rho$,

    $$ t = \frac{1}{2n} \Bigl\{ (n-1) \Bigl[\ln \frac{r + c}{1 - r}\Bigr] - \bigl[\mathrm{Ei}(\beta(1-r))\bigr]
           - e^{\beta(1+c)} \bigl[E_1(\beta(r+c))\bigr] \Bigr\} \text{ (softmax)}, $$
    $$ t = -\frac12 \Bigl\{ e^{-\beta} \bigl[\mathrm{Ei}(\beta(1-r))\bigr] + e^{\beta c} \bigl[E_1(\beta(r+c))\bigr] \Bigr\}
       \text{ (unnormalised)}, $$
    by partial fractions of 1/((1-r)((n-1)r+1)). Everything is kept in logarithms: times like e^{beta} for beta = 700 and far beyond.

    Args:
        rho: the value to be reached, in [-1/(n-1), 1]; the ends take for ever (inf).
        beta, n, law, sign: as in ``equiangular_rate``.
        start: rho_0 in (-1/(n-1), 1), on the side from which the flow comes: start <= rho for sign = +1, start >= rho for sign = -1.

    Raises:
        InputError: an argument out of range, or a value that is never reached.

    Example:
        >>> float(np.exp(equiangular_log_time(0.999, 4.0, 32)))
        6.9535...
    """
    rho, start = np.broadcast_arrays(_checked(rho, n), _checked(start, n))
    if (known_sign(sign) * (rho - start) < 0).any():
        where = "grows" if sign > 0 else "falls"
        raise InputError(f"the inner product {where} with time: rho = {rho} is never reached from start = {start}")
    c = 1 / (n - 1)
    first, last = (start, rho) if sign > 0 else (rho, start)
    return _log_time(np.asarray(beta, float), n, known_law(law), first + c, 1 - first, last + c, 1 - last)


def equiangular_time(rho: Numbers, beta: Numbers, n: int, *, start: Numbers = 0.0, law: str = "softmax", sign: float = 1.0) -> Numbers:
    """exp of ``equiangular_log_time``; inf where that overflows.

    Args, Raises: as in ``equiangular_log_time``.
    """
    with np.errstate(over="ignore"):
        return np.exp(equiangular_log_time(rho, beta, n, start=start, law=law, sign=sign))


def equiangular(t: Numbers, beta: Numbers, n: int, *, start: Numbers = 0.0, law: str = "softmax", sign: float = 1.0) -> Numbers:
    r"""rho(t) from rho(0) = ``start``: the inverse of ``equiangular_time``, by Newton's method in the logarithm of both.

    At beta = 0 it is the logistic curve, $(e^{2t} - 1)/(e^{2t} + n - 1)$ from 0.

    Args:
        t: times >= 0; it broadcasts with ``beta`` and ``start``.
        beta, n, law, sign: as in ``equiangular_rate``.
        start: in (-1/(n-1), 1).

    Raises:
        InputError: an argument out of range.
    """
    law, sign = known_law(law), known_sign(sign)
    t, beta, start = np.broadcast_arrays(np.asarray(t, float), np.asarray(beta, float), _checked(start, n))
    c = 1 / (n - 1)
    if not (t >= 0).all() or not ((start > -c) & (start < 1)).all():
        raise InputError(f"t must be at least 0 and start inside (-1/(n-1), 1), got t = {t} and start = {start}")
    low, high = start + c, 1 - start
    logit = np.log(low / high)

    def moved(x):
        """r + c and 1 - r, where log((r + c)/(1 - r)) has moved by e^x."""
        y = logit + sign * np.exp(x)
        with np.errstate(over="ignore"):
            return (1 + c) / (1 + np.exp(-y)), (1 + c) / (1 + np.exp(y))

    def clock(r_low, r_high):
        ends = (low, high, r_low, r_high) if sign > 0 else (r_low, r_high, low, high)
        return _log_time(beta, n, law, *ends)

    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        goal = np.log(t)
        # dt/dlogit lies between its values with e^{beta(1-r)} at the two ends of the way
        slope = [_log_slope(beta, n, law, r) for r in (high, (1 + c) * (sign < 0) + 0 * high)]
        least, most = goal - np.maximum(*slope) - 1e-9, goal - np.minimum(*slope) + 1e-9
        least, most = np.minimum(least, 7), np.minimum(most, 7)  # e^7: 1 - r is 0 in float64 by then
        x = (least + most) / 2
        for _ in range(_ROUNDS):
            r_low, r_high = moved(x)
            now = clock(r_low, r_high)
            late = now > goal
            least, most = np.where(late, least, x), np.where(late, x, most)
            newton = x - (now - goal) / np.exp(_log_slope(beta, n, law, r_high) + x - now)
            inside = (newton > least) & (newton < most)
            step = np.where(inside, newton, (least + most) / 2)
            if np.all((abs(now - goal) <= 1e-14) | (abs(step - x) <= 1e-13 * (1 + abs(x))) | (t == 0)):
                break
            x = step
        r_low, r_high = moved(x)
        return np.where(t == 0, start, np.where(r_low < r_high, r_low - c, 1 - r_high))


def gamma_curve(t: Numbers, n: int, *, delta: float = 1e-3, law: str = "softmax") -> Numbers:
    r"""$\Gamma_{d, \delta}$ for d -> infinity: the beta >= 0 at which n orthogonal tokens reach $\rho = 1 - \delta$ at time t.

    The boundary of the phase diagrams of 2312.10794 (Figure 3). NaN where even beta = 0 is too slow (softmax, t too small), or where no
    beta is needed (unnormalised, whose time falls with beta, t too large).

    Args:
        t: times > 0.
        n: number of tokens, at least 2.
        delta: in (0, 1).
        law: as in ``equiangular_rate``; ``"peak"`` is slower for larger beta, like softmax.

    Raises:
        InputError: an argument out of range.

    Example:
        >>> gamma_curve([6.0, 30.0], 32).round(4)
        array([3.1461, 6.9065])
    """
    if not 0 < delta < 1 or not np.all(np.asarray(t) > 0):
        raise InputError(f"delta must lie in (0, 1) and t be positive, got delta = {delta} and t = {t}")
    slower = -1 if known_law(law) == "unnormalised" else 1

    def solve(goal: float) -> float:
        def excess(beta: float) -> float:
            return slower * float(equiangular_log_time(1 - delta, beta, n, law=law) - goal)

        return np.nan if excess(0.0) > 0 else increasing_root(excess)

    goals = np.log(np.asarray(t, float))
    return np.array([solve(goal) for goal in goals.ravel().tolist()]).reshape(goals.shape)


def _log_time(beta, n: int, law: str, low0, high0, low1, high1) -> Numbers:
    """The log of the time from r_0 to r_1 in terms of low = r + c and high = 1 - r, which keep their digits near both ends."""
    c = 1 / (n - 1)
    rise = log_exponential_integral(beta, high1, high0)  # of e^{beta (1-r)} / (1-r)
    fall = beta * (1 + c) + log_exponential_integral(-beta, low0, low1)  # of e^{beta (1-r)} / (r+c)
    total = np.logaddexp(rise, fall)
    if law != "softmax":
        return total - np.log(2) + beta * (CLOCKS[law] - 1)
    with np.errstate(divide="ignore"):
        plain = np.log(np.log1p((low1 - low0) / low0) - np.log1p((high1 - high0) / high0)) + np.log(n - 1)
    return np.logaddexp(total, plain) - np.log(2 * n)


def _log_slope(beta, n: int, law: str, high) -> Numbers:
    """log dt/dlogit, where logit = log((r + c)/(1 - r)): (e^{beta (1-r)} + n - 1)/2n for softmax, e^{-beta r}/2 unnormalised."""
    if law == "softmax":
        return np.logaddexp(beta * high, np.log(n - 1)) - np.log(2 * n)
    return beta * (high - 1 + CLOCKS[law]) - np.log(2)


def _checked(rho, n: int) -> Numbers:
    rho = np.asarray(rho, float)
    if n < 2:
        raise InputError(f"n must be at least 2 tokens, got {n}")
    if not ((rho >= -1 / (n - 1)) & (rho <= 1)).all():
        raise InputError(f"inner products of {n} tokens with one common value lie in [-1/(n-1), 1], got {rho}")
    return rho
