"""Sums over pairs of functions that separate: products of matrices over chunks of points, so that no array is longer than a chunk."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._types import Array
from .shards import total

CHUNK = 1024  # points at a time: the features of a chunk stay in the cache of a core


def powers(c: Float[Array, " n"], s: Float[Array, " n"], count: int) -> tuple[Float[Array, "k n"], Float[Array, "k n"]]:
    """Real and imaginary parts of (c + i s)^k, k = 0, ..., ``count`` - 1, by doubling: a few operations whatever the count."""
    re, im = jnp.ones_like(c)[None], jnp.zeros_like(c)[None]
    while (done := len(re)) < count:
        more = slice(0, min(done, count - done))
        a, b = re[more], im[more]
        re, im = jnp.concatenate([re, a * c - b * s]), jnp.concatenate([im, a * s + b * c])
        c, s = c * c - s * s, 2 * c * s
    return re, im


def gathered(
    y: Float[Array, "m d"], weights: Float[Array, " m"], features: Callable[[Any, Any], tuple[Any, ...]], *, width: float | None = None
) -> tuple[Float[Array, "..."], ...]:
    """The sum over chunks of ``features(points, w)``, points (d, chunk) and their weights; see ``_walk`` for the rest.

    Over the points of all devices, if they are spread.
    """
    size = min(CHUNK, len(y))

    def add(start, mine, points, sums):
        w = jnp.where(mine, jax.lax.dynamic_slice_in_dim(weights, start, size), 0)
        return tuple(a + b for a, b in zip(sums, features(points, w), strict=True))

    shapes = jax.eval_shape(features, jnp.zeros((y.shape[1], size), y.dtype), jnp.zeros(size, y.dtype))
    return total(_walk(y, width, add, tuple(jnp.zeros(s.shape, y.dtype) for s in shapes)))


def spread(
    z: Float[Array, "n d"], values: Callable[[Any], tuple[Any, ...]], *, width: float | None = None
) -> tuple[Float[Array, "..."], ...]:
    """``values`` maps points (d, chunk) to arrays (*k, chunk); its results for all points, (n, *k); see ``_walk`` for the rest."""
    size = min(CHUNK, len(z))
    shapes = jax.eval_shape(values, jnp.zeros((z.shape[1], size), z.dtype))

    def fill(start, mine, points, out):
        def put(whole, part):
            before = jax.lax.dynamic_slice_in_dim(whole, start, size)
            kept = jnp.where(mine.reshape(-1, *[1] * (part.ndim - 1)), part.T, before)
            return jax.lax.dynamic_update_slice_in_dim(whole, kept, start, axis=0)

        return tuple(put(whole, part) for whole, part in zip(out, values(points), strict=True))

    return _walk(z, width, fill, tuple(jnp.zeros((len(z), *s.shape[:-1]), z.dtype) for s in shapes))


def _walk(points, width, visit, state):
    """``visit(start, mine, chunk, state)`` for chunks of points (d, chunk), of which those that are ``mine`` are new; the last state.

    With a width, points are sorted by their last column; none of those that are mine is that far above the first of them, and the others
    are replaced by it.
    """
    n = len(points)
    size = min(CHUNK, n)

    def step(carry):
        done, state = carry
        start = jnp.minimum(done, n - size)  # the last chunk overlaps the one before
        chunk = jax.lax.dynamic_slice_in_dim(points, start, size).T
        number = jnp.arange(size)
        mine = start + number >= done
        if width is not None:
            first = jax.lax.dynamic_slice_in_dim(chunk, done - start, 1, axis=1)
            beyond = mine & (chunk[-1] > first[-1] + width)
            mine &= number < jnp.where(beyond.any(), beyond.argmax(), size)
            chunk = jnp.where(mine, chunk, first)
        return done + mine.sum(), visit(start, mine, chunk, state)

    return jax.lax.while_loop(lambda carry: carry[0] < n, step, (0, state))[1]
