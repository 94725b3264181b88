"""Softmax attention as a functional of a measure."""

from jaxtyping import Float

from .._types import Array, namespace
from ..kernels import total
from .pairs import masses, softmax_average, tilted


def attention(
    x: Float[Array, "*batch n d"],
    points: Float[Array, "*batch m d"],
    weights: Float[Array, "*batch m"],
    B: Float[Array, "d d"] | None = None,
) -> Float[Array, "*batch n d"]:
    r"""The barycentre of a measure as the points x see it:

    $$ A_B[\mu](x) = \frac{\int e^{\langle B x, y \rangle} \, y \, \mu(dy)}{\int e^{\langle B x, y \rangle} \, \mu(dy)},
       \qquad \mu = \sum_j w_j \delta_{y_j}. $$

    With queries and keys, B = K^T Q / sqrt(k). ``B=None`` is B = 0: the mean E[mu], the same for every x.
    It is the gradient of $\log \int e^{\langle z, y \rangle} \mu(dy)$ at z = B x, so for B invertible it tells any two measures apart.

    Args:
        x: where to evaluate; any points of R^d.
        points: the atoms y_j.
        weights: w_j >= 0 with sum 1; atoms of weight zero have no influence.
        B: the score matrix, shape (d, d).

    References:
        Geshkovski, Rigollet, Ruiz-Balet, arXiv:2411.04551v3, Section 1.
    """
    if B is None:
        xp = namespace(x, points, weights)
        return xp.broadcast_to(total(weights[..., None, :] @ points), x.shape)
    return softmax_average(x @ B.T, points, points, weights)


def attention_weights(
    x: Float[Array, "*batch n d"], points: Float[Array, "*batch m d"], weights: Float[Array, "*batch m"], B: Float[Array, "d d"]
) -> Float[Array, "*batch n m"]:
    r"""The share of each atom in what a point sees, $p_j(x) = w_j e^{\langle B x, y_j \rangle} / \sum_k w_k e^{\langle B x, y_k \rangle}$.

    The derivative of A_B[mu] at x is Cov(x) B with the covariance of the atoms under p(x). Arguments as in ``attention``.
    """
    mass = tilted(_scores(x, points, B), masses(weights, None))
    return mass / mass.sum(-1, keepdims=True)


def _scores(x, points, B):
    return (x @ B.T) @ namespace(points).swapaxes(points, -1, -2)
