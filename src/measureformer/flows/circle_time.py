"""Time along a great circle behind a gate, as a function of the angle: an elementary integral, without its removable singularities."""

from typing import NamedTuple

import numpy as np

from .._types import Array, namespace

_CORNER, _FAR, _TERMS = 0.25, 8.0, 21


class Circle(NamedTuple):
    r"""Many points, each on its circle: $r' = -\omega r q(r)/(1+r^2)$, $q = \alpha r^2 + 2 B r + \gamma$, started at r0 where q > 0.

    r moves down to ``star``, the largest root of q below r0, or 0; 1/``upper`` is the smallest root above r0, infinity if ``upper`` is 0.
    The coordinate v = (r - star) / (1 - upper r) falls as e^{-delta}, where delta has the rate
    $(1 - \mathrm{upper} \cdot \mathrm{star})\,(n_2 r^2 + n_1 r + n_0)/(1+r^2)$ per unit of omega t: bounded, and far from zero unless the
    gate nearly closes on the way.
    With t1 = -(B + sgn(B) sqrt(B^2 - alpha gamma)) the roots are gamma/t1 and t1/alpha, and q = (r - gamma/t1)(alpha r - t1).
    """

    r0: Array
    alpha: Array
    B: Array
    gamma: Array
    disc: Array
    t1: Array
    s: Array
    star: Array
    upper: Array
    v0: Array
    n2: Array
    n1: Array
    n0: Array


def circle(r0: Array, alpha: Array, B: Array, gamma: Array, q0: Array) -> Circle:
    """The constants of the motion; q0 = q(r0) > 0 is given, because the caller knows it better than the polynomial does."""
    xp, tiny = namespace(r0), _tiny(r0)
    disc, t1, s = (roots := _roots(r0, alpha, B, gamma)).disc, roots.t1, roots.s
    # q rises through its root `rising` and falls through the other one. Where q > 0, below lies a rising root and above a falling one.
    slope = alpha * r0 + B
    has_star, has_upper = (disc >= 0) & ((alpha < 0) | (slope > 0)), (disc >= 0) & ((alpha < 0) | (slope <= 0))
    p_rises = B < 0
    safe = xp.where(alpha == 0, 1, alpha)
    rising = xp.where(p_rises, xp.where(alpha == 0, 0, t1 / safe), s)
    falling = xp.where(p_rises, t1 / xp.where(gamma == 0, 1, gamma) * (gamma != 0), alpha / t1)
    has_star, has_upper = has_star & (rising > 0), has_upper & (falling > 0)
    star, upper = xp.where(has_star, rising, 0), xp.where(has_upper, falling, 0)
    both = has_star & has_upper
    m = 2 * B / (1 + star * upper)
    c = xp.where(p_rises, xp.where(has_star, -alpha * s, 2 * B), -t1)
    c = xp.where(has_upper & ~has_star, xp.where(p_rises, -alpha * s, -t1), c)
    n2 = xp.where(has_upper, 0, alpha)
    n1 = xp.where(both, m, xp.where(has_star | has_upper, c, 2 * B))
    n0 = xp.where(has_star, 0, gamma)
    # The factor of q(r0) that is nearer to zero follows from the others.
    low, high = r0 - star, 1 - upper * r0
    near_star = star > upper * r0 * r0
    rest = xp.where(both, m, xp.where(has_star, n2 * r0 + n1, n1 * r0 + n0))
    good = rest > 0
    rest = xp.where(good, rest, 1)
    low = xp.where(has_star & good & near_star, q0 / (rest * xp.where(has_upper, xp.maximum(high, tiny), 1)), low)
    high = xp.where(has_upper & good & ~near_star, q0 / (rest * xp.where(has_star, xp.maximum(low, tiny), 1)), high)
    v0 = xp.maximum(low, tiny) / xp.maximum(high, tiny)
    return roots._replace(star=star, upper=upper, v0=v0, n2=n2, n1=n1, n0=n0)


