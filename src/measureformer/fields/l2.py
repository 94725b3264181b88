"""L2 attention: scores by distance, so that the law is Lipschitz."""

from typing import Any, ClassVar

import equinox as eqx
from jaxtyping import Float

from .._types import Array, Matrix, Scalar, Seen, namespace
from ..errors import InputError
from .gaussians import apply, matrix
from .pairs import About, queries_and_keys, softmax_average, transform


class L2(eqx.Module):
    r"""The barycentre of what lies near the query of x:

    $$ A[\mu](x) = \frac{\int e^{-\beta |Q x - K y|^2} \, V y \, \mu(dy)}{\int e^{-\beta |Q x - K y|^2} \, \mu(dy)}. $$

    On the sphere with Q = K = I this is ``Softmax`` with twice the beta. The part of the score that is the same for all atoms, beta |Qx|^2,
    is left out.

    With ``shift`` it is the mean shift, which the barycentre alone is not: V y - V x in place of V y. With Q = K and V = Q^T Q that is a
    gradient flow, in R^d too.

    Args:
        beta: inverse temperature; there is no 1/2 in the exponent.
        Q, K, V: see ``fields.pairs``.
        shift: whether V x is subtracted.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322; Kim, Papamakarios, Mnih, arXiv:2006.04710.
    """

    beta: Scalar = 1.0
    Q: Matrix = None
    K: Matrix = None
    V: Matrix = None
    shift: bool = eqx.field(static=True, default=False)

    parallel: ClassVar[bool] = True
    about: ClassVar[About] = About(
        name="l2",
        formula="∫ e^{-β|Qx-Ky|²} Vy dμ(y) / ∫ e^{-β|Qx-Ky|²} dμ(y)",
        gradient="of log ∫ e^{-β|Qx-Ky|²} dμ in x, up to the linear term 2βQᵀQx, if V = 2βQᵀK; with shift and V = QᵀQ, Q = K: of an energy",
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
        mean = softmax_average(2 * self.beta * queries, keys, values, weights, seen, offsets=-self.beta * lengths)
        return mean - transform(self.V, x, t, "V") if self.shift else mean

    def on_gaussian(
        self, m: Float[Array, "*batch d"], S: Float[Array, "*batch d d"], t: Any = 0.0
    ) -> tuple[Float[Array, "*batch k"], Float[Array, "*batch k d"]]:
        r"""(u, B) of N(m, S): the key K y is observed at Q x with noise of variance $1/2\beta$, and the mean of y given that is

        $$ m + G (Q x - K m), \qquad G = 2 \beta S K^\top (I + 2 \beta K S K^\top)^{-1}, $$
        so that $u = V(m + G (Q - K) m)$ and $B = V G Q$. The inverse is of size k; S and K may be singular, and S as large as can be: to I
        is added what rounds off in the trace of the rest, which would hide I and leave a singular matrix.

        Raises:
            InputError: Q and K have different numbers of rows.
        """
        xp = namespace(m, S)
        Q, K, V = (matrix(getattr(self, name), m, t, name) for name in "QKV")
        if Q.shape[-2] != K.shape[-2]:
            raise InputError(f"queries have dimension {Q.shape[-2]} and keys {K.shape[-2]}; Q and K need equally many rows")
        keys = 2 * self.beta * (K @ S)
        seen, k = keys @ xp.swapaxes(K, -1, -2), K.shape[-2]
        noise = 1 + 4 * k * xp.finfo(m.dtype).eps * abs(xp.trace(seen, axis1=-2, axis2=-1))
        gain = xp.swapaxes(xp.linalg.solve(seen + noise[..., None, None] * xp.eye(k, dtype=m.dtype), keys), -1, -2)
        VG = V @ gain
        u, B = apply(V, m) + apply(VG, apply(Q - K, m)), VG @ Q
        return (u - apply(V, m), B - V) if self.shift else (u, B)
