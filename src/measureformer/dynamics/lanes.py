"""Many small systems at once, side by side in the lanes of the processor: post-norm layers of softmax attention in low dimension."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from ..errors import InputError

_LANES = 64


class Layers(NamedTuple):
    """The tokens after the last layer, and how many pairs i < j had met before each layer and after the last one."""

    points: Float[np.ndarray, "samples n d"]
    met: Float[np.ndarray, "layers samples"]


def lane_layers(points: Float[np.ndarray, "samples n d"], beta: float, eta: float, count: int, *, delta: float = 1e-3) -> Layers:
    r"""``count`` layers x <- N(x + eta A(x)), Q = K = V = I, of independent systems of n unit tokens with equal weights, with the number of
    pairs with $\langle x_i, x_j \rangle > 1 - \delta$ on the way.

    The systems are the last axis, in blocks of 64 that stay in the cache. A pair is visited once: its exponential serves both tokens, and
    the comparison with delta costs next to nothing there. The layers of ``fields.layers.PostLN`` up to rounding. Compiled once for each
    shape and count.

    Args:
        points: the tokens at the start; float32 or float64.
        beta: inverse temperature; negative ones down to -300 (float32: -30).
        eta: step, positive.
        count: number of layers, at least 0.
        delta: what counts as having met.

    Raises:
        InputError: no systems or fewer than two tokens; beta, eta or count out of range.
    """
    samples, n, d = points.shape
    if samples < 1 or n < 2:
        raise InputError(f"points must hold at least one system of at least two tokens, got shape {points.shape}")
    lowest = -300 if points.dtype == np.float64 else -30
    if not (lowest <= beta < np.inf and np.isfinite(eta) and eta > 0 and count >= 0):
        raise InputError(
            f"beta must be finite and at least {lowest}, eta positive and count at least 0; got beta = {beta}, eta = {eta}, count = {count}"
        )
    filled = np.concatenate([points, np.repeat(points[:1], -samples % _LANES, axis=0)])
    lanes = filled.reshape(-1, _LANES, n, d).transpose(0, 3, 2, 1)
    with jax.enable_x64(True):
        scalars = (jnp.asarray(v, points.dtype) for v in (beta, eta, 1 - delta))
        end, met = _run(jnp.asarray(lanes), *scalars, count)
        end, met = np.asarray(end), np.asarray(met)
    return Layers(end.transpose(0, 3, 2, 1).reshape(-1, n, d)[:samples], met.transpose(1, 0, 2).reshape(count + 1, -1)[:, :samples])


@partial(jax.jit, static_argnames="count")
def _run(blocks, beta, eta, near, count):
    def layer(x, _):
        sums, met = _pairs(x, beta, near)
        y = x + eta * sums[:-1] / sums[-1]
        return y / jnp.sqrt((y * y).sum(0)), met

    def block(x):
        x, met = jax.lax.scan(layer, x, None, length=count)
        return x, jnp.concatenate([met, _pairs(x, beta, near)[1][None]])

    return jax.lax.map(block, blocks)


def _pairs(x, beta, near):
    """For tokens (d, n, lanes): sum_j e_ij (x_j, 1), as (d + 1, n, lanes), and the number of pairs that have met.

    Shift k pairs i with i + k. Half the shifts make all pairs; the last one makes them twice if n is even.
    """
    n = x.shape[1]
    twice, top = jnp.concatenate([x, x], 1), jnp.maximum(beta, -beta)

    def shift(k, carry):
        sums, met = carry
        y = jax.lax.dynamic_slice_in_dim(twice, k, n, 1)
        share = jnp.where(2 * k == n, 0.5, 1.0).astype(x.dtype)
        cosine = (x * y).sum(0)
        e = share * jnp.exp(beta * cosine - top)
        sums = sums.at[:, :n].add(jnp.stack([*(e * y), e]))
        there = jax.lax.dynamic_slice_in_dim(sums, k, n, 1) + jnp.stack([*(e * x), e])
        return jax.lax.dynamic_update_slice_in_dim(sums, there, k, 1), met + jnp.where(cosine > near, share, 0)

    own = jnp.exp(beta - top) * jnp.concatenate([x, jnp.ones_like(x[:1])])
    start = (jnp.concatenate([own, 0 * own], 1), jnp.zeros_like(x[0]))
    sums, met = jax.lax.fori_loop(1, n // 2 + 1, shift, start)
    return sums[:, :n] + sums[:, n:], met.sum(0)
