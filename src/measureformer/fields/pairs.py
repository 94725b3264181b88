"""What all attention laws share: scores, what a point sees of a measure, and the words of the table of laws.

A law is a frozen module that is called as ``law(x, points, weights, t=0.0, seen=None)`` and returns A[mu](x), shape (n, d):

    x        where to evaluate, (*batch, n, d); tokens or any other points
    points   the atoms of mu, (*batch, m, d)
    weights  their masses, (*batch, m), >= 0; atoms of weight zero are passive probes: they go along and have no influence
    t        time, for parameters that are functions of it
    seen     which atoms each point sees, (n, m) of booleans; all if None. Its measure is mu restricted to them, not renormalised.

Its parameters are ``beta``, ``Q``, ``K`` and ``V``: each matrix constant, a function of time, or None for the identity. Scores are
``beta <Q x, K y>``; a paper's B = K^T Q is Q = B with K = None, and its 1/sqrt(k) belongs into beta. A point that sees nothing gets 0.
"""

from dataclasses import dataclass
from typing import Any

from .._types import Array, Matrix, namespace
from ..errors import InputError


@dataclass(frozen=True)
class About:
    """A row of the table of laws.

    Attributes:
        name: as in configurations.
        formula: of A[mu](x).
        gradient: of what the law is a gradient, and when.
        gaussian: whether Gaussian measures of R^d stay Gaussian.
        mean_field: who proved that clouds of n tokens converge to the equation of the measure.
        source: where the law comes from.
    """

    name: str
    formula: str
    gradient: str
    gaussian: str
    mean_field: str
    source: str


def transform(M: Matrix, y: Array, t: Any, name: str) -> Array:
    """M y for each row y; M is a matrix, a function of time, or None for the identity.

    Raises:
        InputError: M has no column for each coordinate.
    """
    if M is None:
        return y
    M = M(t) if callable(M) else M
    if M.ndim != 2 or M.shape[1] != y.shape[-1]:
        d = y.shape[-1]
        raise InputError(f"{name} has shape {M.shape}, which does not act on points of dimension {d}; it must be (k, {d})")
    return y @ M.T


def queries_and_keys(law: Any, x: Array, points: Array, t: Any) -> tuple[Array, Array]:
    """Q x and K y.

    Raises:
        InputError: they differ in dimension.
    """
    queries, keys = transform(law.Q, x, t, "Q"), transform(law.K, points, t, "K")
    if queries.shape[-1] != keys.shape[-1]:
        raise InputError(f"queries have dimension {queries.shape[-1]} and keys {keys.shape[-1]}; Q and K need equally many rows")
    return queries, keys


def inner_scores(law: Any, x: Array, points: Array, t: Any) -> Array:
    """beta <Q x, K y>, shape (*batch, n, m)."""
    queries, keys = queries_and_keys(law, x, points, t)
    return (law.beta * queries) @ namespace(keys).swapaxes(keys, -1, -2)


def masses(weights: Array, seen: Array | None) -> Array:
    """The mass of each atom as a point sees it, shape (*batch, n or 1, m)."""
    w = weights[..., None, :]
    return w if seen is None else namespace(weights, seen).where(seen, w, 0)


def tilted(scores: Array, mass: Array) -> Array:
    """mass * exp(scores), the same up to a factor for each point, so chosen that the largest exponential is 1. Mass zero sets no scale."""
    xp = namespace(scores, mass)
    scores = xp.where(mass > 0, scores, -xp.inf)
    top = scores.max(-1, keepdims=True)
    return xp.exp(scores - xp.where(top > -xp.inf, top, 0)) * mass


def softmax_average(scores: Array, values: Array, weights: Array, seen: Array | None = None) -> Array:
    """sum_j w_j exp(score_j) values_j / sum_j w_j exp(score_j) over what is seen, and 0 where nothing is.

    The masses go to the values, and one product with (w values, w) gives numerator and denominator: no second matrix of pairs.
    """
    xp = namespace(scores, values, weights, seen)
    counted = weights[..., None, :] > 0 if seen is None else seen & (weights[..., None, :] > 0)
    top = xp.where(counted, scores, -xp.inf).max(-1, keepdims=True)
    # scores above the top belong to atoms that do not count
    share = xp.exp(xp.minimum(scores - xp.where(top > -xp.inf, top, 0), 0))
    if seen is not None:
        share = xp.where(seen, share, 0)
    both = share @ (weights[..., None] * xp.concatenate([values, xp.ones_like(values[..., :1])], -1))
    return both[..., :-1] / xp.where(both[..., -1:] > 0, both[..., -1:], 1)


def average(share: Array, values: Array) -> Array:
    """sum_j share_j values_j / sum_j share_j, and 0 where nothing is shared."""
    total = share.sum(-1, keepdims=True)
    return (share @ values) / namespace(share).where(total > 0, total, 1)
