"""Sums over pairs when the tokens are spread over devices: queries stay, keys go round the ring of devices.

A device sums over the keys that it has while it passes them on; after as many rounds as there are devices each query has met every key.
Nobody holds more keys than its own and the ones that are on their way: memory O(n / P), and each device sends its n / P keys P - 1 times.

References:
    Liu, Zaharia, Abbeel, arXiv:2310.01889 (ring attention).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Float

from .._types import Array
from ..errors import InputError
from . import dense
from .shards import TOKENS, shards


def exponential_sums(
    z: Float[Array, "*batch n q"],
    y: Float[Array, "*batch m q"],
    weights: Float[Array, "*batch m"],
    values: Float[Array, "*batch m k"],
    *,
    seen: Any = None,
) -> tuple[Float[Array, "*batch n k"], Float[Array, "*batch n"], Float[Array, "*batch n"]]:
    """``dense.exponential_sums`` over the keys of all devices.

    A block of keys needs no running maximum (its shift is a bound, see there), and blocks are brought to the larger of their shifts.

    Raises:
        InputError: a mask, when the tokens are spread over devices.
    """
    if shards() == 1:
        return dense.exponential_sums(z, y, weights, values, seen=seen)
    _refuse(seen)
    if values is y:  # one copy on the way
        return _round(lambda y, w: dense.exponential_sums(z, y, w, y), _joined, (y, weights))
    return _round(lambda y, w, v: dense.exponential_sums(z, y, w, v), _joined, (y, weights, values))


def pair_sums(
    pair: Callable[[Array], Array],
    z: Float[Array, "*batch n q"],
    y: Float[Array, "*batch m q"],
    values: Float[Array, "*batch m k"],
    *,
    seen: Any = None,
) -> Float[Array, "*batch n k"]:
    """``dense.pair_sums`` over the keys of all devices.

    Raises:
        InputError: a mask, when the tokens are spread over devices.
    """
    if shards() == 1:
        return dense.pair_sums(pair, z, y, values, seen=seen)
    _refuse(seen)
    return _round(lambda y, v: dense.pair_sums(pair, z, y, v), jnp.add, (y, values))


def _round(part: Callable[..., Any], join: Callable[[Any, Any], Any], block: Any) -> Any:
    """The parts of the blocks of all devices, joined."""
    size = shards()
    onwards = [(i, (i + 1) % size) for i in range(size)]
    nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), jax.eval_shape(part, *block))

    def step(_, carry):
        block, sums = carry
        following = lax.ppermute(block, TOKENS, onwards)  # does not wait for the sums
        return following, join(sums, part(*block))

    block, sums = lax.fori_loop(0, size - 1, step, (block, nothing))
    return join(sums, part(*block))


def _joined(one: Any, other: Any) -> Any:
    """(numerator, mass, shift) of two blocks together. A block without mass has no say in the shift."""
    tops = [jnp.where(mass > 0, shift, -jnp.inf) for _, mass, shift in (one, other)]
    top = jnp.maximum(*tops)
    top = jnp.where(top > -jnp.inf, top, 0)
    a, b = (jnp.exp(own - top) for own in tops)
    return a[..., None] * one[0] + b[..., None] * other[0], a * one[1] + b * other[1], top


def _refuse(seen: Any) -> None:
    if seen is not None:
        raise InputError("with a mask every token has another measure, and these sums do not go round devices; leave mesh out")
