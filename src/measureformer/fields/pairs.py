"""What all attention laws share: scores, what a point sees of a measure, and the words of the table of laws.

A law is a frozen module that is called as ``law(x, points, weights, t=0.0, seen=None)`` and returns A[mu](x), shape (n, d):

    x        where to evaluate, (*batch, n, d); tokens or any other points
    points   the atoms of mu, (*batch, m, d)
    weights  their masses, (*batch, m), >= 0; atoms of weight zero are passive probes: they go along and have no influence
    t        time, for parameters that are functions of it
    seen     which atoms each point sees: (n, m) of booleans, or a mask where that would be large (``masses`` takes both); all if None.
             The measure of a point is mu restricted to them, not renormalised.

Its parameters are ``beta``, ``Q``, ``K`` and ``V``: each matrix constant, a function of time, or None for the identity. Scores are
``beta <Q x, K y>``; a paper's B = K^T Q is Q = B with K = None, and its 1/sqrt(k) belongs into beta. A point that sees nothing gets 0.

A law of which every sum over atoms is one of ``kernels`` (``exponential_sums``, ``pair_sums``, ``total`` of a sum over the atoms at hand)
says ``parallel = True``: its tokens may be spread over devices (``fields.sharded``).
"""

from dataclasses import dataclass
from typing import Any

from .._types import Array, Matrix, namespace
from ..errors import InputError
from ..kernels import exponential_sums, visible


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


def masses(weights: Array, seen: Any, rows: Array | None = None) -> Array:
    """The mass of each atom as the points of these rows (all, if None) see it, shape (*batch, n or 1, m)."""
    w = weights[..., None, :]
    if seen is None:
        return w
    xp = namespace(weights, seen)
    atoms = xp.arange(weights.shape[-1])
    return xp.where(visible(seen, atoms if rows is None else rows, atoms), w, 0)


def tilted(scores: Array, mass: Array) -> Array:
    """mass * exp(scores), the same up to a factor for each point, so chosen that the largest exponential is 1. Mass zero sets no scale."""
    xp = namespace(scores, mass)
    scores = xp.where(mass > 0, scores, -xp.inf)
    top = scores.max(-1, keepdims=True)
    return xp.exp(scores - xp.where(top > -xp.inf, top, 0)) * mass


def softmax_average(queries: Array, keys: Array, values: Array, weights: Array, seen: Any = None, offsets: Array | None = None) -> Array:
    """sum_j w_j exp(score_j) values_j / sum_j w_j exp(score_j) over what is seen, and 0 where nothing is.

    The scores are <queries, keys_j>, and ``offsets`` (*batch, m) are added to them as one more coordinate.
    """
    if offsets is not None:
        xp = namespace(queries, keys, offsets)
        queries = xp.concatenate([queries, xp.ones_like(queries[..., :1])], -1)
        keys = xp.concatenate([keys, offsets[..., None]], -1)
    return ratio(*exponential_sums(queries, keys, weights, values, seen=seen)[:2])


def ratio(numerator: Array, mass: Array) -> Array:
    """numerator / mass, and 0 where there is no mass."""
    return numerator / namespace(mass).where(mass > 0, mass, 1)[..., None]


def average(share: Array, values: Array) -> Array:
    """sum_j share_j values_j / sum_j share_j, and 0 where nothing is shared."""
    return ratio(share @ values, share.sum(-1))
