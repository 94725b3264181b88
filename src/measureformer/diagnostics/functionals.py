"""The functionals that the other laws climb or descend; softmax and unnormalised attention share ``interaction_energy``."""

import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from ..fields import Sinkhorn
from .energy import closeness, equal_if_none, row_means, symmetric

# Every one of them is so scaled that its W_2 gradient is the field of the law with Q^T K = V, at any beta.


def linear_energy(
    points: Float[Array, "*batch n d"],
    beta: float,
    weights: Float[Array, "*batch n"] | None = None,
    *,
    V: Float[Array, "d d"] | None = None,
) -> Float[Array, "*batch"] | np.floating | float:
    r"""What linear attention climbs, $\frac{\beta}{4} \iint \langle V x, y \rangle^2 \mu(dx) \mu(dy)
    = \frac{\beta}{4} \mathrm{tr} (V M_2)^2$.

    Args:
        points: tokens; leading axes are batches of measures (or times).
        beta: the factor of the law.
        weights: of the tokens, with sum 1; equal if None.
        V: symmetric matrix; the identity if None.

    Raises:
        InputError: V is not symmetric.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322.
    """
    xp, w = namespace(points, weights), equal_if_none(points, weights)
    images = points if V is None else points @ symmetric(V)
    product = xp.swapaxes(w[..., None] * images, -1, -2) @ points
    return beta / 4 * (product * xp.swapaxes(product, -1, -2)).sum((-1, -2))


def sigmoid_energy(
    points: Float[Array, "*batch n d"],
    beta: float,
    weights: Float[Array, "*batch n"] | None = None,
    *,
    V: Float[Array, "d d"] | None = None,
    bias: float = 0.0,
) -> Float[Array, "*batch"] | np.floating | float:
    r"""What sigmoid attention climbs, $\frac{1}{2\beta} \iint \log(1 + e^{\beta \langle V x, y \rangle + b}) \mu(dx) \mu(dy)$; O(n) memory.

    Args, References: as in ``linear_energy``; beta must not be 0, ``bias`` is b.

    Raises:
        InputError: beta is 0, or V is not symmetric.
    """
    _not_zero(beta)
    w = equal_if_none(points, weights)
    queries = beta * (points if V is None else points @ symmetric(V))
    rows = row_means(lambda xp, some: xp.logaddexp(0.0, some @ xp.swapaxes(points, -1, -2) + bias), queries, w)
    return (w * rows).sum(-1) / (2 * beta)


def mean_shift_energy(
    points: Float[Array, "*batch n d"],
    beta: float,
    weights: Float[Array, "*batch n"] | None = None,
    *,
    V: Float[Array, "d d"] | None = None,
) -> Float[Array, "*batch"] | np.floating | float:
    r"""What the mean shift climbs, $\frac{1}{4\beta} \iint e^{-\beta \langle x - y, V (x - y) \rangle} \mu(dx) \mu(dy)$; O(n) memory.

    Its flow is L2 attention with ``shift`` and V = Q^T Q = Q^T K, in the metric weighted with ``closeness``.

    Args, Raises, References: as in ``sigmoid_energy``.
    """
    _not_zero(beta)
    w = equal_if_none(points, weights)
    return (w * closeness(points, beta, w, V=V)).sum(-1) / (4 * beta)


def transport_energy(
    points: Float[Array, "*batch n d"],
    beta: float,
    weights: Float[Array, "*batch n"] | None = None,
    *,
    V: Float[Array, "d d"] | None = None,
    eps: float = 1.0,
) -> Float[Array, "*batch"] | np.floating | float:
    r"""What Sinkhorn attention descends, the entropic cost of carrying mu to itself:

    $$ \frac{1}{2 \beta \varepsilon} \min_\pi \int -\beta \langle V x, y \rangle \, d\pi + \varepsilon \, \mathrm{KL}(\pi | \mu \otimes \mu)
       = \frac{1}{2 \beta} \int (f + g) \, d\mu, $$

    pi the couplings of mu with itself, f and g the potentials of the law. An error tol of its columns counts as tol^2 here.

    Args, References: as in ``sigmoid_energy``; ``eps`` as in ``fields.Sinkhorn``.

    Raises:
        InputError: as in ``sigmoid_energy``.
        ConditioningError: Sinkhorn's iteration does not converge.
    """
    _not_zero(beta)
    w = equal_if_none(points, weights)
    f, g = Sinkhorn(beta, Q=None if V is None else symmetric(V), eps=eps, tol=1e-9).potentials(points, w)
    return (w * (f + g)).sum(-1) / (2 * beta)


def _not_zero(beta: float) -> None:
    if not (np.isfinite(beta) and beta != 0):
        raise InputError(
            f"beta must be finite and not 0 for this energy, got {beta}; at 0 it is interaction_energy, normalisation='centred'"
        )
