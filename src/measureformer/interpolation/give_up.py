r"""Supports that fill the sphere: a little mass is given up, so that the rest misses a cap (arXiv:2411.04551, Appendix A).

Sources. Let the atoms of a cap (c, r) have the mass eta in mu. They are left out of the planning and ride along: attention sees them, they
end somewhere, at most pi from where they should be. If the others arrive within e in the root mean square, the coupling of every atom with
its place shows
$$ W_2(\mu(T), \nu)^2 \le e^2 + \pi^2 \eta, $$
so the price is at most $\pi \sqrt{\eta}$ in W_2 with the geodesic cost: of order sqrt(eta), not eta as the paper prints.

Targets. Here nothing has to be left out: a place y of the cap is moved to its rim, along the geodesic away from c, which costs r - d(y, c).
The price is $\bigl( \sum_k b_k (r - d(y_k, c))_+^2 \bigr)^{1/2} \le r \sqrt{\eta}$, smaller by a factor of pi/r.

Of eps, half may be spent on sources, $\eta \le (\varepsilon / 2\pi)^2$, a quarter on targets; the rest is left to the matching.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from ..flows import boost_between_caps
from ..geometry import Cap, distance, exp, log, norm, normalize, tangent
from ..measures import Empirical
from .hemisphere import RADIUS

CLEAR = "clear"
SOURCE_SHARE, TARGET_SHARE = 1 / 2, 1 / 4
_TRIES, _FACETS, _STARTS, _ROUNDS, _STEPS = 8192, 256, 8, 24, 48
_BLOCK = 2**22


def source_price(mu: Empirical, cap: Cap) -> float:
    r"""$\pi \sqrt{\eta}$ for the mass eta of mu inside the cap, radians."""
    return float(np.pi * np.sqrt(mu.weights @ (distance(mu.points, cap.center) < cap.radius)))


def target_price(nu: Empirical, cap: Cap) -> float:
    """The root mean square way of the atoms of nu to the rim of the cap that they are in, radians."""
    return float(np.sqrt(nu.weights @ np.maximum(cap.radius - distance(nu.points, cap.center), 0) ** 2))


def cheapest_cap(measures: Sequence[Empirical], radius: float, price, *, seed: int = 0) -> Cap:
    """A cap of the given radius for which the largest of the measures' prices is small: the best of many, improved by small random moves.

    Centres tried are those of the largest empty caps (behind facets of the convex hull, where d <= 4) and random ones. A search, not a
    proof: there may be a cheaper cap.

    Args:
        measures: in which the cap should weigh little.
        radius: radians.
        price: ``source_price`` or ``target_price``.
        seed: of the random centres and moves.
    """
    rng = np.random.default_rng(seed)
    d = measures[0].dimension
    power = 0 if price is source_price else 2

    def prices(centers: np.ndarray) -> np.ndarray:
        return np.max([_charges(mu, centers, radius, power) for mu in measures], axis=0)

    centers = np.concatenate([_behind_facets(np.concatenate([mu.points for mu in measures])), normalize(rng.normal(size=(_TRIES, d)))])
    costs = prices(centers)
    best = np.argsort(costs, kind="stable")[:_STARTS]
    centers, costs = centers[best], costs[best]
    for k in range(_ROUNDS):
        if costs.min() == 0:
            break
        size = radius * 0.75**k / np.sqrt(d)
        moved = normalize(centers[:, None] + size * rng.normal(size=(len(centers), _STEPS, d)))
        found = prices(moved.reshape(-1, d)).reshape(len(centers), -1)
        better = found.min(axis=1) <= costs
        centers[better] = moved[better, found.argmin(axis=1)[better]]
        costs = np.minimum(costs, found.min(axis=1))
    return Cap(centers[costs.argmin()], radius)


def _charges(mu: Empirical, centers: np.ndarray, radius: float, power: int) -> np.ndarray:
    """For each centre c, the sum of w_j (radius - d(x_j, c))^power over the atoms within the radius."""
    charges = np.zeros(len(centers))
    block = max(1, _BLOCK // mu.size)
    for i in range(0, len(centers), block):
        some = centers[i : i + block]
        which, atom = np.nonzero(some @ mu.points.T > np.cos(radius))
        gap = np.maximum(radius - distance(mu.points[atom], some[which]), 0)
        charges[i : i + block] = np.bincount(which, mu.weights[atom] * gap**power, len(some))
    return charges


def _behind_facets(points: np.ndarray) -> np.ndarray:
    """Centres of the largest empty caps, each cut off by a facet of the convex hull; none for d > 4 or where all lie in one hyperplane."""
    from scipy.spatial import ConvexHull, QhullError

    if points.shape[1] > 4:
        return points[:0]
    try:
        facets = ConvexHull(np.unique(points, axis=0)).equations
    except QhullError:
        return points[:0]
    return normalize(facets[np.argsort(-facets[:, -1])[:_FACETS], :-1])


def to_rim(points: Float[np.ndarray, "n d"], cap: Cap) -> Float[np.ndarray, "n d"]:
    """The points, those inside the cap moved to its rim along the geodesic away from the centre (the centre itself: anywhere)."""
    inside = np.asarray(distance(points, cap.center) < cap.radius)
    center = np.broadcast_to(cap.center, points.shape)
    away = log(center, points)
    side = tangent(cap.center, np.eye(cap.center.size)[np.abs(cap.center).argmin()])
    away = normalize(np.where(norm(away) > 1e-12, away, side))
    return np.where(inside[:, None], exp(center, cap.radius * away), points)


def opening(cap: Cap) -> np.ndarray:
    """The boost w that brings everything outside the cap into the standard cap of the opposite hemisphere."""
    w = boost_between_caps(-cap.center, np.pi - cap.radius, -cap.center, RADIUS)
    assert w is not None  # concentric
    return w
