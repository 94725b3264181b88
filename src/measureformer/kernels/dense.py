r"""Sums over all pairs of a query and a key, in tiles: work n m, memory O((n + m) d).

A tile is some measures, at most ``TILE`` queries and at most ``TILE`` keys: its scores are made, used and forgotten. Queries go one tile
after the other (``lax.map``) and sum over the tiles of keys (``lax.scan``). Derivatives of both modes make the scores of a tile again
instead of keeping them (``jax.checkpoint``), so that they too take O((n + m) d).

Up to ``TILE``^2 pairs, and on NumPy arrays, the formula is written out as it stands.
"""

from collections.abc import Callable
from math import log
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Bool, Float, Integer

from .._types import Array, namespace
from .powers import exp2

TILE = 512  # queries and keys of a tile, which then stays in the cache of a core in float64 too

# The share of a float's exponents that scores may use below the bound, twice. The others are for the weights.
_SAFE = 0.35


def exponential_sums(
    z: Float[Array, "*batch n q"],
    y: Float[Array, "*batch m q"],
    weights: Float[Array, "*batch m"],
    values: Float[Array, "*batch m k"],
    *,
    seen: Any = None,
) -> tuple[Float[Array, "*batch n k"], Float[Array, "*batch n"], Float[Array, "*batch n"]]:
    r"""$\sum_j w_j e^{\langle z_i, y_j \rangle} v_j$ and $\sum_j w_j e^{\langle z_i, y_j \rangle}$, both divided by $e^{s_i}$.

    Small sums and NumPy arrays have $s_i = \max_j \langle z_i, y_j \rangle$. In tiles it is the bound $s_i = |z_i| \max_j |y_j|$, which
    needs no search, as long as $e^{-2 s_i}$ is far from underflow: then no exponential overflows, and the mass is at least $e^{-2 s_i}$
    times the sum of the weights. Tiles with queries farther out take a pass over the scores first and have the maximum. The maxima are over
    what counts: seen, and of positive weight. Where nothing counts, numerator and mass are 0.

    The shift is a constant for derivatives, which is right for anything that does not depend on how the sums are split into
    ``numerator`` and ``shift``.

    Args:
        z: queries, with beta.
        y: keys.
        weights: >= 0.
        values: v_j; k may be 0.
        seen: None if every query sees every key; else (n, m) booleans, or a mask (``visible``).

    Returns:
        numerator, mass, shift.
    """
    if fits(z, y):
        return exponentials(z @ namespace(y).swapaxes(y, -1, -2), weights, values, seen)
    if namespace(z, y, weights, values) is np:
        rows = _row_blocks(z, y)
        blocks = [exponentials(z[..., i, :] @ y.swapaxes(-1, -2), weights, values, seen, i) for i in rows]
        numerators, masses, shifts = zip(*blocks, strict=True)
        return np.concatenate(numerators, -2), np.concatenate(masses, -1), np.concatenate(shifts, -1)
    both = weights[..., None] * jnp.concatenate([values, jnp.ones_like(weights)[..., None]], -1)
    # scores in units of log 2
    sums, level = _in_tiles(lambda scores, level: exp2(scores - level), z * (1 / log(2)), y, both, seen, weights > 0)
    return sums[..., :-1], sums[..., -1], level * log(2)


def exponentials(
    scores: Float[Array, "*batch n m"],
    weights: Float[Array, "*batch m"],
    values: Float[Array, "*batch m k"],
    seen: Any = None,
    rows: Integer[Array, " n"] | None = None,
) -> tuple[Float[Array, "*batch n k"], Float[Array, "*batch n"], Float[Array, "*batch n"]]:
    """``exponential_sums`` for scores that are there, shifted by the largest that counts; ``rows`` are the numbers of the queries.

    The masses go to the values, and one product with (w values, w) gives numerator and mass: no second matrix of pairs.
    """
    xp = namespace(scores, values, weights)
    n, m = scores.shape[-2:]
    counted = weights[..., None, :] > 0
    if seen is not None:
        seen = visible(seen, xp.arange(n) if rows is None else rows, xp.arange(m))
        counted = seen & counted
    top = xp.where(counted, scores, -xp.inf).max(-1, keepdims=True)
    top = xp.where(top > -xp.inf, top, 0)
    if xp is jnp:
        top = lax.stop_gradient(top)
    # far above the top are only atoms that do not count: what is finite and times 0
    share = xp.exp(xp.minimum(scores - top, log(xp.finfo(scores.dtype).max) / 2))
    if seen is not None:
        share = xp.where(seen, share, 0)
    both = share @ (weights[..., None] * xp.concatenate([values, xp.ones_like(weights)[..., None]], -1))
    return both[..., :-1], both[..., -1], top[..., 0]


