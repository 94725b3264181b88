"""Any law as a field: in a space, under a mask."""

from typing import Any

import equinox as eqx
import jax
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from ..geometry import Sphere
from ..kernels import fits, visible


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

        Memory is O((n + m) d) for the laws of ``LAWS`` however many points there are, and what a law holds (Sinkhorn: m^2).

        Raises:
            InputError: the law returns vectors of another dimension; or a mask meets points that are not the tokens.
        """
        tokens, atoms = self.space.tokens(x, t), self.space.tokens(points, t)
        value = self.law(tokens, atoms, weights, t, self._seen(x, points))
        if value.shape != x.shape:
            raise InputError(f"the law returns vectors of dimension {value.shape[-1]}, points have {x.shape[-1]}; V must be square")
        return self.space.velocity(x, value, t)

    def _seen(self, x, points):
        """The mask as a matrix if that is small, else as it is."""
        if self.mask is None:
            return None
        n, m = x.shape[-2], points.shape[-2]
        if n != m:
            raise InputError(f"a mask is about the {m} tokens themselves, and the field was asked at {n} points; ask at all tokens at once")
        self.mask.check(m)
        rows = namespace(x).arange(n)
        return visible(self.mask, rows, rows) if fits(x, points) else self.mask


def remedy(field: Any) -> str:
    """What to do about a field that is not finite: what its laws say, those that have a ``remedy``."""
    parts = jax.tree.leaves(field, is_leaf=lambda node: hasattr(node, "remedy"))
    said = [part.remedy() for part in parts if hasattr(part, "remedy")]
    return "; ".join(said) or "look for NaN and infinity among its parameters, and for points of enormous norm"
