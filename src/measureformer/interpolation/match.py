"""Match: two stages of shears that carry K distinct points to K given ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .._brief import brief
from ..errors import ConditioningError
from ..flows import flow
from ..geometry import GnomonicChart, distance
from ..measures import Empirical
from ..schedule import Schedule, Segment
from .heights import Direction, best_direction, smallest_gap, spread
from .hemisphere import Route, boost_segment, route
from .staircase import staircase

# A ramp in a gap g has rounding errors of about 1e-16/g, which must stay below g/4: no gap below 2e-8 is safe; below this one all is noise.
HOPELESS = 1e-10


@dataclass(frozen=True)
class Matching:
    """The common part of schedule and network: boosts, two stages of shears, boosts.

    Attributes:
        segments: in order; phases "boost", ("loosen",) "match 1", "match 2", ("settle",) "boost back".
        source_gap, target_gap: smallest gaps of the heights that the two stages tell apart, in chart units.
        spread: the gap that was forced upon the targets' heights (0: none, the matching is exact up to rounding).
        order: for each measure, the row of the place that each atom goes to.
        errors: for each measure, the root mean square distance to the places wanted, radians, executed in float64.
    """

    segments: list[Segment]
    source_gap: float
    target_gap: float
    spread: float
    order: list[np.ndarray]
    errors: np.ndarray
    __repr__ = brief


def match(
    points: Sequence[np.ndarray],
    places: Sequence[np.ndarray],
    weights: Sequence[np.ndarray],
    *,
    width: int,
    eps: float,
    loosen: float = 0.0,
    seed: int = 0,
) -> Matching:
    r"""Carry the atoms of all measures to their places, exactly if the places are distinct.

    In the gnomonic chart of a common hemisphere, with unit vectors a and c and D = target - source for each point: stage 1 gates on
    the source heights <a, xi> and moves by the part of D orthogonal to a, after which the heights along c are the targets'; stage 2
    gates on these and moves by what is left, which is orthogonal to c. Atoms of one measure with equal weights may exchange their places:
    they are paired in the order of their heights along a and c, which keeps neighbours together and the slopes small.

    Places that coincide (or whose heights lie too close for float64) are moved apart along c: as far apart as keeps the error below eps/3,
    at most by 1e-3.

    Slopes are displacement/gap, and the best direction leaves gaps of order 1/K^2. With ``loosen`` = q > 0 a shear before moves the source
    heights, and one afterwards the target heights, *by little*, so that the two stages see gaps of q (range)/(K - 1): then all four slopes
    are of order K, not K^2, and a few hundred atoms can be matched in float32. It doubles the number of segments.

    Args:
        points: atoms after disentangling, one array (n_i, d) for each measure; distinct over all measures.
        places: where they should go, arrays (n_i, d); may coincide.
        weights: arrays (n_i,).
        width: neurons of a segment.
        eps: the error (radians) that spreading may spend a third of.
        loosen: 0, or the fraction q of the mean gap that the two stages shall see at least.
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
    order = pair_by_rank(xi, zeta, weights, source, target)
    zeta, places = [z[k] for z, k in zip(zeta, order, strict=True)], [y[k] for y, k in zip(places, order, strict=True)]
    natural = smallest_gap(np.concatenate(zeta) @ target.vector)

    attempts = [0.0] if natural > HOPELESS else []
    attempts += [gap for k in range(1, 12) if (gap := min(eps, 4e-3) / 4.0**k) > HOPELESS]
    if source.gap < HOPELESS or not attempts:
        stage, gap = ("match 1", source.gap) if source.gap < HOPELESS else ("match 2", natural)
        raise ConditioningError(
            f"phase {stage}: heights of two atoms differ by only {gap:.1e}, and float64 resolves {HOPELESS:.0e} at best: "
            f"{np.log10(HOPELESS / max(gap, 1e-17)):.1f} digits are missing; raise eps or move the closest atoms apart"
        )
    best: Matching | None = None
    for gap in attempts:
        apart = moved_apart(np.concatenate(zeta), target.vector, gap)
        shears = _shears(chart, np.concatenate(xi), apart, source.vector, target.vector, loosen, width, seed)
        segments = between_boosts(way, shears, width)
        reached = smallest_gap(apart @ target.vector)
        errors = errors_of(segments, points, places, weights)
        if best is None or errors.max() < best.errors.max():
            best = Matching(segments, source.gap, reached, gap, order, errors)
        if errors.max() <= (eps / 10 if gap == 0 else eps / 3):
            return Matching(segments, source.gap, reached, gap, order, errors)
    assert best is not None
    return best


