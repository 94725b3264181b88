"""How far the tokens have collapsed: dimension of their span, distance to the nearest Dirac mass, variance within clusters."""

import numpy as np
from jaxtyping import Float, Int

from .._types import Array
from ..errors import InputError
from ..geometry import distance, norm
from ..measures import Empirical
from ..transport import Coupling
from ..transport.frechet import frechet_means


def span_dimension(points: Float[Array, "n d"], *, threshold: float = 1e-3) -> int:
    """The number of eigenvalues of the Gram matrix <x_i, x_j> above ``threshold``: how many directions the tokens still fill.

    Args:
        points: tokens.
        threshold: for the eigenvalues, whose sum is n on the sphere.
    """
    return int((np.linalg.svd(np.asarray(points), compute_uv=False) ** 2 > threshold).sum())


def dirac_distance(mu: Empirical, point: Float[Array, " d"] | None = None) -> float:
    r"""$W_2(\mu, \delta_p) = (\int d_g(x, p)^2 \mu(dx))^{1/2}$ in radians, for a given p or the nearest Dirac mass (p the Fréchet mean).

    Args:
        mu: a measure on the sphere.
        point: unit vector p; the Fréchet mean of mu if None (the global one where all atoms lie in a hemisphere round it, else the best
            of several starts).

    Raises:
        InputError: the point is not a unit vector of the measure's dimension.
    """
    x, w = np.asarray(mu.points), np.asarray(mu.weights)
    if point is None:
        everything = Coupling(np.zeros(mu.size, int), np.arange(mu.size), w)
        return float(np.sqrt(frechet_means(x, everything, 1).cost[0]))
    if point.shape != (mu.dimension,) or not abs(float(norm(np.asarray(point))[0]) - 1) <= 1e-6:
        raise InputError(f"point must be a unit vector of R^{mu.dimension}, got {point}; divide it by its norm")
    return float(np.sqrt(w @ distance(x, np.asarray(point)) ** 2))


def variance_within(points: Float[Array, "n d"], labels: Int[np.ndarray, " n"], weights: Float[Array, " n"] | None = None) -> float:
    r"""$\sum_q \sum_{i \in q} w_i |x_i - \bar x_q|^2$ with the weighted mean of each cluster: 0 when each cluster is one point.

    With one cluster it is $1 - |\int x \, d\mu|^2$ on the sphere.

    Args:
        points: tokens.
        labels: of the clusters, from 0, as ``clusters`` gives them.
        weights: of the tokens, with sum 1; equal if None.
    """
    x = np.asarray(points)
    w = np.full(len(x), 1 / len(x)) if weights is None else np.asarray(weights)
    masses = np.bincount(labels, w)
    means = np.stack([np.bincount(labels, w * column) for column in x.T], axis=1) / np.where(masses > 0, masses, 1)[:, None]
    return float(w @ ((x - means[labels]) ** 2).sum(axis=1))
