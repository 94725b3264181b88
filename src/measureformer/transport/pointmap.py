"""The best that one map of points can do for several pairs of measures at once: what a Transformer without attention is limited to."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from .._brief import brief
from ..errors import InputError
from ..measures import Empirical
from .attainable import best_placement
from .cost import atoms, geodesic_cost, same_dimension
from .coupling import MAX_PAIRS, Coupling, common_masses, optimal_coupling, short_coupling
from .frechet import frechet_means
from .grouping import short_ways, whole_groups
from .wasserstein import wasserstein2

_SAME_POINT = 1e-12


@dataclass(frozen=True)
class PointMap:
    """One map of points, the same for every measure.

    Attributes:
        values: W_2 in radians between the image of source i and target i.
        images: the images of the atoms of source i, shape (n_i, d); points shared by sources have equal images.
        method: how it was found: "exact: ..." or "upper bound: ...".
        exact: whether no map of points has a smaller sum of squared values.
    """

    values: list[float]
    images: list[Float[np.ndarray, "_ d"]]
    method: str
    exact: bool
    __repr__ = brief


class _Pair(NamedTuple):
    """A source and its target: the indices of the source's atoms, their masses, the target's atoms and masses, the total mass."""

    point: Int[np.ndarray, " n"]
    a: Float[np.ndarray, " n"]
    y: Float[np.ndarray, "m d"]
    b: Float[np.ndarray, " m"]
    total: float


def best_point_map(sources: Sequence[Empirical], targets: Sequence[Empirical], *, seed: int = 0, starts: int = 8) -> PointMap:
    r"""Minimises $\sum_i W_2(T_\# \mu_i, \nu_i)^2$ over all maps T of points of the sphere.

    Points of different sources that agree to 1e-12 have one image. In this order:

    1. no shared points: each pair by itself (``best_placement``);
    2. two pairs, equal atoms in each source that fill the atoms of its target, K <= 5000 points: a point shared by both serves one atom y
       of the first target and one atom y' of the second, at the best place between them, cost w_1 w_2/(w_1 + w_2) d(y, y')^2; the others
       cost nothing. One linear assignment, exact;
    3. otherwise one pair after the other is coupled anew, given the couplings of the others, and each image is the Frechet mean of all its
       partners, from several starts: an upper bound.

    Args:
        sources: the measures to be moved.
        targets: as many targets.
        seed: of the random starts.
        starts: number of starts of case 3.

    Raises:
        InputError: no sources, other numbers of targets than sources, dimensions that differ, points off the sphere.

    Example:
        >>> point = Empirical(np.eye(3)[:1])
        >>> best = best_point_map([point, point], [point, Empirical(np.eye(3)[1:2])])  # half-way serves both
        >>> [round(value / np.pi, 12) for value in best.values], best.exact
        ([0.25, 0.25], True)
    """
    if not sources or len(sources) != len(targets):
        raise InputError(f"sources and targets must be of one number, at least 1, got {len(sources)} and {len(targets)}")
    for i, (source, target) in enumerate(zip(sources, targets, strict=True)):
        same_dimension(source, target, (f"sources[{i}]", f"targets[{i}]"))
        same_dimension(sources[0], source, ("sources[0]", f"sources[{i}]"))
    clouds = [atoms(source, f"sources[{i}]") for i, source in enumerate(sources)]
    goals = [atoms(target, f"targets[{i}]") for i, target in enumerate(targets)]
    points, names = _identify([cloud for cloud, _ in clouds])
    users = np.bincount(np.concatenate([np.unique(name) for name in names]))
    if users.max() == 1:
        best = [best_placement(source, target, seed=seed) for source, target in zip(sources, targets, strict=True)]
        exact = all(placement.exact for placement in best)
        method = ("exact: " if exact else "upper bound: ") + "no shared points, so each pair by itself"
        return PointMap([placement.value for placement in best], [placement.positions for placement in best], method, exact)
    pairs = [_pair(name, w, y, v) for name, (_, w), (y, v) in zip(names, clouds, goals, strict=True)]
    slots = [slot for slot in map(_slots, pairs) if slot is not None]
    exact = len(pairs) == len(slots) == 2 and len(points) ** 2 <= MAX_PAIRS
    if exact:
        images, method = _two_pairs(points, pairs, slots), "exact: assignment of shared points to pairs of target atoms"
    else:
        images, method = _descend_all(points, pairs, seed, starts), f"upper bound: optimal transport of one pair at a time, {starts} starts"
    moved = [images[name] for name in names]
    values = [wasserstein2(Empirical(z, w), target).value for z, (_, w), target in zip(moved, clouds, targets, strict=True)]
    return PointMap(values, moved, method, exact)


def _slots(pair: _Pair) -> np.ndarray | None:
    """If the atoms of the source are equal and fill every target atom: the target atoms, each as often as it takes an atom."""
    groups = whole_groups(pair.a, pair.b) if np.ptp(pair.a) <= 1e-14 * pair.a[0] else None
    return None if groups is None else pair.y[groups]


def _identify(clouds: list[np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """All different points of the clouds, and for each cloud the indices of its points among them."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import KDTree

    stacked = np.concatenate(clouds)
    unique, inverse = np.unique(stacked, axis=0, return_inverse=True)
    close = KDTree(unique).query_pairs(_SAME_POINT, output_type="ndarray")
    graph = csr_array((np.ones(len(close)), (close[:, 0], close[:, 1])), shape=(len(unique), len(unique)))
    count, component = connected_components(graph, directed=False)
    representative = np.empty(count, int)
    representative[component] = np.arange(len(unique))
    ends = np.cumsum([len(cloud) for cloud in clouds])
    return unique[representative], np.split(component[inverse.reshape(-1)], ends[:-1])