def _roots(r0, alpha, B, gamma) -> Circle:
    xp = namespace(r0)
    disc = B * B - alpha * gamma
    t1 = -xp.where(B < 0, -1, 1).astype(r0.dtype) * xp.maximum(abs(B) + xp.sqrt(xp.maximum(disc, 0)), _tiny(r0))
    return Circle(r0, alpha, B, gamma, disc, t1, gamma / t1, *[xp.zeros_like(r0)] * 6)


def _tiny(v) -> float:
    """Small, with room for its powers."""
    return float(np.finfo(np.dtype(v.dtype)).tiny) ** 0.25


def place(c: Circle, delta: Array) -> Array:
    """r where v has fallen by e^{-delta}."""
    v = c.v0 * namespace(delta).exp(-delta)
    return (c.star + v) / (1 + c.upper * v)


def rate(c: Circle, r: Array) -> tuple[Array, Array, Array]:
    """d delta / d(omega t) at r, its derivative by delta, and its largest value anywhere."""
    xp = namespace(r)
    width = 1 - c.upper * c.star
    below = 1 + r * r
    value = width * ((c.n2 * r + c.n1) * r + c.n0) / below
    by_r = (width * (2 * c.n2 * r + c.n1) - 2 * r * value) / below
    most = width * ((c.n0 + c.n2) / 2 + xp.sqrt((c.n0 - c.n2) ** 2 + c.n1**2) / 2)
    return value, -by_r * (r - c.star) * (1 - c.upper * r) / width, most


def time(c: Circle, delta: Array) -> Array:
    r"""omega t at delta: the integral of $(1/r + r)/q(r)$ from r to r0.

    In terms of $J = \int dr/q$, for real roots $\int dr/(rq) = (\alpha J - L(s))/t_1$ and $\int r\,dr/q = (\gamma J + M)/t_1$,
    s = gamma/t1, with $L(s) = s^{-1} \log[(r-s) r_0 / ((r_0-s) r)]$, $M = (t_1/\alpha) \log[(t_1 - \alpha r)/(t_1 - \alpha r_0)]$ and
    $J = D^{-1} \log[(\alpha r-t_1)(r_0-s)/((\alpha r_0-t_1)(r-s))]$, D = t1 - alpha s: all three stay finite when s, alpha or D vanish.
    Of the two integrals the first cancels when both roots are far below r, the second when both are far above: there a series takes over.
    """
    xp = namespace(delta)
    v = c.v0 * xp.exp(-delta)
    width, scale = 1 - c.upper * c.star, 1 + c.upper * v
    r = (c.star + v) / scale
    low, high = v * width / scale, width / scale
    scale0 = 1 + c.upper * c.v0
    low0, high0 = c.v0 * width / scale0, width / scale0
    change = c.v0 * xp.expm1(-delta) * width / (scale * scale0)
    p_rises = c.B < 0
    s_star, s_upper = (c.star > 0) & ~p_rises, (c.upper > 0) & p_rises
    p_star, p_upper = (c.star > 0) & p_rises, (c.upper > 0) & ~p_rises
    Fs, Fs0 = (xp.where(s_star, a, xp.where(s_upper, -c.s * b, x - c.s)) for a, b, x in ((low, high, r), (low0, high0, c.r0)))
    Fp, Fp0 = (
        xp.where(p_star, c.alpha * a, xp.where(p_upper, -c.t1 * b, c.alpha * x - c.t1)) for a, b, x in ((low, high, r), (low0, high0, c.r0))
    )
    P, S = _closed(c, r, change, Fs, Fs0, Fp, Fp0)
    size = xp.where(c.disc >= 0, abs(c.t1), xp.sqrt(xp.maximum(c.alpha * c.gamma, 0)))
    P = _in_corner(size < _CORNER * abs(c.alpha), P, r, c.r0, c.alpha, c.B, c.gamma, size)
    S = _in_corner(size < _CORNER * abs(c.gamma), S, 1 / c.r0, 1 / r, c.gamma, c.B, c.alpha, size)
    return P + S


