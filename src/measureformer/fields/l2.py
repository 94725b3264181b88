"""L2 attention: scores by distance, so that the law is Lipschitz."""

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Float

from .._types import Array, Matrix, Scalar, Seen
from .pairs import About, queries_and_keys, softmax_average, transform


class L2(eqx.Module):
    r"""The barycentre of what lies near the query of x:

    $$ A[\mu](x) = \frac{\int e^{-\beta |Q x - K y|^2} \, V y \, \mu(dy)}{\int e^{-\beta |Q x - K y|^2} \, \mu(dy)}. $$

    On the sphere with Q = K = I this is ``Softmax`` with twice the beta. The part of the score that is the same for all atoms, beta |Qx|^2,
    is left out.

    Args:
        beta: inverse temperature; there is no 1/2 in the exponent.
        Q, K, V: see ``fields.pairs``.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322; Kim, Papamakarios, Mnih, arXiv:2006.04710.
    """

    beta: Scalar = 1.0
    Q: Matrix = None
    K: Matrix = None
    V: Matrix = None

    about: ClassVar[About] = About(
        name="l2",
        formula="∫ e^{-β|Qx-Ky|²} Vy dμ(y) / ∫ e^{-β|Qx-Ky|²} dμ(y)",
        gradient="of log ∫ e^{-β|Qx-Ky|²} dμ in x, up to the linear term 2βQᵀQx, if V = 2βQᵀK (mean shift)",
        gaussian="yes",
        mean_field="Castin, Ablin, Carrillo, Peyré 2025 (compact support)",
        source="arXiv:2501.18322; arXiv:2006.04710",
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
        values, lengths = transform(self.V, points, t, "V"), (keys * keys).sum(-1)
        return softmax_average(2 * self.beta * queries, keys, values, weights, seen, offsets=-self.beta * lengths)
