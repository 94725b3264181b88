"""Causal masks on measures: a token carries its position, and a point sees what stands before it."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, Seen, namespace
from ..errors import InputError
from ..kernels import visible
from ..measures import Empirical
from ..transport.coupling import optimal_coupling
from .maps import InContextMap


class Lifted(eqx.Module):
    r"""A law under a causal mask, for measures on space and time, $\mu \in P(\Omega \times [0, 1])$: at (x, t) it is the law of mu
    restricted to the positions r <= t. For softmax

    $$ A[\mu](x, t) = \frac{\int e^{s(x, y)}\, 1_{r \le t}\, V y \, \mu(dy, dr)}{\int e^{s(x, z)}\, 1_{r \le t} \, \mu(dz, dr)}. $$

    Tokens are rows (x, r); positions never move. It is a law like others, so ``layer_map(Lifted(law))`` composes and
    ``ParticleField(Lifted(law), Euclidean())`` flows. No order of rows is needed, and points that are no tokens have a place in time too:
    ``fields.Causal`` is the case of equal masses at r = 0, 1/(n-1), ..., 1.

    As a map on all of P(Omega x [0, 1]) it is not continuous: an atom that passes t is suddenly seen. Theorem 2 of the source therefore
    asks for contexts as ``context_of`` measures them.

    Args:
        law: of tokens x.

    References:
        Furuya, de Hoop, Peyré, arXiv:2408.01367, masked attention and Theorem 2.
    """

    law: Any

    def __call__(
        self, x: Float[Array, "n d"], points: Float[Array, "m d"], weights: Float[Array, " m"], t: Any = 0.0, seen: Seen = None
    ) -> Float[Array, "n d"]:
        """(A[mu](x), 0)."""
        xp = namespace(x, points)
        before = points[:, -1] <= x[:, -1:]
        if seen is not None:
            before = before & visible(seen, xp.arange(len(x)), xp.arange(len(points)))
        return xp.concatenate([self.law(x[:, :-1], points[:, :-1], weights, t, before), xp.zeros_like(x[:, :1])], 1)


def lift(tokens: Float[Array, "n d"], positions: Any = None, weights: Any = None) -> Empirical:
    """The measure of a list of tokens with their positions as last coordinate; in equal steps from 0 to 1 if None.

    Raises:
        InputError: a position is not in [0, 1].
    """
    positions = np.linspace(0, 1, len(tokens)) if positions is None else np.asarray(positions, float)
    if not ((positions >= 0) & (positions <= 1)).all():
        raise InputError(f"positions reach from {positions.min():g} to {positions.max():g}; they must be in [0, 1]: divide by the last one")
    xp = namespace(tokens)
    return Empirical(xp.concatenate([tokens, xp.asarray(positions[:, None], tokens.dtype)], 1), weights)


@dataclass(frozen=True)
class Context:
    """What Theorem 2 asks of a measure on space and time.

    Attributes:
        lipschitz: C, the least with W_2(mu(.|s), mu(.|t)) <= C |s - t| between the positions that are taken.
        start: sigma, the mass at position 0.
    """

    lipschitz: float
    start: float


def context_of(mu: Empirical) -> Context:
    """C and sigma of a lifted measure; neighbouring positions are compared, which is enough (triangle inequality)."""
    points, weights = np.asarray(mu.points), np.asarray(mu.weights)
    times = np.unique(points[:, -1])
    groups = [(points[points[:, -1] == t, :-1], weights[points[:, -1] == t]) for t in times]
    steepest = 0.0
    for (x, a), (y, b), step in zip(groups[:-1], groups[1:], np.diff(times), strict=True):
        cost = np.square(x[:, None] - y[None]).sum(2)
        plan, _ = optimal_coupling(cost, a / a.sum(), b / b.sum())
        steepest = max(steepest, float(np.sqrt(plan.mass @ cost[plan.rows, plan.cols])) / float(step))
    return Context(steepest, float(weights[points[:, -1] == 0].sum()))


def causal_defect(G: InContextMap, mu: Empirical, x: Float[np.ndarray, "q d"], rng: np.random.Generator, *, rounds: int = 4) -> float:
    """How much G(mu, (x, t)) depends on what comes after t: the largest change when these atoms move and exchange their masses.

    Zero for causal maps, which see the truncated context and x alone. Theorem 2 asks for it, and no masked network is otherwise.

    Args:
        G: a map on lifted measures.
        mu: the measure; the last coordinate of its points is the position.
        x: points (x, t), one a row.
        rng: of the changes.
        rounds: changes tried for each point.
    """
    worst, size = 0.0, float(np.ptp(mu.points[:, :-1])) + 1.0
    for row in x:
        after = np.flatnonzero(mu.points[:, -1] > row[-1])
        before = np.asarray(G(mu, row[None]))
        for _ in range(rounds if after.size else 0):
            points, weights = np.array(mu.points), np.array(mu.weights)
            points[after, :-1] += size * rng.normal(size=(after.size, points.shape[1] - 1))
            points[after, -1] = row[-1] + (1 - row[-1]) * rng.uniform(0.01, 1, after.size)
            weights[after] = weights[rng.permutation(after)]
            worst = max(worst, float(np.linalg.norm(np.asarray(G(Empirical(points, weights), row[None])) - before)))
    return worst
