"""The scalar equation r' = sum_j s_j (a_j + c_j r)_+: piecewise linear, hence solved from knot to knot by exponentials."""

from typing import NamedTuple

from jaxtyping import Float

from .._types import Array, namespace


class Travel(NamedTuple):
    """r(t), and log dr(t)/dr(0), the integral of the slope of the right-hand side along the way."""

    r: Float[Array, "*batch"]
    growth: Float[Array, "*batch"]


def travel(a: Float[Array, "*batch h"], c: Float[Array, " h"], s: Float[Array, " h"], t: float = 1.0) -> Travel:
    r"""Solve $r' = F(r) = \sum_j s_j (a_j + c_j r)_+$, r(0) = 0, for many a at once.

    r is monotone. In the direction of motion, q = |r|, the speed is |F| = F_k + beta_k (q - q_k) from the knot q_k on, and the next one,
    where it is F_{k+1}, is reached after the time (q_{k+1} - q_k) log(F_{k+1} / F_k) / (F_{k+1} - F_k); never, if F_{k+1} = 0 (up to the
    rounding of the sum). Where F(0) = 0 nothing moves.

    Args:
        a: activations at the start.
        c: their rates along the line.
        s: how they drive it.
        t: time, of any sign.
    """
    # Memory stays at some dozen arrays of a slice.
    flat, rows = a.reshape(-1, a.shape[-1]), max(1, 2**20 // a.shape[-1])
    slices = [_arrive(_path(flat[k : k + rows], c, s, t)) for k in range(0, max(len(flat), 1), rows)]
    xp = namespace(a, c, s, t)
    r, growth = (xp.concatenate(v).reshape(a.shape[:-1]) for v in zip(*slices, strict=True))
    return Travel(r, growth)


def influence(a: Float[Array, "n h"], c: Float[Array, " h"], s: Float[Array, " h"], t: float = 1.0) -> Float[Array, "n h"]:
    r"""The derivatives of r(t) by the a_j, arguments as in ``travel``:

    $$ \frac{\partial r}{\partial a_j} = s_j \int_0^t \mathbf{1}\{j \text{ active}\} \frac{F(r(t))}{F(r(\tau))}\, d\tau, $$
    since a disturbance at time tau has grown by F(r(t)) / F(r(tau)) at t. Over a whole interval between two knots the integral is
    F(r(t)) (q_{k+1} - q_k) / (F_k F_{k+1}), because d tau = dq / F and F is linear in q.
    """
    xp = namespace(a, c, s, t)
    path = _path(a, c, s, t)
    speed, slope, time = (path.at_last(v) for v in (path.speed, path.slope, path.time))
    end = speed * xp.exp(slope * (path.t - time))
    k = xp.arange(path.time.shape[-1])
    crossed = k[:-1] < path.last
    here, there = (xp.where(crossed, v, 1) for v in (path.speed[..., :-1], path.speed[..., 1:]))
    share = xp.where(crossed, end * (path.q[..., 1:] - path.q[..., :-1]) / (here * there), 0)
    left = xp.where(k == path.last, path.t - path.time, 0)
    share = xp.concatenate([share, 0 * left[..., :1]], -1) + left * exprel(path.slope * left)
    # A neuron that is on at the start counts up to its knot, another one from there; a knot that is not reached lies after all shares.
    before = xp.cumsum(share, -1)[..., :-1]
    after = xp.cumsum(share[..., ::-1], -1)[..., -2::-1]
    rank = xp.argsort(path.order, -1)
    return path.s * xp.where(path.on, *(xp.take_along_axis(v, rank, -1) for v in (before, after)))


def exprel(a: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """(e^a - 1) / a, accurate near 0, where it is 1."""
    xp = namespace(a)
    return xp.where(a == 0, 1, xp.expm1(a) / xp.where(a == 0, 1, a))


class _Path(NamedTuple):
    """The way ahead, in the direction of motion. From knot k on (knot 0 is the start): place q, speed, slope, time of arrival.

    ``last`` is the number of knots passed by the time t > 0; ``order`` sorts the neurons by their knots, those that never change come last;
    ``on`` says which are active at the start; s has the sign of time.
    """

    q: Array
    speed: Array
    slope: Array
    time: Array
    last: Array
    sense: Array
    order: Array
    on: Array
    s: Array
    t: Array

    def at_last(self, v):
        return namespace(v).take_along_axis(v, self.last, -1)


def _path(a, c, s, t) -> _Path:
    xp = namespace(a, c, s, t)
    t = xp.asarray(t, a.dtype)
    s, t = s * xp.sign(t), abs(t)
    tiny = 4 * a.shape[-1] * xp.finfo(a.dtype).eps  # of a sum of so many terms
    active = xp.maximum(a, 0)
    speed = (s * active).sum(-1, keepdims=True)
    sense = xp.where(speed < 0, -1, 1).astype(a.dtype)
    speed = xp.where(abs(speed) > tiny * (abs(s) * active).sum(-1, keepdims=True), abs(speed), 0)
    c = sense * c
    on = (a > 0) | ((a == 0) & (c > 0))
    slope = sense * (s * c * on).sum(-1, keepdims=True)
    # A gate that closes takes s_j c_j < 0 from the slope, one that opens adds s_j c_j > 0: it changes by s_j |c_j| either way.
    flips = a * c < 0
    knot = xp.where(flips, -a / xp.where(flips, c, 1), xp.inf)
    order = xp.argsort(knot, -1)
    knot, change = (xp.take_along_axis(v, order, -1) for v in (knot, xp.where(flips, sense * s * abs(c), 0)))
    ahead = xp.isfinite(knot)
    q = _after_zero(xp.where(ahead, knot, 0))
    gap = xp.where(ahead, q[..., 1:] - q[..., :-1], 0)
    slope = slope + _after_zero(xp.cumsum(change, -1))
    speed = speed + _after_zero(xp.cumsum(slope[..., :-1] * gap, -1))
    size = (abs(s) * abs(a)).sum(-1, keepdims=True) + (abs(s) * abs(c)).sum(-1, keepdims=True) * q
    positive = speed > tiny * _after_zero(size[..., 1:])
    passes = ahead & positive[..., :-1] & positive[..., 1:]
    here, there = xp.where(passes, speed[..., :-1], 1), xp.where(passes, speed[..., 1:], 1)
    time = _after_zero(xp.cumsum(xp.where(passes, gap / here * _log_slope(there / here), xp.inf), -1))
    last = (time[..., 1:] <= t).sum(-1, keepdims=True)
    return _Path(q, speed, slope, time, last, sense, order, on, s, t)


def _arrive(path: _Path):
    xp = namespace(path.q)
    q, speed, slope, time = (path.at_last(v) for v in (path.q, path.speed, path.slope, path.time))
    start, left = path.speed[..., :1], path.t - time
    r = path.sense * (q + speed * left * exprel(slope * left))
    growth = xp.log(xp.where(start > 0, speed, 1) / xp.where(start > 0, start, 1)) + slope * left
    return r[..., 0], growth[..., 0]


def _log_slope(ratio):
    """log(ratio) / (ratio - 1), for ratio > 0."""
    xp = namespace(ratio)
    more = ratio - 1
    small = abs(more) < 0.5
    log = xp.where(small, xp.log1p(xp.where(small, more, 0)), xp.log(ratio))
    return xp.where(more == 0, 1, log / xp.where(more == 0, 1, more))


def _after_zero(v):
    xp = namespace(v)
    return xp.concatenate([xp.zeros_like(v[..., :1]), v], -1)
