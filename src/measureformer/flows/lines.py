"""Lines: perceptron flows in which every ray moves along straight lines, each at its own piecewise-linear speed."""

import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from ..fields import TransformerField, perceptron
from ..geometry import normalize
from .shear import gates_only, interactions


def line_flow(
    x: Float[Array, "*batch d"],
    W: Float[Array, "d h"],
    U: Float[Array, "h d"],
    t: float = 1.0,
    *,
    blocks: list[np.ndarray] | None = None,
) -> Float[Array, "*batch d"]:
    r"""The flow of P_x W (U x)_+ for time t, for weights that ``line_blocks`` can split.

    The ray z of x obeys z' = W (U z)_+. Neurons of different blocks do not see each other. In a block, W = w s^T, so that z moves along w
    alone, by r with
    $$ r' = \sum_j s_j (\langle u_j, z_0 \rangle + r \langle u_j, w \rangle)_+, \qquad r(0) = 0, $$
    a scalar equation with piecewise-linear right-hand side: r is monotone, and between two knots it is an exponential. A block of one
    neuron is r = phi(t <u, w>) t <u, z_0>_+ with phi(a) = (e^a - 1) / a. Then z(t) = z_0 + sum of the r w over the blocks, and
    x(t) = z(t) / |z(t)|. The error in z is some units in the last place of z_0, after expansions times the expansion, for all times.

    Args:
        x: points of the sphere.
        W: outer weights.
        U: inner weights.
        t: time, of any sign.
        blocks: what ``line_blocks`` found; looked for if None.

    Raises:
        InputError: the weights do not split into such blocks.
    """
    blocks = _split(W, U) if blocks is None else blocks
    alone, together = _alone(blocks), [block for block in blocks if block.size > 1]
    z = x + perceptron(x, _executed(W[:, alone], U[alone], t), U[alone])
    for block in together:
        w, s = _factor(W, block)
        r, _ = _travel(x @ U[block].T, _along(U[block], w), s, t)
        z = z + r[..., None] * w
    return normalize(z)


def line_log_determinant(
    x: Float[Array, "*batch d"],
    W: Float[Array, "d h"],
    U: Float[Array, "h d"],
    t: float = 1.0,
    *,
    blocks: list[np.ndarray] | None = None,
) -> Float[Array, "*batch"]:
    r"""log det Dz(t) of the map z_0 -> z(t) of the rays in ``line_flow``, before the normalisation, at the points x.

    The blocks contribute one factor each, the derivative of a flow on a line, dr(t)/dr(0) = exp of the integral of the slope of its
    right-hand side along the way: neither w nor the other blocks' gates change what a gate sees. Arguments as in ``line_flow``.
    """
    blocks = _split(W, U) if blocks is None else blocks
    alone, together = _alone(blocks), [block for block in blocks if block.size > 1]
    total = t * ((x @ U[alone].T > 0) * (U[alone] * W[:, alone].T).sum(-1)).sum(-1)
    for block in together:
        w, s = _factor(W, block)
        total = total + _travel(x @ U[block].T, _along(U[block], w), s, t)[1]
    return total


def line_as_block(
    W: Float[Array, "d h"], U: Float[Array, "h d"], t: float = 1.0, *, blocks: list[np.ndarray] | None = None
) -> Float[Array, "d h"] | None:
    r"""W' such that x -> normalize(x + W' (U x)_+) is ``line_flow`` *exactly*, for every x of the sphere; None if there is none.

    There is one if every block is a single neuron: W'_j = phi(t <u_j, w_j>) t w_j with phi(a) = (e^a - 1) / a, because an active neuron
    stays active and a silent one stays silent. A hinge {u, -u} is two such blocks.

    Raises:
        InputError: the weights do not split into blocks at all.
    """
    blocks = _split(W, U) if blocks is None else blocks
    return _executed(W, U, t) if all(block.size == 1 for block in blocks) else None


