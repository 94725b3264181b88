"""Lines: perceptron flows in which every ray moves along straight lines, each at its own piecewise-linear speed."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._types import Array
from ..errors import InputError
from ..fields import TransformerField, perceptron
from ..geometry import normalize
from .piecewise import exprel, influence, travel
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
    return normalize(line_rays(x, W, U, t, blocks=blocks).z)


class Rays(NamedTuple):
    """The rays z(t) through points of the sphere, before they are normalised, and log det Dz(t) of the map z_0 -> z(t)."""

    z: Float[Array, "*batch d"]
    log_determinant: Float[Array, "*batch"]


def line_rays(
    x: Float[Array, "*batch d"],
    W: Float[Array, "d h"],
    U: Float[Array, "h d"],
    t: float = 1.0,
    *,
    blocks: list[np.ndarray] | None = None,
) -> Rays:
    """z(t) of ``line_flow`` (the same arguments), and the determinant of z_0 -> z(t).

    The blocks contribute one factor each to the determinant, the derivative of a flow on a line, dr(t)/dr(0) = exp of the integral of the
    slope of its right-hand side along the way; for neither w nor the gates of another block matter to what a gate sees.
    """
    blocks = _split(W, U) if blocks is None else blocks
    alone = np.array([block[0] for block in blocks if block.size == 1], int)
    z = x + perceptron(x, _executed(W[:, alone], U[alone], t), U[alone])
    growth = ((x @ U[alone].T > 0) * (t * (U[alone] * W[:, alone].T).sum(-1))).sum(-1)
    for block in blocks:
        if block.size > 1:
            w, s = _factor(W, block)
            r, more = travel(x @ U[block].T, _along(U[block], w), s, t)
            z, growth = z + r[..., None] * w, growth + more
    return Rays(z, growth)


def line_differential(
    x: Float[Array, "n d"],
    J: Float[Array, "n d m"],
    W: Float[Array, "d h"],
    U: Float[Array, "h d"],
    t: float = 1.0,
    *,
    blocks: list[np.ndarray] | None = None,
) -> Float[Array, "n d m"]:
    """Dz(t) J for the map z_0 -> z(t) of ``line_rays``, at each of the points x: a block adds w (dr/dz_0)^T J.

    Args:
        x: points of the sphere.
        J: m vectors at each of them.
        W, U, t, blocks: as in ``line_flow``.
    """
    blocks = _split(W, U) if blocks is None else blocks
    alone = np.array([block[0] for block in blocks if block.size == 1], int)
    gate = (x @ U[alone].T > 0)[..., None]
    moved = J + _executed(W[:, alone], U[alone], t) @ (gate * (U[alone] @ J))
    for block in blocks:
        if block.size > 1:
            w, s = _factor(W, block)
            slope = influence(x @ U[block].T, _along(U[block], w), s, t)
            moved = moved + w[:, None] * (slope[:, None, :] @ (U[block] @ J))
    return moved


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


def _executed(W, U, t):
    return t * W * exprel(t * (U * W.T).sum(-1))