def _closed(c: Circle, r, change, Fs, Fs0, Fp, Fp0):
    """The integrals of dr/(rq) and of r dr/q from r to r0 = r - change; Fs, Fp are the factors r - gamma/t1 and alpha r - t1 of q."""
    xp = namespace(r)
    real = c.disc >= 0
    denominator = xp.where(real & (Fp0 * Fs != 0), Fp0 * Fs, 1)
    x = change / denominator
    J = x * _log_over((c.t1 - c.alpha * c.s) * x, Fp * Fs0 / denominator)
    denominator = xp.where(real & (Fs0 != 0), Fs0, 1) * r
    x = change / denominator
    L = x * _log_over(c.s * x, Fs * c.r0 / denominator)
    denominator = xp.where(real & (Fp0 != 0), Fp0, 1)
    x = change / denominator
    P = (L - c.alpha * J) / c.t1
    S = -c.s * J - x * _log_over(c.alpha * x, Fp / denominator)
    if xp is np and real.all():
        return P, S
    root = xp.sqrt(xp.where(real, 1, -c.disc))
    turned = c.B * xp.arctan2(root * change, c.gamma + c.B * (r + c.r0) + c.alpha * r * c.r0) / root
    alpha, gamma = xp.where(real, 1, c.alpha), xp.where(real, 1, c.gamma)
    half = xp.log(xp.where(real, 1, (c.alpha * r + c.B) ** 2 - c.disc) / xp.where(real, 1, (c.alpha * c.r0 + c.B) ** 2 - c.disc)) / 2
    return xp.where(real, P, (turned + half - xp.log(r / c.r0)) / gamma), xp.where(real, S, (turned - half) / alpha)


def _log_over(z, ratio):
    """log(1 + z)/z, where 1 + z = ratio is also known; 1 at z = 0."""
    xp = namespace(z)
    tiny = np.finfo(np.dtype(z.dtype)).tiny
    some = abs(z) > 4 * tiny
    log = xp.where(z > -0.5, xp.log1p(xp.maximum(z, -0.5)), xp.log(xp.maximum(ratio, tiny)))
    return xp.where(some, log / xp.where(some, z, 1), 1)


def _in_corner(corner, P, low, high, alpha, B, gamma, size):
    """P, the integral of dr/(rq) from low to high, done again where ``corner`` says that both roots may be far below: they are at most
    ``size``/|alpha|."""
    xp = namespace(P)
    arguments = (low, high, alpha, B, gamma, size)
    if xp is np:
        k = np.flatnonzero(corner)
        if k.size:
            P = P.copy()
            P[k] = _split(*(v[k] for v in arguments))
        return P
    harmless = (1.0, 2.0, 1.0, 0.0, 0.0, 0.0)  # q = r^2 from 1 to 2
    return xp.where(corner, _split(*(xp.where(corner, v, other) for v, other in zip(arguments, harmless, strict=True))), P)


def _split(low, high, alpha, B, gamma, size):
    r"""$\int dr/(rq)$ from low to high: beyond 8 |roots| by the series $\alpha^{-1} \sum_k h_k r^{-k-3}$, h_k the complete homogeneous
    polynomials of the roots; below in closed form."""
    xp = namespace(low)
    middle = xp.clip(_FAR * size / abs(alpha), low, high)
    # r in units of the middle
    before, h, a, b = xp.zeros_like(low), xp.ones_like(low), -2 * B / alpha / middle, gamma / alpha / middle**2
    ratio = middle / high
    total, power = xp.zeros_like(low), ratio * ratio
    for k in range(_TERMS):
        total = total + h * (1 - power) / (k + 2)
        before, h, power = h, a * h - b * before, power * ratio
    series = xp.where(middle < high, total / middle**2 / alpha, 0)
    below = middle > low
    top = xp.where(below, middle, 2 * low)
    c = _roots(top, alpha, B, gamma)
    rest, _ = _closed(c, low, low - top, low - c.s, top - c.s, alpha * low - c.t1, alpha * top - c.t1)
    return series + xp.where(below, rest, 0)
