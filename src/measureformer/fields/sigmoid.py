"""Sigmoid attention: every atom is weighed by itself."""

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Float

from .._types import Array, Matrix, Scalar, Seen, namespace
from ..kernels import pair_sums
from .pairs import About, queries_and_keys, transform


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

    parallel: ClassVar[bool] = True
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
        seen: Seen = None,
    ) -> Float[Array, "*batch n k"]:
        """A[mu](x)."""
        queries, keys = queries_and_keys(self, x, points, t)
        values = weights[..., None] * transform(self.V, points, t, "V")
        return pair_sums(lambda scores: _gate(scores + self.bias), self.beta * queries, keys, values, seen=seen)


def _gate(u):
    """sigma(u), from an exponential that cannot overflow and with all digits where it is small."""
    xp = namespace(u)
    small = xp.exp(-abs(u))
    return xp.where(u < 0, small, 1) / (1 + small)
