"""The unit sphere S^{d-1} = {x in R^d : |x| = 1} with its geodesic distance. NumPy in, NumPy out; JAX in, JAX out."""

import numpy as np
from jaxtyping import Float

from .._types import Array, namespace


def norm(x: Float[Array, "*batch d"]) -> Float[Array, "*batch 1"]:
    """Euclidean norm |x| along the last axis, which is kept with length 1."""
    return namespace(x).sqrt((x * x).sum(-1, keepdims=True))


def normalize(x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
    """x / |x|. Not defined (NaN) at x = 0."""
    return x / norm(x)


def tangent(x: Float[Array, "*#batch d"], v: Float[Array, "*#batch d"]) -> Float[Array, "*#batch d"]:
    """The orthogonal projection of v onto the tangent space at x: P_x v = v - <x, v> x."""
    return v - (x * v).sum(-1, keepdims=True) * x


def distance(x: Float[Array, "*#batch d"], y: Float[Array, "*#batch d"]) -> Float[Array, "*#batch"] | np.floating:
    """Geodesic distance in radians, 2 atan2(|x - y|, |x + y|): full relative accuracy from 1e-16 to pi (arccos loses half the digits)."""
    return 2 * namespace(x, y).arctan2(norm(x - y)[..., 0], norm(x + y)[..., 0])


def exp(x: Float[Array, "*#batch d"], v: Float[Array, "*#batch d"]) -> Float[Array, "*#batch d"]:
    """The geodesic exponential: cos(|v|) x + sin(|v|) v/|v| for a tangent vector v at x (length in radians)."""
    xp = namespace(x, v)
    length = norm(v)
    return xp.cos(length) * x + xp.sinc(length / xp.pi) * v


def log(x: Float[Array, "*#batch d"], y: Float[Array, "*#batch d"]) -> Float[Array, "*#batch d"]:
    """The inverse of ``exp``: the tangent vector at x that points to y, with |log_x y| = d(x, y). Not unique (zero here) at y = -x."""
    xp = namespace(x, y)
    direction = tangent(x, y - x)
    length = norm(direction)
    return xp.asarray(distance(x, y))[..., None] * direction / xp.where(length > 0, length, 1)
