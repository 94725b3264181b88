"""Empirical measures: mu = sum_j w_j delta_{x_j}."""

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError


class Empirical(eqx.Module):
    r"""A weighted cloud of tokens, $\mu = \sum_j w_j \delta_{x_j}$ with $w_j > 0$ and $\sum_j w_j = 1$.

    Args:
        points: the atoms x_j, shape (n, d). NumPy or JAX; the kind of array and the dtype are kept.
        weights: positive weights, shape (n,); they are divided by their sum. Equal weights if ``None``.

    Raises:
        InputError: wrong shapes or an empty cloud; for concrete NumPy input also NaN, infinity or a weight <= 0.

    Example:
        >>> mu = Empirical(np.eye(3))
        >>> mu.weights
        array([0.33333333, 0.33333333, 0.33333333])
    """

    points: Float[Array, "n d"]
    weights: Float[Array, " n"]

    def __init__(self, points, weights=None):
        xp = namespace(points, weights)
        points = xp.asarray(points)
        if not xp.issubdtype(points.dtype, xp.floating):
            points = points.astype(float)
        if points.ndim != 2 or 0 in points.shape:
            raise InputError(f"points must have shape (n, d) with n, d >= 1, got {points.shape}")
        n = points.shape[0]
        weights = xp.ones(n, points.dtype) if weights is None else xp.asarray(weights, points.dtype)
        if weights.shape != (n,):
            raise InputError(f"weights must have shape ({n},), one for each point, got {weights.shape}")
        if xp is np:
            if not np.isfinite(points).all():
                row = int(np.argmin(np.isfinite(points).all(axis=1)))
                raise InputError(f"points[{row}] = {points[row]} is not finite; remove or mend it")
            if not (np.isfinite(weights).all() and (weights > 0).all()):
                row = int(np.argmin(np.isfinite(weights) & (weights > 0)))
                raise InputError(f"weights[{row}] = {weights[row]} is not positive; drop the point instead")
        self.points = points
        self.weights = weights / weights.sum()

    @property
    def size(self) -> int:
        """Number of atoms n."""
        return self.points.shape[0]

    @property
    def dimension(self) -> int:
        """Ambient dimension d."""
        return self.points.shape[1]

    def mean(self) -> Float[Array, " d"]:
        """The barycentre of R^d, E[mu] = sum_j w_j x_j (in general not on the sphere)."""
        return self.weights @ self.points

    def moved(self, points: Float[Array, "n d"]) -> "Empirical":
        """The push-forward under the map that sends atom j to ``points[j]``; the weights stay."""
        return eqx.tree_at(lambda mu: mu.points, self, points)

    def merged(self) -> tuple["Empirical", np.ndarray]:
        """Equal atoms become one atom with the sum of their weights.

        Returns:
            The merged measure, and for each original row the index of its atom in it (first appearances keep their order).
        """
        points = np.asarray(self.points)
        _, first, inverse = np.unique(points, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(first)
        rank = np.empty_like(order)
        rank[order] = np.arange(order.size)
        atom_of_row = rank[inverse.reshape(-1)]
        weights = np.bincount(atom_of_row, weights=np.asarray(self.weights))
        return Empirical(points[first[order]], weights), atom_of_row
