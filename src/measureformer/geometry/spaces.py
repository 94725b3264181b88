"""Where tokens live, and what layer normalisation does to their velocity: the sphere, R^d, and R^d in coordinates that move along."""

from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from .sphere import norm, normalize, tangent

_WELL_CONDITIONED = 1e4

# A space answers four questions. ``tokens(x, t)``: which points of R^d do these coordinates stand for? ``velocity(x, v, t)``: how do the
# coordinates move when the tokens are pushed by v? ``retract(x)``: the nearest valid coordinates. ``check(x)``: are these valid?


class Sphere(eqx.Module):
    """S^{d-1}: layer normalisation. Velocities are projected, P_x v = v - <x, v> x."""

    def tokens(self, x: Float[Array, "*batch d"], t) -> Float[Array, "*batch d"]:
        """x itself."""
        return x

    def velocity(self, x: Float[Array, "*batch d"], v: Float[Array, "*batch d"], t) -> Float[Array, "*batch d"]:
        """P_x v."""
        return tangent(x, v)

    def retract(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
        """x / |x|."""
        return normalize(x)

    def check(self, x: Float[np.ndarray, "*batch d"]) -> None:
        """Whether the points are on the sphere, within 1e-6 (float32: 1e-5).

        Raises:
            InputError: one is not.
        """
        off = abs(norm(x)[..., 0] - 1)
        if off.size and not off.max() <= (1e-6 if x.dtype == np.float64 else 1e-5):
            place = np.unravel_index(int(np.argmax(np.where(np.isfinite(off), off, np.inf))), off.shape)
            raise InputError(f"point {place[-1]} has norm {float(norm(x)[place][0]):.9g}, not 1; normalize it, or use Euclidean()")


class Euclidean(eqx.Module):
    """R^d: no normalisation."""

    def tokens(self, x: Float[Array, "*batch d"], t) -> Float[Array, "*batch d"]:
        """x itself."""
        return x

    def velocity(self, x: Float[Array, "*batch d"], v: Float[Array, "*batch d"], t) -> Float[Array, "*batch d"]:
        """v itself."""
        return v

    def retract(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
        """x itself."""
        return x

    def check(self, x: Float[np.ndarray, "*batch d"]) -> None:
        """All points are valid."""


class Rescaled(eqx.Module):
    r"""R^d in the coordinates $z = e^{-tV} x$, in which tokens driven by softmax attention with the value matrix V stay bounded:

    $$ z' = e^{-tV} \bigl( v(e^{tV} z) - V e^{tV} z \bigr), \qquad\text{for softmax}\qquad z_i' = \sum_j P_{ij} V (z_j - z_i). $$

    Exponentials come from the eigenvectors of V, found once, where those are well conditioned (at most 1e4, which costs so many digits).

    Args:
        V: shape (d, d), constant; the value matrix of the law.

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2305.05465.
    """

    V: Float[Array, "d d"]
    eigen: Any

    def __init__(self, V: Float[Array, "d d"]):
        self.V, self.eigen = V, _eigen(V)

    def tokens(self, x: Float[Array, "*batch d"], t) -> Float[Array, "*batch d"]:
        """e^{tV} z."""
        return x @ self._exponential(t).T

    def velocity(self, x: Float[Array, "*batch d"], v: Float[Array, "*batch d"], t) -> Float[Array, "*batch d"]:
        """e^{-tV} v - V z, for the velocity v of the token e^{tV} z."""
        return v @ self._exponential(-t).T - x @ self.V.T

    def retract(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
        """z itself."""
        return x

    def check(self, x: Float[np.ndarray, "*batch d"]) -> None:
        """All points are valid."""

    def _exponential(self, t):
        r"""e^{tV}, from V = S diag(a + ib) S^{-1} the real part of S diag(e^{ta} (cos tb + i sin tb)) S^{-1}."""
        if self.eigen is not None:
            xp, ((a, b), (S, iS), (R, iR)) = namespace(self.V, t), self.eigen
            cosine, sine = xp.exp(t * a) * xp.cos(t * b), xp.exp(t * a) * xp.sin(t * b)
            return (S * cosine - iS * sine) @ R - (S * sine + iS * cosine) @ iR
        if isinstance(t, jax.Array) or isinstance(self.V, jax.Array):
            return jax.scipy.linalg.expm(t * self.V)
        from scipy.linalg import expm

        return expm(t * self.V)


def _eigen(V: Array) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """Real and imaginary parts of eigenvalues (2, d), eigenvectors (2, d, d), and the inverse of these; None if it loses many digits."""
    try:
        V = np.asarray(V)
    except jax.errors.TracerArrayConversionError:
        return None
    if not np.isfinite(V).all():
        return None
    values, vectors = np.linalg.eig(V.astype(np.float64))
    if not np.linalg.cond(vectors) <= _WELL_CONDITIONED:
        return None
    values, vectors, inverse = (np.stack([M.real, M.imag]).astype(V.dtype) for M in (values, vectors, np.linalg.inv(vectors)))
    return values, vectors, inverse
