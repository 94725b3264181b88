"""Laws made of laws: heads, sums, signs."""

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Float

from .._types import Array, Matrix, Seen, namespace
from ..errors import InputError
from .gaussians import apply, matrix
from .pairs import About, transform
from .perceptron import perceptron
from .softmax import Softmax


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

    def on_gaussian(
        self, m: Float[Array, "*batch d"], S: Float[Array, "*batch d d"], t: Any = 0.0
    ) -> tuple[Float[Array, "*batch k"], Float[Array, "*batch k d"]]:
        """(u, B) of N(m, S): the sums of W_h u_h and of W_h B_h over the heads."""
        pairs = [head.on_gaussian(m, S, t) for head in self.heads]
        if self.outputs is not None:
            W = [None if M is None else matrix(M, u, t, "W") for M, (u, _) in zip(self.outputs, pairs, strict=True)]
            pairs = [(u, B) if M is None else (apply(M, u), M @ B) for M, (u, B) in zip(W, pairs, strict=True)]
        return sum((u for u, _ in pairs[1:]), start=pairs[0][0]), sum((B for _, B in pairs[1:]), start=pairs[0][1])


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
        return self._factor(t) * self.law(x, points, weights, t, seen)

    def on_gaussian(
        self, m: Float[Array, "*batch d"], S: Float[Array, "*batch d d"], t: Any = 0.0
    ) -> tuple[Float[Array, "*batch k"], Float[Array, "*batch k d"]]:
        """(u, B) of N(m, S): c times that of the law."""
        u, B = self.law.on_gaussian(m, S, t)
        return self._factor(t) * u, self._factor(t) * B

    def _factor(self, t):
        return self.factor(t) if callable(self.factor) else self.factor


class Neurons(eqx.Module):
    """The perceptron W (U x + b)_+ as a law, the same for every measure; to be added to attention by ``MultiHead``. See ``perceptron``."""

    W: Float[Array, "d h"]
    U: Float[Array, "h d"] | None = None
    b: Float[Array, " h"] | None = None

    parallel: ClassVar[bool] = True

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


def split_heads(Q: Float[Array, "k d"], K: Float[Array, "k d"], V: Float[Array, "d d"], heads: int, law: Any = Softmax) -> MultiHead:
    r"""The usual multi-head attention: head h has the rows $I_h$ of Q, K and V, d/heads of each, and writes to the coordinates $I_h$:

    $$ A[\mu](x) = \sum_h W_h A_h[\mu](x), \qquad \beta = (d / H)^{-1/2}, \qquad W_h = I_{\cdot, I_h} . $$

    A head for which Q and K have no rows left scores everything 0.

    Args:
        Q, K, V: of all heads together.
        heads: H >= 1; divides d.
        law: the class of the heads, called as ``law(beta, Q=, K=, V=)``.

    Raises:
        InputError: H does not divide d.
    """
    d = V.shape[0]
    if heads < 1 or d % heads:
        raise InputError(f"heads = {heads} does not divide the dimension d = {d}; take one of {[h for h in range(1, d + 1) if d % h == 0]}")
    k = d // heads
    rows = [slice(h * k, (h + 1) * k) for h in range(heads)]
    parts = tuple(law(k**-0.5, Q=Q[r], K=K[r], V=V[r]) for r in rows)
    return MultiHead(parts, tuple(namespace(V).eye(d, dtype=V.dtype)[:, r] for r in rows))
