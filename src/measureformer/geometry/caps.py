"""Spherical caps: the smallest one that holds a finite set, hence the largest one that misses it."""

from typing import NamedTuple

import numpy as np

from .sphere import distance, normalize


class Cap(NamedTuple):
    """The closed cap {x : d(x, center) <= radius}; center of shape (d,), radius in radians."""

    center: np.ndarray
    radius: float

    def complement(self) -> "Cap":
        """The cap round the antipode that fills the rest of the sphere (it shares the boundary)."""
        return Cap(-self.center, np.pi - self.radius)


def enclosing_cap(points: np.ndarray, *, seed: int = 0) -> Cap:
    r"""A smallest cap that contains the points: it maximises $\min_j \langle p, x_j \rangle$ over unit vectors p.

    * If the points lie in an open hemisphere the problem is convex: p is the point of least norm in their convex hull, normalised.
    * Otherwise every maximal empty cap is bounded by the plane of a facet of the hull. For d <= 4 all facets are looked at (exact);
      for larger d the largest empty cap is sought by descent on a smoothed maximum from several starts (a local optimum).

    Args:
        points: shape (n, d), on the sphere.
        seed: of the starts used for d > 4.

    Returns:
        The cap. Its ``complement()`` is the largest empty cap (its interior holds no point).
    """
    points = np.asarray(points, float)
    center = _least_norm_direction(points)
    if center is None:
        center = _emptiest_facet(points) if points.shape[1] <= 4 else _descend(points, seed)
    return Cap(center, float(distance(points, center).max()))


def _least_norm_direction(points: np.ndarray) -> np.ndarray | None:
    """The direction of the point of least norm in the convex hull, or None if the hull comes too close to the origin.

    Solved on a few points; those that lie lowest along the solution are added until none lies lower than the ones that fix it.
    """
    active = np.unique(np.concatenate([np.arange(0, len(points), max(1, len(points) // 500)), points.argmin(0), points.argmax(0)]))
    for _ in range(100):
        nearest = _least_norm_point(points[active])
        if nearest is None:
            return None
        heights = points @ nearest
        lowest = np.argsort(heights)[: 2 * points.shape[1]]
        if heights[lowest[0]] <= 0:
            lower = np.setdiff1d(lowest, active)
            if not lower.size:
                return None
        elif heights[lowest[0]] >= heights[active].min() - 1e-12:
            return normalize(nearest)
        active = np.union1d(active, lowest)
    return None


def _least_norm_point(points: np.ndarray) -> np.ndarray | None:
    from scipy.optimize import nnls

    # min |X^T lambda|^2 over the simplex, as a non-negative least-squares problem: min |X^T mu|^2 + (sum mu - 1)^2 has its
    # minimum at a multiple of the simplex solution (Lawson and Hanson, Solving Least Squares Problems, ch. 23).
    unique = np.unique(points, axis=0)
    system = np.vstack([unique.T, np.ones(len(unique))])
    try:
        mass, _ = nnls(system, np.eye(system.shape[0])[-1], maxiter=50 * len(unique))
    except RuntimeError:
        return None
    nearest = mass @ unique / mass.sum()
    return None if np.linalg.norm(nearest) <= 1e-9 else nearest


def _emptiest_facet(points: np.ndarray) -> np.ndarray:
    """Minus the outer normal of the facet that is nearest to the origin: the empty cap behind that facet is the largest."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        equations = ConvexHull(points).equations
    except QhullError:  # all points in one hyperplane: its two sides are empty
        centred = points - points.mean(axis=0)
        normal = np.linalg.svd(centred, full_matrices=True)[2][-1]
        height = float(points[0] @ normal)
        return normal if height > 0 else -normal
    facet = equations[np.argmax(equations[:, -1])]  # <normal, x> + offset <= 0 inside, so the height of a facet is -offset
    return -normalize(facet[:-1])


def _descend(points: np.ndarray, seed: int, starts: int = 32, rounds: int = 300) -> np.ndarray:
    """Minimise the smoothed maximum (1/t) log sum_j exp(t <w, x_j>) on the sphere while t grows; return -w for the best w."""
    rng = np.random.default_rng(seed)
    d = points.shape[1]
    w = normalize(np.vstack([-points.mean(axis=0), rng.normal(size=(starts - 1, d))]))
    best, best_value = w[0], np.inf
    for k in range(rounds):
        sharpness = 4.0 * 10 ** (3 * k / rounds)
        heights = w @ points.T
        values = heights.max(axis=1)
        if values.min() < best_value:
            best, best_value = w[values.argmin()].copy(), float(values.min())
        soft = np.exp(sharpness * (heights - values[:, None]))
        gradient = (soft / soft.sum(axis=1, keepdims=True)) @ points
        w = normalize(w - gradient / np.sqrt(sharpness) / 2)
    return -best
