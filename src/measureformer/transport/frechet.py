"""Frechet means on the sphere: the point with the least mean squared geodesic distance to weighted points."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from ..geometry.sphere import distance, exp, log, normalize
from .coupling import Coupling

# Partners with <z, y> above this lie in a ball round z of radius safely below pi/2, where the mean is unique.
_HEMISPHERE = 0.05
_ROUNDS = 500
_MOST_STARTS = 32


class FrechetMeans(NamedTuple):
    """Means of the rows of a coupling.

    Attributes:
        points: the means z_j.
        cost: sum_k gamma_jk d(z_j, y_k)^2 in the coupling's masses times rad^2.
        proved: whether the mean is known to be the global one.
    """

    points: Float[np.ndarray, "n d"]
    cost: Float[np.ndarray, " n"]
    proved: Bool[np.ndarray, " n"]


def frechet_means(y: Float[np.ndarray, "m d"], coupling: Coupling, n: int) -> FrechetMeans:
    r"""For each row j of a coupling the minimiser over the sphere of $\sum_k \gamma_{jk}\, d_g(z, y_k)^2$.

    Gradient descent z <- exp_z(mean of log_z y_k); the step 1 never overshoots because d^2/2 has no second derivative above 1. One partner:
    z is that point, bit for bit. Two: one step from the heavier one is exact, with cost w_1 w_2/(w_1 + w_2) d(y_1, y_2)^2. More: from their
    normalised mean; if they lie in a ball round z of radius < pi/2, that is the mean (Afsari, Proc. AMS 139 (2011), Thm 2.1); otherwise
    the best of several starts is kept.

    Args:
        y: points on the sphere.
        coupling: masses between n rows and the points; every row has some.
        n: number of rows.
    """
    order = np.lexsort([-coupling.mass, coupling.rows])
    rows, cols, mass = (part[order] for part in coupling)
    heaviest = np.searchsorted(rows, np.arange(n))
    partners = np.bincount(rows, minlength=n)
    centre = _averages(rows, mass, n) @ y[cols]
    start = np.where((partners <= 2) | (np.linalg.norm(centre, axis=1) < 1e-9), cols[heaviest], -1)
    z = np.where((start >= 0)[:, None], y[start], centre)
    z[start < 0] = normalize(z[start < 0])
    z, cost, settled = _descend(z, y, rows, cols, mass)
    z[partners == 1] = y[cols[heaviest[partners == 1]]]
    within = np.full(n, np.inf)
    np.minimum.at(within, rows, np.sum(z[rows] * y[cols], axis=1))
    proved = (partners <= 2) | (settled & (within > _HEMISPHERE))
    if not proved.all():
        _restart(z, cost, np.flatnonzero(~proved), y, rows, cols, mass)
    return FrechetMeans(z, cost, proved)


def _averages(rows: np.ndarray, mass: np.ndarray, n: int):
    """The sparse matrix that takes values on the pairs to their weighted means on the rows."""
    from scipy.sparse import csr_array

    share = mass / np.bincount(rows, mass, n)[rows]
    return csr_array((share, (rows, np.arange(len(rows)))), shape=(n, len(rows)))


def _descend(z, y, rows, cols, mass):
    """Gradient descent of all rows at once: the end points, their costs, and which of them have come to rest."""
    average = _averages(rows, mass, len(z))
    partner = y[cols]
    length = np.full(len(z), np.inf)
    for _ in range(_ROUNDS):
        at = z[rows]
        arrows = log(at, partner)
        opposite = (arrows == 0).all(axis=1) & (np.sum(at * partner, axis=1) < 0)
        if opposite.any():  # every direction leads to the antipode: take the first coordinate direction that is not radial
            arrows[opposite] = np.pi * _some_tangent(at[opposite])
        step = average @ arrows
        length = np.linalg.norm(step, axis=1)
        if length.max() <= 1e-13:
            break
        z = np.where((length > 1e-15)[:, None], normalize(exp(z, step)), z)
    return z, np.bincount(rows, mass * distance(z[rows], partner) ** 2, len(z)), length < 1e-9


def _some_tangent(z: np.ndarray) -> np.ndarray:
    """A unit tangent vector at each point: the coordinate axis least aligned with it, projected."""
    axis = np.eye(z.shape[1])[np.abs(z).argmin(axis=1)]
    return normalize(axis - np.sum(axis * z, axis=1, keepdims=True) * z)


def _restart(z, cost, unproved, y, rows, cols, mass) -> None:
    """Improves the unproved rows in place: descends again from near each of their heaviest partners and keeps the best."""
    pairs = [np.flatnonzero(rows == j) for j in unproved]  # heaviest first
    copies = [(j, pair, k) for j, pair in zip(unproved, pairs, strict=True) for k in pair[:_MOST_STARTS]]
    all_pairs = np.concatenate([pair for _, pair, _ in copies])
    copy_rows = np.repeat(np.arange(len(copies)), [len(pair) for _, pair, _ in copies])
    start = y[cols[np.array([k for _, _, k in copies])]]
    # Off the partners a little: symmetric ones (three on an equator) would hold a start on a saddle for ever.
    start = normalize(start + 0.1 * np.random.default_rng(0).normal(size=start.shape) / np.sqrt(start.shape[1]))
    ends, values, _ = _descend(start, y, copy_rows, cols[all_pairs], mass[all_pairs])
    for (j, _, _), end, value in zip(copies, ends, values, strict=True):
        if value < cost[j]:
            z[j], cost[j] = end, value
