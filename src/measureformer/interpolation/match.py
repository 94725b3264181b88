"""Match: two stages of shears that carry K distinct points to K given ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import ConditioningError
from ..flows import flow
from ..geometry import GnomonicChart, distance
from ..measures import Empirical
from ..schedule import Schedule, Segment
from .heights import Direction, best_direction, smallest_gap, spread
from .hemisphere import Route, boost_segment, route
from .staircase import staircase

# A ramp in a gap g has rounding errors of about 1e-16/g, which must stay below g/4: no gap below 2e-8 is safe, and below this one all is
# noise.
_HOPELESS = 1e-10


@dataclass(frozen=True)
class Matching:
    """The common part of schedule and network: boosts, two stages of shears, boosts.

    Attributes:
        segments: in order; phases "boost", "match 1", "match 2", "boost back".
        source_gap, target_gap: smallest gaps of the heights that the two stages tell apart, in chart units.
        spread: the gap that was forced upon the targets' heights (0: none, the matching is exact up to rounding).
        errors: for each measure, the root mean square distance to the places wanted, radians, executed in float64.
    """

    segments: list[Segment]
    source_gap: float
    target_gap: float
    spread: float
    errors: np.ndarray


def match(
    points: Sequence[np.ndarray],
    places: Sequence[np.ndarray],
    weights: Sequence[np.ndarray],
    *,
    width: int,
    eps: float,
    seed: int = 0,
) -> Matching:
    r"""Carry the atoms of all measures to their places, exactly if the places are distinct.

    In the gnomonic chart of a common hemisphere, with unit vectors a and c and D = target - source for each point: stage 1 gates on
    the source heights <a, xi> and moves by the part of D orthogonal to a, after which the heights along c are the targets'; stage 2
    gates on these and moves by what is left, which is orthogonal to c. Atoms of one measure with equal weights may exchange their places:
    they are
    paired in the order of their heights along a and c, which keeps neighbours together and the slopes small.

    Places that coincide (or whose heights lie too close for float64) are moved apart along c: as far apart as keeps the error below eps/3,
    at most by 1e-3.

    Args:
        points: atoms after disentangling, one array (n_i, d) for each measure; distinct over all measures.
        places: where they should go, arrays (n_i, d); may coincide.
        weights: arrays (n_i,).
        width: neurons of a segment.
        eps: the error (radians) that spreading may spend a third of.
        seed: of the search for directions.

    Returns:
        The matching of least error found; exact matchings are preferred.

    Raises:
        ConditioningError: heights too close for float64.
    """
    way = route(np.concatenate(points), np.concatenate(places), seed=seed)
    chart = GnomonicChart(way.pole)
    xi = [chart.coordinates(way.enter(x)) for x in points]
    zeta = [chart.coordinates(way.leave_inverse(y)) for y in places]
    source = best_direction(np.concatenate(xi), seed=seed)
    target = best_direction(np.unique(np.concatenate(zeta), axis=0), across=source.vector, seed=seed + 1)
    zeta, places = _pair(xi, zeta, places, weights, source, target)
    natural = smallest_gap(np.concatenate(zeta) @ target.vector)

    attempts = [0.0] if natural > _HOPELESS else []
    attempts += [gap for k in range(1, 12) if (gap := min(eps, 4e-3) / 4.0**k) > _HOPELESS]
    if source.gap < _HOPELESS or not attempts:
        stage, gap = ("match 1", source.gap) if source.gap < _HOPELESS else ("match 2", natural)
        raise ConditioningError(
            f"phase {stage}: heights of two atoms differ by only {gap:.1e}, and float64 resolves {_HOPELESS:.0e} at best: "
            f"{np.log10(_HOPELESS / max(gap, 1e-17)):.1f} digits are missing; raise eps or move the closest atoms apart"
        )
    best: Matching | None = None
    for gap in attempts:
        segments, reached = _construct(way, chart, np.concatenate(xi), np.concatenate(zeta), source, target, gap, width)
        errors = _errors(segments, points, places, weights)
        if best is None or errors.max() < best.errors.max():
            best = Matching(segments, source.gap, reached, gap, errors)
        if errors.max() <= (eps / 10 if gap == 0 else eps / 3):
            return Matching(segments, source.gap, reached, gap, errors)
    assert best is not None
    return best


def _pair(xi, zeta, places, weights, source: Direction, target: Direction):
    """Permute the places among atoms of equal weight of the same measure: ranks along a to ranks along c."""
    new_zeta, new_places = [], []
    for x, z, y, w in zip(xi, zeta, places, weights, strict=True):
        choice = np.empty(len(x), int)
        for members in _classes(w):
            by_source = members[np.argsort(x[members] @ source.vector, kind="stable")]
            by_target = members[np.argsort(z[members] @ target.vector, kind="stable")]
            choice[by_source] = by_target
        new_zeta.append(z[choice])
        new_places.append(y[choice])
    return new_zeta, new_places


def _classes(weights: np.ndarray) -> list[np.ndarray]:
    """Indices grouped by equal weight (to 1e-12)."""
    _, kind = np.unique(np.round(weights, 12), return_inverse=True)
    return [np.flatnonzero(kind == k) for k in range(kind.max() + 1)]


def _construct(way: Route, chart, xi, zeta, source: Direction, target: Direction, gap: float, width: int):
    a, c = source.vector, target.vector
    heights = zeta @ c
    if gap > 0:
        heights = spread(heights, gap)
        zeta = zeta + (heights - zeta @ c)[:, None] * c
    along = a - (a @ c) * c
    along = along / np.linalg.norm(along)
    whole = zeta - xi
    second = ((whole @ a) / (along @ a))[:, None] * along
    segments = [boost_segment(w, width, "boost") for w in way.inward]
    segments += staircase(chart, a, xi @ a, whole - second, width, "match 1")
    segments += staircase(chart, c, heights, second, width, "match 2")
    segments += [boost_segment(w, width, "boost back") for w in way.outward]
    return segments, smallest_gap(heights)


def _errors(segments, points, places, weights) -> np.ndarray:
    """sqrt(sum_j w_j d(x_j, y_j)^2) of each measure after the segments; boosts and shears do not see the measure, so all go together."""
    everything = Empirical(np.concatenate(points))
    final = flow(Schedule(segments), [everything]).measures[0].points
    split = np.split(final, np.cumsum([len(x) for x in points])[:-1])
    return np.array([np.sqrt(w @ distance(x, y) ** 2) for x, y, w in zip(split, places, weights, strict=True)])
