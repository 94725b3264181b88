"""Sigmoid attention: every atom is weighed by itself."""

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Bool, Float

from .._types import Array, Matrix, Scalar, namespace
from .pairs import About, inner_scores, masses, transform


class Sigmoid(eqx.Module):
    r"""No normaliser; each score goes through a logistic function:

    $$ A[\mu](x) = \int \sigma\bigl(\beta \langle Q x, K y \rangle + b\bigr) \, V y \, \mu(dy), \qquad \sigma(u) = \frac{1}{1 + e^{-u}}. $$

    Args:
        beta: inverse temperature.
        Q, K, V: see ``fields.pairs``.
        bias: b; practice takes b = -log n with n tokens.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322; Ramapuram et al., arXiv:2409.04431.
    """

    beta: Scalar = 1.0
    Q: Matrix = None
    K: Matrix = None
    V: Matrix = None
    bias: Scalar = 0.0

    about: ClassVar[About] = About(
        name="sigmoid",
        formula="∫ σ(β⟨Qx,Ky⟩ + b) Vy dμ(y), σ(u) = 1/(1+e^{-u})",
        gradient="W₂ gradient ascent of (1/2β) ∬ log(1+e^{β⟨Qx,Ky⟩+b}) dμ dμ if V = QᵀK is symmetric",
        gaussian="no",
        mean_field="Castin, Ablin, Carrillo, Peyré 2025 (compact support)",
        source="arXiv:2501.18322; arXiv:2409.04431",
    )

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Bool[Array, "n m"] | None = None,
    ) -> Float[Array, "*batch n k"]:
        """A[mu](x)."""
        scores = inner_scores(self, x, points, t) + self.bias
        xp = namespace(scores)
        gate = xp.exp(-xp.logaddexp(xp.zeros_like(scores), -scores))
        return (masses(weights, seen) * gate) @ transform(self.V, points, t, "V")