def pair_by_rank(xi, zeta, weights, source: Direction, target: Direction) -> list[np.ndarray]:
    """Which place each atom gets: ranks along a to ranks along c, among atoms of equal weight of the same measure."""
    order = []
    for x, z, w in zip(xi, zeta, weights, strict=True):
        choice = np.empty(len(x), int)
        for members in classes_of(w):
            by_source = members[np.argsort(x[members] @ source.vector, kind="stable")]
            choice[by_source] = members[np.argsort(z[members] @ target.vector, kind="stable")]
        order.append(choice)
    return order


def classes_of(weights: np.ndarray) -> list[np.ndarray]:
    """Indices grouped by equal weight (to 1e-12)."""
    _, kind = np.unique(np.round(weights, 12), return_inverse=True)
    return [np.flatnonzero(kind == k) for k in range(kind.max() + 1)]


def moved_apart(zeta: np.ndarray, c: np.ndarray, gap: float) -> np.ndarray:
    """The places, moved along c by the least change that leaves the gap between their heights."""
    if gap == 0:
        return zeta
    return zeta + np.outer(spread(zeta @ c, gap) - zeta @ c, c)


def _shears(chart: GnomonicChart, xi, zeta, a, c, loosen: float, width: int, seed: int) -> list[Segment]:
    """The stages that carry xi to zeta: gates along a, then along c; with ``loosen``, one more before and one more after."""
    before, after = [], []
    if loosen > 0 and len(xi) > 1:
        gate = best_direction(xi, across=a, seed=seed + 2).vector
        shift = _loosened(xi, a, gate, loosen)
        before = staircase(chart, gate, xi @ gate, shift, width, "loosen")
        xi = xi + shift
        gate = best_direction(zeta, across=c, seed=seed + 3).vector
        shift = _loosened(zeta, c, gate, loosen)
        after = staircase(chart, gate, zeta @ gate, -shift, width, "settle")
        zeta = zeta + shift
    return [*before, *two_stages(chart, a, c, zeta - xi, xi @ a, zeta @ c, width), *after]


def two_stages(chart: GnomonicChart, a, c, whole: np.ndarray, heights: np.ndarray, later: np.ndarray, width: int) -> list[Segment]:
    """Move by ``whole`` (K, d-1): gates on the heights along a move what is orthogonal to a, then gates on the heights along c the rest.

    ``heights`` and ``later`` are the heights along a at the beginning and along c in between, or intervals of them (see ``staircase``).
    """
    along = across(a, c)
    second = np.outer((whole @ a) / (along @ a), along)
    first = staircase(chart, a, heights, whole - second, width, "match 1")
    return [*first, *staircase(chart, c, later, second, width, "match 2")]


def between_boosts(way: Route, shears: list[Segment], width: int) -> list[Segment]:
    """Boosts into the hemisphere, the shears, boosts out to the targets."""
    inward = (boost_segment(w, width, "boost") for w in way.inward)
    return [*inward, *shears, *(boost_segment(w, width, "boost back") for w in way.outward)]


def _loosened(points: np.ndarray, direction: np.ndarray, gate: np.ndarray, fraction: float) -> np.ndarray:
    """Displacements orthogonal to the gate that leave gaps of fraction * range/(K - 1) between the heights along the direction."""
    heights = points @ direction
    change = spread(heights, fraction * np.ptp(heights) / (len(points) - 1)) - heights
    along = across(direction, gate)
    return np.outer(change / (along @ direction), along)


def across(a: np.ndarray, c: np.ndarray) -> np.ndarray:
    """The unit vector along the part of a that is orthogonal to c."""
    along = a - (a @ c) * c
    return along / np.linalg.norm(along)


def errors_of(segments, points, places, weights) -> np.ndarray:
    """sqrt(sum_j w_j d(x_j, y_j)^2) of each measure after the segments; boosts and shears do not see the measure, so all go together."""
    everything = Empirical(np.concatenate(points))
    final = flow(Schedule(segments), [everything]).measures[0].points
    split = np.split(final, np.cumsum([len(x) for x in points])[:-1])
    return np.array([np.sqrt(w @ distance(x, y) ** 2) for x, y, w in zip(split, places, weights, strict=True)])
