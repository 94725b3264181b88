"""Gated great circles: the flow of x' = (<a, x> - tau)_+ P_x w, each point on the circle through itself and w."""

from typing import NamedTuple

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._types import Array, Scalar, namespace
from ..errors import ConditioningError
from ..fields import TransformerField
from ..geometry import norm
from .boost import half_angles
from .circle_time import Circle, circle, place, rate, time

_ROUNDS, _BLOCK = 200, 8192


class Gated(NamedTuple):
    """A field (<a, x> - tau)_+ P_x w."""

    a: Array
    tau: Array
    w: Array


def gated_flow(x: Float[Array, "n d"], a: Float[Array, " d"], tau: Scalar, w: Float[Array, " d"], t: Scalar = 1.0) -> Float[Array, "n d"]:
    r"""The flow of $x' = (\langle a, x \rangle - \tau)_+ P_x w$ for time t.

    With e = w/|w| and x = cos(f) e + sin(f) u the point stays on the circle of e and u, and r = tan(f/2) obeys
    $$ r' = -\omega \frac{r\, q(r)_+}{1 + r^2}, \qquad q(r) = -(A + \tau) r^2 + 2 B r + (A - \tau), \quad A = \langle a, e \rangle, \;
       B = \langle a, u \rangle. $$
    Time as a function of r is elementary (``circle_time``). It is inverted by a safeguarded Newton iteration of third order in a
    coordinate in which the speed is bounded; points leave the iteration as they converge.

    A point on the boundary of the gate stays: <a, x> - tau <= 4 eps (|a| + |tau|) counts as closed, because there the sign is that of a
    rounding error. The error of all others is a small multiple of what one unit in the last place of x changes, which is more than
    rounding for points close to -w and for points that have hardly passed the gate.

    Args:
        x: points of the sphere.
        a, tau: the gate.
        w: direction times speed.
        t: time, of any sign.

    Raises:
        ConditioningError: an iteration did not converge (NumPy; on JAX arrays such a point is NaN).
    """
    xp = namespace(x, a, tau, w, t)
    if not x.shape[0]:
        return x
    if xp is not np and not any(isinstance(v, jax.core.Tracer) for v in (x, a, tau, w, t)) and x.devices() == {jax.devices("cpu")[0]}:
        # points can leave the iteration one by one only where their values are known
        return jnp.asarray(gated_flow(*map(np.asarray, (x, a, tau, w, t))))
    w = w * xp.sign(xp.asarray(t, x.dtype))
    u, _, across, c2, s2 = half_angles(x, w)
    length = xp.sqrt((across * across).sum(-1))
    one = xp.where(length > 0, length, 1)
    A, B = (a * u).sum(), (across @ a) / one
    opened = x @ a - tau
    closed = 4 * np.finfo(np.dtype(x.dtype)).eps * (xp.sqrt((a * a).sum()) + abs(tau))
    moves = (opened > closed) & (length > 0) & (c2[:, 0] > 0) & (s2[:, 0] > 0)
    r0 = xp.where(moves, xp.sqrt(s2[:, 0] / xp.where(moves, c2[:, 0], 1)), 1)
    duration = abs(t) * xp.sqrt((w * w).sum())
    alpha, gamma, B = (xp.where(moves, v, other) for v, other in ((-(A + tau), 0.0), (A - tau, 1.0), (B, 0.0)))
    q0 = xp.where(moves, opened * (1 + r0 * r0), 1)
    shrink = (_solve if xp is np else _solve_jax)(moves, r0, alpha, B, gamma, q0, duration)[:, None]
    moved = ((c2 - shrink**2 * s2) * u + shrink * across) / (c2 + shrink**2 * s2)
    # next to -w the direction across is rounding, and not across any more
    return xp.where(moves[:, None], moved / norm(moved), x)


def gate_of(field: TransformerField) -> Gated | None:
    """The gate if the field is (<a, x> - tau)_+ P_x w, that is, if all its neurons are positive multiples of one; otherwise None."""
    if field.V is not None or field.W is None or field.U is None:
        return None
    W, U = np.asarray(field.W), np.asarray(field.U)
    rows = np.column_stack([U, np.zeros(len(U)) if field.b is None else np.asarray(field.b)])
    size = np.linalg.norm(rows, axis=1)
    k = int(size.argmax())
    if not np.any(U[k]):
        return None
    scale = rows @ rows[k] / size[k] ** 2
    rounding = 8 * np.finfo(rows.dtype).eps * size[k]
    if (scale < 0).any() or (abs(rows - scale[:, None] * rows[k]) > rounding).any():
        return None
    return Gated(U[k], -rows[k, -1], W @ scale.astype(W.dtype))


def _solve(moves, r0, alpha, B, gamma, q0, duration):
    """r/r0 after omega t = duration; blocks of points that stay in the cache."""
    shrink, moving = np.ones_like(r0), np.flatnonzero(moves)
    for begin in range(0, len(moving), _BLOCK):
        part = moving[begin : begin + _BLOCK]
        with np.errstate(all="ignore"):
            block = c = circle(*(v[part] for v in (r0, alpha, B, gamma, q0)))
            state = _start(c, duration)
            left, found = np.arange(len(part)), np.empty_like(c.r0)
            for _ in range(_ROUNDS):
                state, done = _improve(c, state, duration)
                found[left[done]] = state[0][done]
                if done.any():
                    keep = np.flatnonzero(~done)
                    left, c, state = left[keep], Circle(*(v[keep] for v in c)), tuple(v[keep] for v in state)
                if not left.size:
                    break
            else:
                raise ConditioningError(
                    f"a gated flow did not converge for x[{part[left[0]]}] and {left.size - 1} more points: they have hardly passed "
                    f"the gate; move the gate, or integrate the field with integrate_ode"
                )
            shrink[part] = place(block, found) / block.r0
    return shrink


@jax.jit
def _solve_jax(moves, r0, alpha, B, gamma, q0, duration):
    c = circle(r0, alpha, B, gamma, q0)

    def improve(carry):
        k, state, done = carry
        better, now = _improve(c, state, duration)
        return k + 1, tuple(jnp.where(done, old, new) for old, new in zip(state, better, strict=True)), done | now

    start = (0, _start(c, duration), ~moves)
    _, state, done = jax.lax.while_loop(lambda carry: (carry[0] < _ROUNDS) & ~carry[2].all(), improve, start)
    return jnp.where(done, place(c, state[0]) / r0, jnp.nan)


def _start(c: Circle, duration):
    """A first delta with a bracket."""
    xp = namespace(c.r0)
    speed, _, most = rate(c, c.r0)
    high = duration * most * (1 + 1e-6) + 0 * c.r0
    return xp.clip(duration * speed, 0, high), 0 * high, high


def _improve(c: Circle, state, duration):
    """One step towards time(delta) = duration: the Taylor series of second order of delta along the missing time, or a bisection."""
    delta, low, high = state
    xp = namespace(delta)
    eps = np.finfo(np.dtype(delta.dtype)).eps
    missing = duration - time(c, delta)
    speed, slope, most = rate(c, place(c, delta))
    low, high = xp.where(missing > 0, delta, low), xp.where(missing > 0, high, delta)
    step = missing * speed
    curved = missing * slope / 2
    new = delta + step * (1 + curved)
    inside = (new >= low) & (new <= high)
    new = xp.where(inside, new, (low + high) / 2)
    # what the series leaves out, relative to the step
    beyond = curved**2 + missing**2 * abs(speed) * most
    done = (inside & (abs(step) * beyond <= eps * (1 + delta) / 8)) | (high - low <= 2 * eps * (1e-3 + delta))
    return (new, low, high), done
