"""Shears: perceptron flows that one residual block executes exactly."""

import numpy as np
from jaxtyping import Float

from .._types import Array
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
    """No attention, no bias, and U W = 0 up to rounding: each entry at most 1e-13 |U_i| |W_j|."""
    if field.V is not None or field.W is None or field.U is None or (field.b is not None and np.any(np.asarray(field.b))):
        return False
    W, U = np.asarray(field.W), np.asarray(field.U)
    size = np.linalg.norm(U, axis=1)[:, None] * np.linalg.norm(W, axis=0)
    return bool((np.abs(U @ W) <= 1e3 * np.finfo(W.dtype).eps * size).all())
