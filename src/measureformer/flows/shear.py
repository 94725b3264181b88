"""Shears: perceptron flows that one residual block executes exactly."""

import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..fields import TransformerField, perceptron
from ..geometry import normalize


def shear(x: Float[Array, "*batch d"], W: Float[Array, "d h"], U: Float[Array, "h d"], t: float = 1.0) -> Float[Array, "*batch d"]:
    r"""normalize(x + t W (U x)_+): for U W = 0 exactly the flow of P_x W (U x)_+ for time t.

    Without the projection, y' = W (U y)_+ keeps U y constant, because U W = 0, so y(t) = x + t W (U x)_+. Both fields are positively
    homogeneous of degree one in the sense that matters: they move the ray through x in the same way, and the sphere's flow is the ray's
    trace on it.
    """
    return normalize(x + t * perceptron(x, W, U))


def is_shear(field: TransformerField) -> bool:
    """No attention, no bias, and U W = 0 up to rounding: each entry at most 1e3 eps |U_i| |W_j| (2e-13 in float64)."""
    return gates_only(field) and not np.any(interactions(np.asarray(field.W), np.asarray(field.U)))


def gates_only(field: TransformerField) -> bool:
    """The field is W (U x)_+ and nothing else: no attention, no bias."""
    return field.V is None and field.W is not None and field.U is not None and (field.b is None or not np.any(np.asarray(field.b)))


def interactions(W: Float[Array, "d h"], U: Float[Array, "k d"]) -> Float[Array, "k h"]:
    """M = U W, how the activations y = U x change under W: y' = M (y)_+. Entries within rounding, 1e3 eps |U_i| |W_j|, are zero."""
    xp = namespace(W, U)
    M = U @ W
    size = xp.sqrt((U * U).sum(1))[:, None] * xp.sqrt((W * W).sum(0))
    return xp.where(abs(M) <= 1e3 * xp.finfo(M.dtype).eps * size, 0, M)
