"""Laws made of laws: heads, sums, signs."""

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Float

from .._types import Array, Matrix, Seen
from ..errors import InputError
from .pairs import About, transform
from .perceptron import perceptron


class MultiHead(eqx.Module):
    r"""Several laws side by side, each with its own output matrix:

    $$ A[\mu](x) = \sum_h W_h A_h[\mu](x). $$

    Without output matrices it is the sum of the fields: attention and a perceptron, say.

    Args:
        heads: the laws A_h, of any kinds; their V may map to any dimension k_h.
        outputs: W_h, shape (d, k_h) each; None for identities.

    Raises:
        InputError: not as many outputs as heads, or none at all.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322.
    """

    heads: tuple[Any, ...]
    outputs: tuple[Matrix, ...] | None = None

    about: ClassVar[About] = About(
        name="multi-head",
        formula="Σ_h W_h A_h[μ](x)",
        gradient="if every head is the gradient of an energy in the same metric: of the sum",
        gaussian="if every head does",
        mean_field="Castin, Ablin, Carrillo, Peyré 2025 (heads as above, compact support)",
        source="arXiv:2501.18322",
    )

    def __check_init__(self):
        if not self.heads:
            raise InputError("heads is empty; a multi-head law needs at least one head")
        if self.outputs is not None and len(self.outputs) != len(self.heads):
            raise InputError(f"outputs has {len(self.outputs)} matrices for {len(self.heads)} heads; give one for each head")

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n k"]:
        """A[mu](x)."""
        outputs = self.outputs or (None,) * len(self.heads)
        values = [transform(W, head(x, points, weights, t, seen), t, "W") for W, head in zip(outputs, self.heads, strict=True)]
        shapes = {value.shape[-1] for value in values}
        if len(shapes) > 1:
            raise InputError(f"heads return vectors of dimensions {sorted(shapes)}; give outputs, one matrix (d, k_h) for each head")
        return sum(values[1:], start=values[0])


class Scaled(eqx.Module):
    """c A[mu](x): a law with another sign or strength. c = -1 is repulsive attention.

    Args:
        law: any law.
        factor: c, a number or a function of time.
    """

    law: Any
    factor: Any = -1.0

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n k"]:
        """c A[mu](x)."""
        return (self.factor(t) if callable(self.factor) else self.factor) * self.law(x, points, weights, t, seen)


class Neurons(eqx.Module):
    """The perceptron W (U x + b)_+ as a law, the same for every measure; to be added to attention by ``MultiHead``. See ``perceptron``."""

    W: Float[Array, "d h"]
    U: Float[Array, "h d"] | None = None
    b: Float[Array, " h"] | None = None

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n k"]:
        """W (U x + b)_+."""
        return perceptron(x, self.W, self.U, self.b)
