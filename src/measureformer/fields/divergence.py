"""The divergence of a field on the sphere: how fast volumes grow round a point that it carries."""

from jaxtyping import Float

from .._types import Array, namespace
from .attention import attention, attention_weights
from .transformer import TransformerField


def divergence(
    field: TransformerField, x: Float[Array, "n d"], points: Float[Array, "m d"], weights: Float[Array, " m"]
) -> Float[Array, " n"]:
    r"""div v[mu] at the points x of the sphere, for v[mu](x) = P_x a(x), mu = sum_j weights_j delta_{points_j} given:

    $$ \operatorname{div}(P_x a) = \operatorname{tr}(P_x D a) - (d-1) \langle x, a \rangle
       = \operatorname{tr} D a - \langle x, D a\, x \rangle - (d-1) \langle x, a \rangle, $$
    the trace over tangent vectors h of $P_x D v\, h = P_x D a\, h - \langle x, a \rangle h$. Here
    $D a = V \operatorname{Cov}(x) B + W \mathbf{1}\{U x + b > 0\} U$, with the covariance of the atoms as x sees them
    (``attention_weights``). No d x d matrix is made for a point.

    Args:
        field: theta.
        x: where to evaluate; at the edge of a gate, where it jumps, the value of the silent side.
        points, weights: the measure.

    Returns:
        One number a point, in 1 / time.
    """
    total = namespace(x).zeros_like(x[:, 0])
    if field.V is not None:
        a = attention(x, points, weights, field.B)
        total = total - (x.shape[1] - 1) * (x * (a @ field.V.T)).sum(-1)
        if field.B is not None:
            p = attention_weights(x, points, weights, field.B)
            BV = field.B @ field.V
            total = total + p @ (points * (points @ BV.T)).sum(-1) - (a * (a @ BV.T)).sum(-1)
            left, right = x @ field.V, x @ field.B.T
            total = total - (p * (left @ points.T) * (right @ points.T)).sum(-1) + (left * a).sum(-1) * (right * a).sum(-1)
    if field.W is not None:
        height, activation = x @ field.W, 0 if field.b is None else field.b
        if field.U is not None:
            linear = x @ field.U.T
            activation = activation + linear
            total = total + (activation > 0) @ (field.U * field.W.T).sum(-1) - ((activation > 0) * height * linear).sum(-1)
        total = total - (x.shape[1] - 1) * (height * namespace(x).maximum(activation, 0)).sum(-1)
    return total
