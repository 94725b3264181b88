"""Linear attention: the second moment of the measure."""

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Float

from .._types import Array, Matrix, Scalar, Seen, namespace
from ..kernels import pair_sums, total
from .gaussians import apply, matrix, score_matrix
from .pairs import About, queries_and_keys, transform


class Linear(eqx.Module):
    r"""The scores themselves are the weights:

    $$ A[\mu](x) = \int \beta \langle Q x, K y \rangle \, V y \, \mu(dy) = \beta V M_2 K^\top Q x, \qquad M_2 = \int y y^\top \mu(dy). $$

    O(n d^2), unless a mask makes every point see another measure. In R^d it can blow up in finite time.

    Args:
        beta: a factor.
        Q, K, V: see ``fields.pairs``.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322.
    """

    beta: Scalar = 1.0
    Q: Matrix = None
    K: Matrix = None
    V: Matrix = None

    parallel: ClassVar[bool] = True
    about: ClassVar[About] = About(
        name="linear",
        formula="∫ β⟨Qx,Ky⟩ Vy dμ(y)",
        gradient="W₂ gradient ascent of (β/4) ∬ ⟨Qx,Ky⟩² dμ dμ if V = QᵀK is symmetric",
        gaussian="yes, and every family closed under linear maps; in R^d until it blows up",
        mean_field="classical on the sphere (Lipschitz, compact); in R^d until blow-up",
        source="arXiv:2501.18322",
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
        if seen is not None:
            return pair_sums(lambda scores: scores, self.beta * queries, keys, values, seen=seen)
        return (self.beta * queries) @ total(namespace(keys).swapaxes(keys, -1, -2) @ values)

    def on_gaussian(
        self, m: Float[Array, "*batch d"], S: Float[Array, "*batch d d"], t: Any = 0.0
    ) -> tuple[Float[Array, "*batch k"], Float[Array, "*batch k d"]]:
        r"""(u, B) of N(m, S), and of any measure of that mean and covariance: $u = B m$, $B = V M_2 A$ with $A = \beta K^\top Q$."""
        M2 = S + m[..., :, None] * m[..., None, :]
        B = matrix(self.V, m, t, "V") @ M2 @ score_matrix(self, m, t)
        return apply(B, m), B