def pair_sums(
    pair: Callable[[Array], Array],
    z: Float[Array, "*batch n q"],
    y: Float[Array, "*batch m q"],
    values: Float[Array, "*batch m k"],
    *,
    seen: Any = None,
) -> Float[Array, "*batch n k"]:
    r"""$\sum_j \phi(\langle z_i, y_j \rangle) v_j$ over what is seen, for a function $\phi$ of a number.

    Args:
        pair: the function, of arrays of scores and number by number; it must be finite at each.
        z, y, values, seen: as in ``exponential_sums``; the weights are in the values.
    """
    xp = namespace(z, y, values)

    def whole(z, rows):
        share = pair(z @ xp.swapaxes(y, -1, -2))
        return (share if seen is None else xp.where(visible(seen, rows, xp.arange(y.shape[-2])), share, 0)) @ values

    if fits(z, y):
        return whole(z, xp.arange(z.shape[-2]))
    if xp is np:
        return np.concatenate([whole(z[..., i, :], i) for i in _row_blocks(z, y)], -2)
    return _in_tiles(lambda scores, _: pair(scores), z, y, values, seen, None)[0]


def query_blocks(
    function: Callable[[Any, Any], Any], x: Float[Array, "*batch n d"], points: Float[Array, "*batch m q"]
) -> Float[Array, "*batch n k"]:
    """``function(x_i, i)`` for blocks i of the rows of x, for what has to see all the keys at once. One block if all pairs fit.

    The function gets (*batch, r, d) and the numbers of the rows, (r,), and returns (*batch, r, k).
    """
    n = x.shape[-2]
    if fits(x, points):
        return function(x, namespace(x).arange(n))
    if namespace(x, points) is np:
        return np.concatenate([function(x[..., i, :], i) for i in _row_blocks(x, points)], -2)
    size = len(_row_blocks(x, points)[0])
    # the last block is filled up with the last row
    rows = jnp.minimum(jnp.arange(-(-n // size) * size), n - 1).reshape(-1, size)
    out = jnp.moveaxis(lax.map(jax.checkpoint(lambda i: function(jnp.take(x, i, axis=-2), i)), rows), 0, -3)
    return out.reshape(*out.shape[:-3], -1, out.shape[-1])[..., :n, :]


def fits(z: Float[Array, "*batch n d"], y: Float[Array, "*batch m q"]) -> bool:
    """Whether all the pairs are few enough to be held at once."""
    return z[..., 0].size * y.shape[-2] <= TILE**2


def visible(seen: Any, i: Integer[Array, " r"], j: Integer[Array, " c"]) -> Bool[Array, "r c"]:
    """Whether query i sees key j; ``seen`` is an (n, m) array of booleans, or a mask (``fields.masks``)."""
    if hasattr(seen, "block"):
        return seen.block(i, j)
    return namespace(seen, i, j).asarray(seen)[i[:, None], j]


def _amount(seen, i, j):
    """0 if none of the queries i sees any of the keys j, 2 if each sees all, else 1."""
    if hasattr(seen, "amount"):
        return seen.amount(i, j)
    sees = visible(seen, i, j)
    return sees.any().astype(int) + sees.all()


def _row_blocks(z, y) -> list[Integer[np.ndarray, " r"]]:
    n = z.shape[-2]
    size = max(1, TILE**2 * n // max(1, z[..., 0].size * y.shape[-2]))
    return [np.arange(n)[start : start + size] for start in range(0, n, size)]


def _in_tiles(pair, z, y, values, seen, counted):
    """sum_j pair(<z_i, y_j>, level_i) values_j and the levels. The level is 0 without ``counted``, the keys that a maximum is over."""
    batch, (n, q), (m, k) = z.shape[:-2], z.shape[-2:], values.shape[-2:]
    many = int(np.prod(batch))
    (rows, queries), (columns, keys) = _cut(n), _cut(m)
    measures = min(many, max(1, TILE**2 // (queries * keys)))
    # the numbers of what fills up the last tiles are those of the last row and column
    numbers = np.minimum(np.arange(rows * queries), n - 1).reshape(rows, queries)
    visit = _visitor(pair, seen, np.minimum(np.arange(columns * keys), m - 1).reshape(columns, keys))

    def of_measures(tiles):
        z, y, values, counted = tiles
        radius = None
        if counted is not None:
            radius = jnp.sqrt(jnp.where(counted, lax.stop_gradient(y * y).sum(-1), 0).max((0, 2)))[:, None]
        return lax.map(lambda tile: visit(*tile, y, values, counted, radius), (z, numbers))

    tiles = (
        _tiles(z.reshape(many, n, q), measures, queries, rows),
        _tiles(y.reshape(many, m, q), measures, keys, columns),
        _tiles(values.reshape(many, m, k), measures, keys, columns),
        None if counted is None else _tiles(counted.reshape(many, m), measures, keys, columns),
    )
    sums, level = lax.map(of_measures, tiles)  # (M, rows, measures, queries, ...)
    sums = sums.swapaxes(1, 2).reshape(-1, rows * queries, k)[:many, :n]
    return sums.reshape(*batch, n, k), level.swapaxes(1, 2).reshape(-1, rows * queries)[:many, :n].reshape(*batch, n)


def _visitor(pair, seen, columns):
    """The function that sums over all the tiles of keys for one tile of queries, (b, r, q), of the given numbers."""

    def where_seen(i, j, work, otherwise):
        # a tile of which nothing is seen costs nothing, and one of which all is seen needs no mask
        if seen is None:
            return work(None)
        cases = (lambda: otherwise, lambda: work(visible(seen, i, j)), lambda: work(None))
        return lax.switch(_amount(seen, i, j), cases)

    @jax.checkpoint
    def visit(z, i, y, values, counted, radius):
        level = jnp.zeros(z.shape[:2], z.dtype)
        if counted is not None:
            level = _level(lax.stop_gradient(z), lax.stop_gradient(y), i, columns, counted, radius, where_seen)

        @jax.checkpoint
        def share(z, level, y, values, j):
            def work(sees):
                weight = pair(_scores(z, y), level[..., None])
                return jnp.matmul(weight if sees is None else jnp.where(sees, weight, 0), values, precision=lax.Precision.HIGHEST)

            return where_seen(i, j, work, jnp.zeros((*z.shape[:2], values.shape[-1]), z.dtype))

        def step(total, tile):
            return total + share(z, level, *tile), None

        return lax.scan(step, jnp.zeros((*z.shape[:2], values.shape[-1]), z.dtype), (y, values, columns))[0], level

    return visit


def _level(z, y, i, columns, counted, radius, where_seen):
    """|z| times the largest norm of a key where that is safe for the whole tile, else the largest score."""
    bound = jnp.sqrt((z * z).sum(-1)) * radius

    def search(_):
        def step(top, tile):
            y, counted, j = tile

            def work(sees):
                counts = counted[:, None, :] if sees is None else counted[:, None, :] & sees
                return jnp.where(counts, _scores(z, y), -jnp.inf).max(-1)

            return jnp.maximum(top, where_seen(i, j, work, jnp.full_like(top, -jnp.inf))), None

        top = lax.scan(step, jnp.full_like(bound, -jnp.inf), (y, counted, columns))[0]
        return jnp.where(top > -jnp.inf, top, 0)

    return lax.cond(bound.max() <= -_SAFE * jnp.finfo(z.dtype).minexp, lambda _: bound, search, None)


def _scores(z, y):
    return jnp.matmul(z, y.swapaxes(-1, -2), precision=lax.Precision.HIGHEST)


def _cut(size: int) -> tuple[int, int]:
    """Into how many tiles of which length: as few and as equal as possible, in multiples of 16."""
    count = -(-size // TILE)
    return count, size if count == 1 else -(-size // (16 * count)) * 16


def _tiles(array, measures: int, size: int, count: int):
    """(B, n, ...) to (B / measures, count, measures, size, ...), filled up with zeros."""
    groups = -(-array.shape[0] // measures)
    fill = [(0, groups * measures - array.shape[0]), (0, count * size - array.shape[1])] + [(0, 0)] * (array.ndim - 2)
    return jnp.pad(array, fill).reshape(groups, measures, count, size, *array.shape[2:]).swapaxes(1, 2)
