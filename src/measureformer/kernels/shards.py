"""Tokens that are spread over devices: what a sum over all of them needs.

Inside ``jax.shard_map`` over the axis ``TOKENS`` of a mesh, arrays of keys and weights are the part of one device, and sums over atoms are
to go over the parts of all. Elsewhere these functions change nothing, so that a law is written once.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jax import lax
from jax.flatten_util import ravel_pytree

TOKENS = "tokens"  # the axis of the mesh


def shards() -> int:
    """Over how many devices the tokens are spread where this is called."""
    mesh = jax.sharding.get_abstract_mesh()
    return mesh.shape[TOKENS] if TOKENS in mesh.manual_axes else 1


def total(parts: Any) -> Any:
    """The sums of arrays over all devices, by one all-reduce."""
    if shards() == 1:
        return parts
    flat, back = ravel_pytree(parts)
    return back(lax.psum(flat, TOKENS))


def largest(part: Any) -> Any:
    """The largest of a number over all devices: the same on each, so that all of them take the same branch."""
    return part if shards() == 1 else lax.pmax(jnp.asarray(part), TOKENS)
