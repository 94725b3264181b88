"""Softmax attention (SA): the law of Transformers."""

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Float

from .._types import Array, Matrix, Scalar, Seen
from .gaussians import apply, matrix, score_matrix
from .pairs import About, queries_and_keys, softmax_average, transform


class Softmax(eqx.Module):
    r"""The barycentre of what the query of x finds:

    $$ A[\mu](x) = \frac{\int e^{\beta \langle Q x, K y \rangle} \, V y \, \mu(dy)}{\int e^{\beta \langle Q x, K y \rangle} \, \mu(dy)}. $$

    The same as ``attention`` with B = beta K^T Q, after V. Scores are shifted by their largest one: no beta overflows.

    Args:
        beta: inverse temperature.
        Q, K, V: see ``fields.pairs``.

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2312.10794, (SA).
    """

    beta: Scalar = 1.0
    Q: Matrix = None
    K: Matrix = None
    V: Matrix = None

    parallel: ClassVar[bool] = True
    about: ClassVar[About] = About(
        name="softmax",
        formula="∫ e^{β⟨Qx,Ky⟩} Vy dμ(y) / ∫ e^{β⟨Qx,Ky⟩} dμ(y)",
        gradient="of log ∫ e^{β⟨Qx,Ky⟩} dμ in x if V = βQᵀK; of the energy, its metric weighted by the normaliser, if V = QᵀK is symmetric",
        gaussian="yes",
        mean_field="Castin, Ablin, Carrillo, Peyré 2025 (compact support); on the sphere Geshkovski et al. 2023",
        source="arXiv:2312.10794, (SA)",
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
        return softmax_average(self.beta * queries, keys, transform(self.V, points, t, "V"), weights, seen)

    def on_gaussian(
        self, m: Float[Array, "*batch d"], S: Float[Array, "*batch d d"], t: Any = 0.0
    ) -> tuple[Float[Array, "*batch k"], Float[Array, "*batch k d"]]:
        r"""(u, B) of N(m, S), with $A = \beta K^\top Q$: the tilt by $e^{\langle Ax, y \rangle}$ moves the mean by S A x, so that

        $$ u = V (m + S A m), \qquad B = V S A . $$
        """
        A, V = score_matrix(self, m, t), matrix(self.V, m, t, "V")
        B = V @ S @ A
        return apply(V, m) + apply(B, m), B
