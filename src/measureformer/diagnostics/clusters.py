"""Clusters: connected components of the tokens at an angle, their masses, and how long each of them lives."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from .._types import Array
from ..errors import InputError
from ..geometry import norm
from .cells import components_of_many

# Coordinates of differences held at a time.
_BLOCK = 2**21
_MANY = 5000  # points, from which on a search tree is faster


@dataclass(frozen=True)
class Clusters:
    """The components of one measure, numbered in the order of their first tokens.

    ``labels`` (n,) says which component a token is in; ``masses`` (k,) are the weights of the components; ``centers`` (k, d) their weighted
    means, normalised (NaN where that mean is zero).
    """

    labels: np.ndarray
    masses: np.ndarray
    centers: np.ndarray

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
    no component has yet: O(n^2) at worst, O(n k) for k tight clusters, O(n) memory. Thousands of tokens go by cells and a search tree.

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
    """Labels of the connected components of {|x_i - x_j| <= reach}, numbered in the order of their first points."""
    n, d = points.shape
    if n >= _MANY and reach > 0:
        return components_of_many(points, reach)
    labels, free, label = np.full(n, -1), np.arange(n), 0
    while free.size:
        frontier, free = free[:1], free[1:]
        labels[frontier] = label
        while frontier.size and free.size:
            step = max(1, _BLOCK // (free.size * d))
            here, frontier = frontier[:step], frontier[step:]
            near = (norm(points[here, None] - points[free])[..., 0] <= reach).any(axis=0)
            labels[free[near]] = label
            frontier, free = np.concatenate([frontier, free[near]]), free[~near]
        label += 1
    return labels


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
