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
    y: Float[Array, "m d"], weights: Float[Array, " m"], features: Callable[[Any], tuple[tuple[Any, Any], ...]]
) -> tuple[Float[Array, "..."], ...]:
    """sum_j w_j U_a(y_j) W_b(y_j) for each pair (U, W) that ``features`` makes of points (d, chunk): arrays (a, chunk), (b, chunk).

    Over the points of all devices, if they are spread."""
    m = len(y)
    size = min(CHUNK, m)

    def add(i, sums):
        start = jnp.minimum(i * size, m - size)
        w = jax.lax.dynamic_slice_in_dim(weights, start, size)
        w = jnp.where(start + jnp.arange(size) >= i * size, w, 0)  # the last chunk overlaps the one before
        pairs = features(jax.lax.dynamic_slice_in_dim(y, start, size).T)
        return tuple(total + (w * U) @ W.T for total, (U, W) in zip(sums, pairs, strict=True))

    shapes = jax.eval_shape(lambda: tuple(U @ W.T for U, W in features(jnp.zeros((y.shape[1], size), y.dtype))))
    return total(jax.lax.fori_loop(0, -(-m // size), add, tuple(jnp.zeros(s.shape, y.dtype) for s in shapes)))


def spread(z: Float[Array, "n d"], values: Callable[[Any], tuple[Any, ...]]) -> tuple[Float[Array, "..."], ...]:
    """``values`` maps points (d, chunk) to arrays (*k, chunk); its results for all points, (n, *k)."""
    n = len(z)
    size = min(CHUNK, n)
    shapes = jax.eval_shape(values, jnp.zeros((z.shape[1], size), z.dtype))

    def fill(i, out):
        start = jnp.minimum(i * size, n - size)
        found = values(jax.lax.dynamic_slice_in_dim(z, start, size).T)
        return tuple(jax.lax.dynamic_update_slice_in_dim(whole, part.T, start, axis=0) for whole, part in zip(out, found, strict=True))

    return jax.lax.fori_loop(0, -(-n // size), fill, tuple(jnp.zeros((n, *s.shape[:-1]), z.dtype) for s in shapes))
