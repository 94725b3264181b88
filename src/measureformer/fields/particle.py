"""Any law as a field: in a space, under a mask, in blocks of queries when there are many."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from ..geometry import Sphere

BLOCK = 2**22  # numbers of the largest matrix of pairs


class ParticleField(eqx.Module):
    r"""The velocity field of a law in a space:

    $$ v[\mu](x) = P_x A[\mu](x) \text{ on the sphere}, \qquad v[\mu](x) = A[\mu](x) \text{ in } R^d. $$

    Args:
        law: attention or a combination, see ``fields.pairs``.
        space: ``Sphere()`` (layer normalisation), ``Euclidean()``, or ``Rescaled(V)``.
        mask: ``Causal()`` or ``Mask(allowed)``; None if every token sees all. With a mask x must be the tokens themselves.

    Example:
        >>> import numpy as np
        >>> from measureformer.fields import Softmax
        >>> field = ParticleField(Softmax(beta=0.0))
        >>> x = np.array([[1.0, 0.0], [0.0, 1.0]])
        >>> field(x, x, np.array([0.5, 0.5])).tolist()
        [[0.0, 0.5], [0.5, 0.0]]
    """

    law: Any
    space: Any = Sphere()
    mask: Any = None

    def __call__(
        self, x: Float[Array, "*batch n d"], points: Float[Array, "*batch m d"], weights: Float[Array, "*batch m"], t: Any = 0.0
    ) -> Float[Array, "*batch n d"]:
        """v[mu](x) at time t for mu = sum_j weights_j delta_{points_j}; leading axes are batches of measures.

        More than a few thousand queries on JAX arrays go block by block: memory is O((n + m) d), and what the law holds (Sinkhorn: m^2).

        Raises:
            InputError: the law returns vectors of another dimension; or a mask meets points that are not the tokens.
        """
        n, m = x.shape[-2], points.shape[-2]
        if self.mask is not None and n != m:
            raise InputError(f"a mask is about the {m} tokens themselves, and the field was asked at {n} points; ask at all tokens at once")
        batch = weights.size // m
        if isinstance(x, jax.Array) and n * m * batch > BLOCK and n > 1 and not _linear(self.law):
            return self._in_blocks(x, points, weights, t, size=max(1, BLOCK // (m * batch)))
        return self._at(x, namespace(x).arange(n), points, weights, t)

    def _at(self, x, rows, points, weights, t):
        tokens, atoms = self.space.tokens(x, t), self.space.tokens(points, t)
        seen = None if self.mask is None else self.mask.rows(rows, points.shape[-2])
        value = self.law(tokens, atoms, weights, t, seen)
        if value.shape != x.shape:
            raise InputError(f"the law returns vectors of dimension {value.shape[-1]}, points have {x.shape[-1]}; V must be square")
        return self.space.velocity(x, value, t)

    def _in_blocks(self, x, points, weights, t, size):
        n = x.shape[-2]
        count = -(-n // size)
        # the last block is filled up with the last token
        rows = jnp.minimum(jnp.arange(count * size), n - 1).reshape(count, size)
        out = jax.lax.map(lambda i: self._at(jnp.take(x, i, axis=-2), i, points, weights, t), rows)
        out = jnp.moveaxis(out, 0, -3)
        return out.reshape(*x.shape[:-2], count * size, x.shape[-1])[..., :n, :]


def _linear(law: Any) -> bool:
    """Whether a law has a part that takes linear time, of which nothing is gained by blocks of queries."""
    return any(getattr(part, "linear", False) for part in jax.tree.leaves(law, is_leaf=lambda node: hasattr(node, "linear")))


def remedy(field: Any) -> str:
    """What to do about a field that is not finite: what its laws say, those that have a ``remedy``."""
    parts = jax.tree.leaves(field, is_leaf=lambda node: hasattr(node, "remedy"))
    said = [part.remedy() for part in parts if hasattr(part, "remedy")]
    return "; ".join(said) or "look for NaN and infinity among its parameters, and for points of enormous norm"