def line_blocks(field: TransformerField) -> list[np.ndarray] | None:
    r"""The neurons in blocks in which all rays move along one line, or None if the field is not of this kind.

    A field without attention and bias; M = U W is block diagonal, and in a block of several neurons the columns of W are parallel. The
    blocks are the connected components of the non-zero entries of M (beyond rounding), but for the entries between opposite neurons
    u_i = -c u_j, c > 0: they are never active together, and if one of them is changed by a third neuron, so is the other, so that all
    three are in one block. Neurons without effect (u_j = 0 or w_j = 0) are in no block.
    """
    if not gates_only(field):
        return None
    from scipy.sparse.csgraph import connected_components

    W, U = np.asarray(field.W), np.asarray(field.U)
    live = np.flatnonzero(np.any(W, axis=0) & np.any(U, axis=1))
    W, U = W[:, live], U[live]
    unit = normalize(U)
    opposite = unit @ unit.T < -0.999
    i, j = np.nonzero(opposite)
    opposite[i, j] = abs(unit[i] + unit[j]).max(-1) <= _rounding(W.dtype)
    count, label = connected_components((interactions(W, U) != 0) & ~opposite, directed=False)
    blocks = [np.flatnonzero(label == k) for k in range(count)]
    for block in blocks:
        w, s = _factor(W, block)
        if (abs(W[:, block] - w[:, None] * s) > _rounding(W.dtype) * np.linalg.norm(W[:, block], axis=0)).any():
            return None
    return [live[block] for block in blocks]


def _split(W, U) -> list[np.ndarray]:
    blocks = line_blocks(TransformerField(W=W, U=U))
    if blocks is None:
        raise InputError(f"W and U (width {W.shape[1]}) move rays along curves, not along lines: integrate them, as flow does")
    return blocks


def _alone(blocks: list[np.ndarray]) -> np.ndarray:
    return np.array([block[0] for block in blocks if block.size == 1], int)


def _rounding(dtype) -> float:
    return 1e3 * float(np.finfo(dtype).eps)


def _factor(W, block: np.ndarray):
    """w and s with W[:, block] = w s^T: w is the longest column itself."""
    columns = W[:, block]
    w = columns[:, (columns * columns).sum(0).argmax()]
    return w, (w @ columns) / (w @ w)


def _along(U, w):
    """The inner products <u_j, w>, zero within rounding."""
    return interactions(w[:, None], U)[:, 0]


def _phi(a):
    """(e^a - 1) / a."""
    xp = namespace(a)
    return xp.where(a == 0, 1, xp.expm1(a) / xp.where(a == 0, 1, a))


def _executed(W, U, t):
    return t * W * _phi(t * (U * W.T).sum(-1))


def _travel(a, c, s, t):
    r"""Solve r' = F(r) = sum_j s_j (a_j + c_j r)_+, r(0) = 0, for time t, for many a at once (neurons on the last axis).

    In the direction of motion, q = |r|, the speed is F_k + beta_k (q - q_k) from the knot q_k on. It gets to the next one, where it is
    F_{k+1}, after the time (q_{k+1} - q_k) log(F_{k+1} / F_k) / (F_{k+1} - F_k); never, if F_{k+1} = 0.

    Returns:
        r and log dr(t)/dr(0), of the shape of a without its last axis.
    """
    xp = namespace(a, c, s, t)
    t = xp.asarray(t, a.dtype)
    s, t = s * xp.sign(t), abs(t)
    tiny = 4 * a.shape[-1] * xp.finfo(a.dtype).eps  # of a sum of so many terms
    active = xp.maximum(a, 0)
    speed = (s * active).sum(-1, keepdims=True)
    sense = xp.where(speed < 0, -1, 1).astype(a.dtype)
    speed = xp.where(abs(speed) > tiny * (abs(s) * active).sum(-1, keepdims=True), abs(speed), 0)
    c = sense * c
    slope = sense * (s * c * ((a > 0) | ((a == 0) & (c > 0)))).sum(-1, keepdims=True)
    # A gate that closes takes s_j c_j < 0 from the slope, one that opens adds s_j c_j > 0: it changes by s_j |c_j| either way.
    ahead = a * c < 0
    knot = xp.where(ahead, -a / xp.where(ahead, c, 1), xp.inf)
    order = xp.argsort(knot, -1)
    knot, change = (xp.take_along_axis(v, order, -1) for v in (knot, xp.where(ahead, sense * s * abs(c), 0)))
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
    start, last = speed[..., :1], (time[..., 1:] <= t).sum(-1, keepdims=True)
    q, speed, slope, time = (xp.take_along_axis(v, last, -1) for v in (q, speed, slope, time))
    left = t - time
    r = sense * (q + speed * left * _phi(slope * left))
    gain = xp.log(xp.where(start > 0, speed, 1) / xp.where(start > 0, start, 1)) + slope * left
    return r[..., 0], gain[..., 0]


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
