"""Clusters: connected components of the tokens at an angle, their masses, and how long each of them lives."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .._brief import brief
from .._types import Array
from ..errors import InputError
from ..geometry import norm
from .cells import components_of_many

# Coordinates of differences held at a time.
_BLOCK = 2**21
# Components that are grown before a tree is built; nearest points that it is asked for, the point itself among them.
_FEW, _NEAREST = 32, 9
# Points from which on cells are worth their price, and dimensions up to which.
_MANY, _FLAT = 2000, 8


@dataclass(frozen=True)
class Clusters:
    """The components of one measure, numbered in the order of their first tokens.

    ``labels`` (n,) says which component a token is in; ``masses`` (k,) are the weights of the components; ``centers`` (k, d) their weighted
    means, normalised (NaN where that mean is zero).
    """

    labels: np.ndarray
    masses: np.ndarray
    centers: np.ndarray
    __repr__ = brief

    @property
    def count(self) -> int:
        """The number of components k."""
        return len(self.masses)


@dataclass(frozen=True)
class Life:
    """A set of tokens that is a component from ``born`` on and not any more at ``died`` (inf if it still is one at the last time).

    Both are among the saved times; the set may have become one at any time since the save before ``born``.
    """

    members: tuple[int, ...]
    mass: float
    born: float
    died: float

    @property
    def span(self) -> float:
        """How long it lives."""
        return self.died - self.born


def clusters(points: Float[Array, "n d"], angle: float, weights: Float[Array, " n"] | None = None) -> Clusters:
    r"""Connected components of the graph that joins tokens with $d_g(x_i, x_j) \le$ ``angle``.

    Unlike the rank of a thresholded Gram matrix it is right when closeness is not transitive. Each token is compared once with those that
    no component has yet, O(n k) for k tight clusters; where there are many clusters, with its neighbours in a tree, O(n log n) for
    scattered tokens. Thousands of tokens in few dimensions go by cells, O(n log n). O(n^2) at worst, O(n) memory.

    Args:
        points: tokens on the sphere (any points of R^d work: their chords are compared with 2 sin(angle / 2)).
        angle: in radians, in [0, pi].
        weights: of the tokens; equal with sum 1 if None.

    Raises:
        InputError: the angle is out of range.

    Example:
        >>> clusters(np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), 0.1).labels
        array([0, 1, 0])
    """
    if not 0 <= angle <= np.pi:
        raise InputError(f"angle must lie in [0, pi] radians, got {angle}; for a cosine c pass arccos(c)")
    points = np.asarray(points)
    n, d = points.shape
    weights = np.full(n, 1 / n) if weights is None else np.asarray(weights)
    labels = components(points, 2 * np.sin(angle / 2))
    k = int(labels.max()) + 1
    masses = np.bincount(labels, weights, k)
    means = np.stack([np.bincount(labels, weights * points[:, axis], k) for axis in range(d)], axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return Clusters(labels, masses, means / norm(means))


def components(points: Float[np.ndarray, "n d"], reach: float) -> Int[np.ndarray, " n"]:
    """Labels of the connected components of {|x_i - x_j| <= reach}, numbered in the order of their first points.

    A few large components are taken off one after the other; many small or thin ones are found with a tree.
    """
    n, d = points.shape
    if n >= _MANY and d <= _FLAT and reach > 0:
        return components_of_many(points, reach)
    labels, free = _grown(points, np.arange(n), reach, _FEW)
    if free.size:
        labels[free] = _FEW + _by_nearest(points[free], reach)
    return _in_order(labels)


def _by_nearest(points: np.ndarray, reach: float) -> np.ndarray:
    """The same from lists of nearest points: a close pair that is in neither point's list joins two points whose lists are full."""
    from scipy.spatial import KDTree

    n = len(points)
    near = KDTree(points).query(points, k=_NEAREST, distance_upper_bound=_strictly_beyond(reach))[1]
    i, j = np.repeat(np.arange(n), _NEAREST), near.ravel()
    i, j = i[j < n], j[j < n]
    close = norm(points[i] - points[j])[:, 0] <= reach
    crowded = np.flatnonzero((near < n).all(-1))
    grown = _grown(points, crowded, reach, n)[0][crowded]
    first = crowded[np.unique(grown, return_index=True)[1]]
    return _connected(n, np.concatenate([i[close], crowded]), np.concatenate([j[close], first[grown]]))


def _connected(n: int, i: np.ndarray, j: np.ndarray) -> np.ndarray:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    return connected_components(coo_array((np.ones(i.size, bool), (i, j)), (n, n)), directed=False)[1]


def _strictly_beyond(reach: float) -> float:
    """A radius in which a tree finds all that is close; its square does not vanish."""
    return max(reach * (1 + 1e-9), 1e-150)


def _grown(points: np.ndarray, free: np.ndarray, reach: float, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Components of the free points, grown from the first of them, ``most`` at most: labels (-1: none), and what is still free."""
    labels, label = np.full(len(points), -1), 0
    while free.size and label < most:
        frontier, free = free[:1], free[1:]
        labels[frontier] = label
        while frontier.size and free.size:
            step = max(1, _BLOCK // (free.size * points.shape[1]))
            here, frontier = frontier[:step], frontier[step:]
            near = (norm(points[here, None] - points[free])[..., 0] <= reach).any(axis=0)
            labels[free[near]] = label
            frontier, free = np.concatenate([frontier, free[near]]), free[~near]
        label += 1
    return labels, free


def _in_order(labels: np.ndarray) -> np.ndarray:
    """The same partition, numbered in the order of first appearance."""
    _, first, label = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(first.size, int)
    rank[np.argsort(first)] = np.arange(first.size)
    return rank[label]


def cluster_lives(
    times: Float[Array, " T"], trajectory: Float[Array, "T n d"], angle: float, weights: Float[Array, " n"] | None = None
) -> list[Life]:
    """The life of each set of tokens that is a component at some saved time, in the order of birth, larger masses first.

    A set that stops being a component and becomes one again has two lives.

    Args:
        times: T increasing times.
        trajectory: tokens at these times.
        angle, weights: as in ``clusters``.
    """
    alive: dict[tuple[int, ...], tuple[float, float]] = {}
    lives: list[Life] = []
    for time, points in zip(np.asarray(times).tolist(), np.asarray(trajectory), strict=True):
        found = clusters(points, angle, weights)
        present = {tuple(np.flatnonzero(found.labels == k).tolist()): float(found.masses[k]) for k in range(found.count)}
        for members in [m for m in alive if m not in present]:
            mass, born = alive.pop(members)
            lives.append(Life(members, mass, born, time))
        for members, mass in present.items():
            alive.setdefault(members, (mass, time))
    lives += [Life(members, mass, born, np.inf) for members, (mass, born) in alive.items()]
    return sorted(lives, key=lambda life: (life.born, -life.mass, life.members))
