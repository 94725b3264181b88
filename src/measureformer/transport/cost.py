"""Ground costs: all geodesic distances between two clouds, and the checks that make a cloud a cloud on the sphere."""

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..measures import Empirical

# A radial error e of a point counts as a distance of at most e (see geodesic_cost), so small drift is measured, not refused.
_RADIAL_TOLERANCE = 1e-3


def geodesic_cost(x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"], *, block: int = 1 << 22) -> Float[np.ndarray, "n m"]:
    r"""All geodesic distances $d_g(x_j, y_k) = 2\,\mathrm{atan2}(|x_j - y_k|, |x_j + y_k|)$ in radians.

    Both lengths come from differences of coordinates, never from inner products, so that tiny distances and distances near pi keep full
    relative accuracy. If a point has norm 1 + e, it is about e away from its radial projection.

    Args:
        x: points on the sphere.
        y: points on the sphere.
        block: the most entries computed at a time; memory beyond the result is a few times this.
    """
    from scipy.spatial.distance import cdist

    x, y = np.asarray(x, float), np.asarray(y, float)
    cost = np.empty((len(x), len(y)))
    rows = max(1, block // len(y))
    for start in range(0, len(x), rows):
        part = x[start : start + rows]
        cost[start : start + rows] = 2 * np.arctan2(cdist(part, y), cdist(part, -y))
    return cost


def atoms(measure: Empirical, name: str) -> tuple[Float[np.ndarray, "n d"], Float[np.ndarray, " n"]]:
    """Points and weights in float64, the weights summing to 1.

    Raises:
        InputError: a point is further than 1e-3 from the sphere.
    """
    points, weights = np.asarray(measure.points, float), np.asarray(measure.weights, float)
    norms = np.linalg.norm(points, axis=1)
    worst = int(np.argmax(np.abs(norms - 1)))
    if not abs(norms[worst] - 1) <= _RADIAL_TOLERANCE:
        raise InputError(
            f"{name}.points[{worst}] has norm {norms[worst]:.6g}; geodesic costs need points on the unit sphere: normalize them"
        )
    return points, weights / weights.sum()


def same_dimension(mu: Empirical, nu: Empirical, names: tuple[str, str]) -> None:
    """Raises InputError if the two measures live on spheres of different dimensions."""
    if mu.dimension != nu.dimension:
        raise InputError(f"{names[0]} has dimension {mu.dimension} and {names[1]} has dimension {nu.dimension}; they must agree")
