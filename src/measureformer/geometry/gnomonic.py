"""Gnomonic charts: an open hemisphere seen from the centre of the sphere, on the tangent plane at its pole."""

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array
from .sphere import normalize


class GnomonicChart(eqx.Module):
    r"""The chart $\xi = E x / \langle p, x \rangle$ of the open hemisphere $\{\langle p, x \rangle > 0\}$.

    The rows of E are an orthonormal basis of the complement of the pole p, so that xi lies in R^{d-1} and x is proportional to p + E^T xi.
    Great circles become straight lines; a cap of angular radius r round p becomes a ball of radius tan r. A perceptron field
    P_x W (U x)_+ with the range of W orthogonal to p becomes the Euclidean neural ODE xi' = E W (U (p + E^T xi))_+.

    Args:
        pole: the unit vector p, shape (d,). In the shapes below, k = d - 1.
    """

    pole: Float[Array, " d"]
    basis: Float[Array, "k d"]

    def __init__(self, pole):
        # A Householder reflection that swaps e_1 and p: its other rows are the basis. Exact when p is a coordinate vector.
        pole = normalize(np.asarray(pole, float))
        d = pole.size
        axis = int(np.argmax(np.abs(pole)))
        sign = np.sign(pole[axis])
        mirror = pole + sign * np.eye(d)[axis]
        reflection = np.eye(d) - 2 * np.outer(mirror, mirror) / (mirror @ mirror)
        self.pole = pole
        self.basis = np.delete(reflection, axis, axis=0)

    def coordinates(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch k"]:
        """xi = E x / <p, x>. Meaningful only where <p, x> > 0."""
        return (x @ self.basis.T) / (x @ self.pole)[..., None]

    def points(self, xi: Float[Array, "*batch k"]) -> Float[Array, "*batch d"]:
        """The inverse: (p + E^T xi) / |p + E^T xi|."""
        return normalize(self.pole + xi @ self.basis)

    def vectors(self, xi: Float[Array, "*batch k"]) -> Float[Array, "*batch d"]:
        """E^T xi: a direction of the chart as a vector of R^d, orthogonal to p."""
        return xi @ self.basis
