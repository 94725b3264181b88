"""Where the layer norm stands: equiangular tokens under six schemes of normalisation, and how fast each of them gathers."""

import numpy as np
from jaxtyping import Float

from .._types import Numbers
from ..errors import InputError

# Each scheme moves directions by theta' = P A / s; its s, and how the radius r grows. Late in time, -log(1 - rho) is twice the clock.
SCHEMES = ("post", "pre", "mix", "peri", "ngpt", "sqrt")


def equiangular_scheme(
    times: Float[np.ndarray, " T"],
    beta: float,
    n: int,
    scheme: str,
    *,
    start: float = 0.0,
    radius: float = 1.0,
    alpha: float = 1.0,
    switch: float = 1.0,
) -> tuple[Numbers, Numbers]:
    r"""(1 - rho, r) at given times for n equiangular tokens of softmax attention, Q = K = V = I, under a scheme of normalisation:

    $$ \rho' = \frac{2 (1-\rho)((n-1)\rho + 1)}{s \, (e^{\beta(1-\rho)} + n - 1)}, $$

    | scheme | s | r' |
    |---|---|---|
    | ``"post"`` | 1 | 0 |
    | ``"pre"`` | r | $\langle \theta, A \rangle$ |
    | ``"mix"`` | 1 up to the time ``switch``, then r | 0, then $\langle \theta, A \rangle$ |
    | ``"peri"`` | r abs(A) | $\langle \theta, A \rangle$ / abs(A) |
    | ``"ngpt"`` | abs(A) / alpha | 0 |
    | ``"sqrt"`` | $\sqrt{t+1}$ | 0 |

    Integrated in $\log((\rho + c)/(1 - \rho))$, so that 1 - rho keeps its digits down to 1e-300.

    Args:
        times: increasing times >= 0, shape (T,).
        beta: inverse temperature.
        n: number of tokens, at least 2.
        scheme: one of the six.
        start: rho(0) in (-1/(n-1), 1).
        radius: r(0) > 0 for ``"pre"`` and ``"peri"``; 1 for the others.
        alpha: step of ``"ngpt"``.
        switch: time of ``"mix"``.

    Returns:
        1 - rho and r, each of shape (T,).

    Raises:
        InputError: an unknown scheme or an argument out of range.

    References:
        arXiv:2510.22026, as surveyed in arXiv:2512.01868.
    """
    from scipy.integrate import solve_ivp

    c, times = 1 / (n - 1), np.asarray(times, float)
    _known(scheme)
    if not -c < start < 1 or radius <= 0 or times.min() < 0 or np.any(np.diff(times) < 0):
        raise InputError(f"start must lie in (-1/(n-1), 1), radius be positive and times increase from 0; got {start}, {radius}, {times}")

    def speed(t, state, pre):
        high = (1 + c) / (1 + np.exp(state[0]))  # 1 - rho
        along, size = _attention(high, beta, n)
        s, growth = _scale(scheme, t, float(state[1]), along, size, alpha, pre)
        return [2 * n / (s * (np.exp(beta * high) + n - 1)), growth]

    found = np.empty((2, len(times)))
    state, now = np.array([np.log((start + c) / (1 - start)), radius if scheme in ("pre", "peri") else 1.0]), 0.0
    stages = [(0.0, switch, False), (switch, np.inf, True)] if scheme == "mix" else [(0.0, np.inf, True)]
    for begin, end, pre in stages:
        inside = (times >= begin) & (times < end)
        stop = max(times[-1], now) if not np.isfinite(end) else min(end, times[-1])
        if stop <= now:
            found[:, inside] = state[:, None]
            continue
        solved = solve_ivp(
            speed, (now, stop), state, method="DOP853", t_eval=np.union1d(times[inside], stop), args=(pre,), rtol=1e-12, atol=1e-12
        )
        if not solved.success:
            raise RuntimeError(f"the integration of scheme {scheme!r} stopped at time {solved.t[-1]:.3g}: {solved.message}")
        found[:, inside] = solved.y[:, np.searchsorted(solved.t, times[inside])]
        state, now = solved.y[:, -1], stop
    return (1 + c) / (1 + np.exp(found[0])), found[1]


def initial_slope(beta: float, n: int, scheme: str, *, radius: float = 1.0, alpha: float = 1.0) -> float:
    r"""rho'(0) of n orthogonal tokens, $2 / (s_0 (e^\beta + n - 1))$: with $S = (e^{2\beta} + n - 1)^{1/2}$,

    post, mix and sqrt $2/(e^\beta + n - 1)$; pre the same over r_0; peri $2/(r_0 S)$; nGPT $2 \alpha/S$.

    Args, Raises: as in ``equiangular_scheme``.
    """
    along, size = _attention(1.0, beta, n)
    s, _ = _scale(_known(scheme), 0.0, radius, along, size, alpha, scheme != "mix")
    return float(2 / (s * (np.exp(beta) + n - 1)))


def contraction_clock(t: Numbers, scheme: str, *, alpha: float = 1.0) -> Numbers:
    r"""The clock tau(t) of a scheme close to consensus: 1 - rho, and the variance of directions, fall like $e^{-2 \tau}$.

    tau = t (post), alpha t (nGPT), log t (pre, mix, peri: a power law t^{-2}), $2 \sqrt{t + 1}$ (sqrt-scaled branches).

    Args:
        t: positive times.
        scheme, alpha: as in ``equiangular_scheme``.

    Raises:
        InputError: an unknown scheme.

    References:
        arXiv:2510.22026 (Var' = -Theta(Var / scale)).
    """
    t = np.asarray(t, float)
    return {"post": t, "ngpt": alpha * t, "sqrt": 2 * np.sqrt(t + 1)}.get(_known(scheme), np.log(t))


def _attention(high, beta: float, n: int):
    """<theta_i, A_i> and |A_i| of equiangular tokens with 1 - rho = high; Z = e^{beta (1-rho)} + n - 1 in units of e^{beta rho}."""
    lift = np.exp(beta * high)
    total, rho = lift + n - 1, 1 - high
    along = (lift + (n - 1) * rho) / total
    size = np.sqrt(lift**2 + 2 * (n - 1) * lift * rho + (n - 1) + (n - 1) * (n - 2) * rho) / total
    return along, size


def _scale(scheme: str, t: float, r: float, along, size, alpha: float, pre: bool) -> tuple[float, float]:
    """s and r'."""
    if scheme == "pre" or (scheme == "mix" and pre):
        return r, along
    if scheme == "peri":
        return r * size, along / size
    if scheme == "ngpt":
        return size / alpha, 0.0
    return (np.sqrt(t + 1), 0.0) if scheme == "sqrt" else (1.0, 0.0)


def _known(scheme: str) -> str:
    if scheme not in SCHEMES:
        raise InputError(f"scheme {scheme!r} is not known; choose one of {', '.join(SCHEMES)}")
    return scheme