def _two_pairs(points: np.ndarray, pairs: list[_Pair], goals: list[np.ndarray]) -> np.ndarray:
    """Case 2. Of all pairs of places in the two targets exactly as many are chosen as there are shared points; dummies take the rest."""
    from scipy.optimize import linear_sum_assignment

    shared = np.intersect1d(pairs[0].point, pairs[1].point)
    n, m, s = len(goals[0]), len(goals[1]), len(shared)
    cost = np.zeros((n + m - s, m + n - s))
    cost[:n, :m] = geodesic_cost(goals[0], goals[1]) ** 2
    cost[n:, m:] = np.inf
    rows, cols = linear_sum_assignment(cost)
    both = (rows < n) & (cols < m)
    first, second = goals[0][rows[both]], goals[1][cols[both]]
    # Masses 1/n and 1/m: the Frechet mean divides the way from y to y' in the ratio of the other's mass.
    means = frechet_means(
        np.concatenate([first, second]),
        Coupling(np.tile(np.arange(s), 2), np.arange(2 * s), np.repeat([1.0 / n, 1.0 / m], s)),
        s,
    )
    images = points.copy()
    images[shared] = short_ways(points[shared], means.points, np.ones(s))
    for pair, goal, used in zip(pairs, goals, (rows[both], cols[both]), strict=True):
        alone = np.setdiff1d(pair.point, shared)
        if len(alone):
            images[alone] = short_ways(points[alone], np.delete(goal, used, axis=0), np.ones(len(alone)))
    return images


def _pair(name: np.ndarray, w: np.ndarray, y: np.ndarray, v: np.ndarray) -> _Pair:
    """The masses of equal points of the source are added up."""
    used, place = np.unique(name, return_inverse=True)
    a, b, total = common_masses(np.bincount(place, w), v)
    return _Pair(used, a, y, b, total)


def _descend_all(points: np.ndarray, pairs: list[_Pair], seed: int, starts: int) -> np.ndarray:
    """Case 3: the best of several descents; the first starts from where the points are, the others shuffle them."""
    rng = np.random.default_rng(seed)
    best, best_cost = points, np.inf
    for start in range(starts):
        images = points if start == 0 else rng.permutation(points)
        images, cost = _descend(pairs, [short_coupling(images[pair.point], pair.y, pair.a, pair.b) for pair in pairs], len(points))
        if cost < best_cost:
            best, best_cost = images, cost
    return best


def _descend(pairs: list[_Pair], couplings: list[Coupling], count: int) -> tuple[np.ndarray, float]:
    """Couples one pair anew at a time, given the couplings of the others, until nothing improves: the images and their cost."""
    images, cost = _meeting_points(pairs, couplings, count)[:2]
    idle, i = 0, 0
    while idle < len(pairs):
        trial = couplings.copy()
        trial[i] = _coupled_anew(pairs, couplings, i, count)
        new_images, new_cost, _ = _meeting_points(pairs, trial, count)
        idle += 1
        if new_cost < cost * (1 - 1e-12):
            couplings, images, cost, idle = trial, new_images, new_cost, 0
        i = (i + 1) % len(pairs)
    return images, cost


def _coupled_anew(pairs: list[_Pair], couplings: list[Coupling], i: int, count: int) -> Coupling:
    """An optimal coupling of pair i if every point may move again once it is coupled.

    A point that the other pairs hold at z with mass w costs w a/(w + a) d(z, y)^2 when a partner y of mass a joins (exact for one holder,
    to second order for more), and nothing if no other pair holds it. Costs at the present image would tie it to its present partner.
    """
    others = [k for k in range(len(pairs)) if k != i]
    centres, _, weight = _meeting_points([pairs[k] for k in others], [couplings[k] for k in others], count)
    pair = pairs[i]
    share = weight[pair.point] / (weight[pair.point] + pair.a / pair.total)
    return optimal_coupling(share[:, None] * geodesic_cost(centres[pair.point], pair.y) ** 2, pair.a, pair.b)[0]


def _meeting_points(pairs: list[_Pair], couplings: list[Coupling], count: int) -> tuple[np.ndarray, float, np.ndarray]:
    """The Frechet mean of all partners of each point, the sum of squares that it reaches, and the mass that holds each point."""
    ends = np.cumsum([0, *(len(pair.y) for pair in pairs)])
    rows = np.concatenate([pair.point[coupling.rows] for pair, coupling in zip(pairs, couplings, strict=True)])
    cols = np.concatenate([coupling.cols + end for end, coupling in zip(ends[:-1], couplings, strict=True)])
    mass = np.concatenate([coupling.mass / pair.total for pair, coupling in zip(pairs, couplings, strict=True)])
    held, place = np.unique(rows, return_inverse=True)
    means = frechet_means(np.concatenate([pair.y for pair in pairs]), Coupling(place, cols, mass), len(held))
    images = np.tile(pairs[0].y[0], (count, 1))  # for points that no pair holds: they weigh nothing
    images[held] = means.points
    return images, float(means.cost.sum()), np.bincount(rows, mass, count)
