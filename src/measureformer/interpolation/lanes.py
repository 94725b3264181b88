"""Lanes: two directions that tell N points apart better than any single one can."""

from typing import NamedTuple

import numpy as np

_DIRECTIONS, _PARTNERS = 256, 4
# Lanes cost segments: they must widen the gaps by this factor.
_WORTH = 1.5


class Lanes(NamedTuple):
    """Points in lanes: cuts between heights along ``across`` separate the lanes, heights along ``along`` the points of a lane.

    Attributes:
        along: unit vector a.
        across: unit vector b, orthogonal to a; None if there is one lane.
        lane: the lane of each point, 0, 1, ... in increasing order of the height along b.
        gap: the smallest gap that is used: between lanes along b, or between points of a lane along a.
    """

    along: np.ndarray
    across: np.ndarray | None
    lane: np.ndarray
    gap: float


def best_lanes(points: np.ndarray, *, seed: int = 0) -> Lanes:
    r"""The two orthogonal directions and the cuts that keep N points farthest apart.

    Along a single direction N points of the plane have gaps of about 1/N^2; cut into lanes first, of about sqrt(N) points each, about 1/N.
    For given directions and a gap g, all cuts of at least g between heights along b are made, which is best for the lanes; g is then as
    large as the heights along a allow.

    Args:
        points: shape (N, D), D >= 2.
        seed: of the directions that are compared.

    Returns:
        The best of the directions; one lane unless several widen the gap by half. The gap is 0 if two points coincide, and infinite for a
        single point.
    """
    count, D = points.shape
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(_DIRECTIONS, D))
    differences = (points[:, None] - points[None])[np.triu_indices(count, 1)]
    directions = np.vstack([directions, differences[np.linalg.norm(differences, axis=1) > 0]])
    directions = directions / np.linalg.norm(directions, axis=1)[:, None]
    gaps = np.diff(np.sort(directions @ points.T, axis=1), axis=1).min(axis=1, initial=np.inf)
    single = Lanes(directions[gaps.argmax()], None, np.zeros(count, int), float(gaps.max()))
    best = single
    for a in directions if count > 2 else ():
        for b in _partners(a, rng):
            lane, gap = _cut(points @ a, points @ b)
            if gap > max(best.gap, _WORTH * single.gap):
                best = Lanes(a, b, lane, gap)
    return best


def _partners(a: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if a.size == 2:
        return np.array([[-a[1], a[0]]])
    b = rng.normal(size=(_PARTNERS, a.size))
    b -= np.outer(b @ a, a)
    return b / np.linalg.norm(b, axis=1)[:, None]


def _cut(along: np.ndarray, across: np.ndarray) -> tuple[np.ndarray, float]:
    """The lane of each point and the smallest gap used, for the best choice of cuts."""
    order = np.argsort(across)
    steps = np.diff(across[order])
    lane, gap = np.zeros(len(order), int), float(np.diff(np.sort(along)).min())
    for least in np.unique(steps)[::-1]:  # more and more cuts
        number = np.empty(len(order), int)
        number[order] = np.concatenate([[0], np.cumsum(steps >= least)])
        within = np.lexsort([along, number])
        inside = np.diff(along[within])[np.diff(number[within]) == 0].min(initial=np.inf)
        if (found := min(float(inside), float(least))) > gap:
            lane, gap = number, found
        if inside >= least:
            break
    return lane, gap
