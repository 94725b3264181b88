"""Thread: the gathered measures are spun into one line of the chart, cut into slabs, and the slabs carried to their places."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from ..export import AttentionLayer
from ..flows import boost, flow
from ..geometry import GnomonicChart, distance
from ..measures import Empirical
from ..schedule import Schedule, Segment
from ..transport import Quantisation
from .bend import bend
from .gather import NARROW, Gathered, gather, recentre
from .give_up import CLEAR, opening
from .heights import best_direction, smallest_gap, spread
from .hemisphere import Route, boost_segment, concentric_route, route
from .hinge import hinges
from .match import Matching
from .plan import Attention
from .slabs import Slabs, cut, cut_ends
from .staircase import staircase
from .task import Pair

# The thread lies in [-_HALF, _HALF] along c; between two measures there is so much room, relative to the longest of them.
_HALF, _PAD = 1.5, 0.5
# The mass of a density that falls into the cuts goes astray. Cuts are so narrow that this costs at most such a part of eps.
_ASTRAY = 0.3
# Cuts in narrower gaps are not safe in float64, nor for an integrator at 1e-10.
_NARROWEST = 2e-8
# No more room than this is sought for a cut by leaving atoms to the next slab.
_ROOM = 1e-5
# Gaps between the heights of places, relative to range/(M - 1), that are tried, and how far (relative to eps) they may move places.
_GAPS, _MOVED = (0.5, 0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 0.0), 0.1
# Contracted directions keep so much of eps, and of the smallest gap.
_FLAT = 1e-3
_DIRECTIONS = 16
# Means of samples that are known to a larger part of their distance only are too close.
DOUBT = 0.1
# The schedule is executed on so many atoms of each measure to measure its errors.
_SAMPLE = 2000


@dataclass(frozen=True)
class Thread:
    """All the steps from the sources to the targets.

    Attributes:
        steps: segments and, for the network, attention layers, in order.
        attention: how much of it gathers the measures.
        matching: the segments that are not attention, gaps and errors; ``errors`` are W_2 to the targets, quantisation included.
        slabs: of each measure.
        doubt: see ``Gathered``.
    """

    steps: list[Segment | AttentionLayer]
    attention: Attention
    matching: Matching
    slabs: list[Slabs]
    doubt: float


def spin(
    pairs: Sequence[Pair], cells: Sequence[Quantisation], *, eps: float, width: int, layers: bool = False, seed: int = 0
) -> Thread | None:
    """The steps that carry every source to its target; see ``cells.plan_cells`` for what they are.

    Args:
        pairs: with different sources.
        cells: a quantisation of each target ``within_reach``.
        eps: W_2 allowed, radians: sets how far directions are contracted and places moved apart.
        width: neurons of a segment.
        layers: attention layers (for the network) instead of attention segments.
        seed: of the directions.

    Returns:
        None if the measures cannot be gathered or some cut would be too narrow for float64.
    """
    kept = [p.kept for p in pairs]
    alone = all(q.measure.size == 1 for q in cells)
    # whole measures need no proportions, and the shortest way will do
    start, entered, way = _enter(pairs, kept, cells, width, route if alone else concentric_route, seed)
    chart = GnomonicChart(way.pole)
    options = {"width": width, "layers": layers, "smallest": eps / 8 if alone else np.inf, "seed": seed}
    gathered = gather(entered, kept, chart, **options)
    sampled = any(q.error for q in cells)
    if gathered is None or (sampled and gathered.doubt > DOUBT):  # means are equal, or nearly so: a bend makes them different
        bent = bend(entered, kept, chart, width=width, seed=seed)
        folded = flow(Schedule(bent), entered).measures
        other = gather(folded, kept, chart, **options)
        if other is not None and (gathered is None or other.doubt < gathered.doubt):
            gathered, start, entered = other, [*start, *bent], folded
    if gathered is None:
        return None
    if alone:  # a slab is a whole measure, and attention has made it as small as it has to be
        along, points, steps = gathered.across, gathered.points, gathered.steps
    else:
        along = _along(gathered, pairs, kept, chart, cells, seed)
        more, points = recentre(gathered, entered, chart, along, layers=layers) if len(pairs) > 1 else ([], gathered.points)
        steps = [*gathered.steps, *more]
    sources = [Empirical(p.source.points[k], p.source.weights[k]) for p, k in zip(pairs, kept, strict=True)]
    spun = [mu.moved(x[k]) for mu, x, k in zip(sources, points, kept, strict=True)]
    before: list[Segment] = []
    if not alone:
        before, spun = _spun(spun, chart, gathered.across, along, eps, width)

    zeta = [chart.coordinates(way.leave_inverse(q.measure.points)) for q in cells]
    gate = _gate(np.concatenate(zeta), along, seed)
    widest = 2 * _HALF * (_ASTRAY * eps) ** 2 / sum(q.measure.size for q in cells) if sampled else np.inf
    room = min(max(2 * widest, 4 * _NARROWEST), _ROOM) if sampled else 4 * _NARROWEST
    slabs = [
        cut(mu, chart.coordinates(x.points) @ along, p.within_reach, q, np.argsort(z @ gate, kind="stable"), gap=room, seed=seed)
        for mu, x, p, q, z in zip(sources, spun, pairs, cells, zeta, strict=True)
    ]
    found = _place(chart, way, slabs, spun, along, gate, alone, eps, width, widest)
    if found is None:
        return None
    matched, gaps, forced = found
    outward = [boost_segment(w, width, "boost back") for w in way.outward]
    errors = _errors([*matched, *outward], spun, slabs)
    order = [_piece_of(s, mu.size) for s, mu in zip(slabs, sources, strict=True)]
    everything = [*start, *steps, *before, *matched, *outward]
    matching = Matching([s for s in everything if isinstance(s, Segment)], gaps[0], gaps[1], forced, order, errors)
    return Thread(everything, Attention(0.0, gathered.amount), matching, slabs, gathered.doubt)


def _enter(
    pairs: Sequence[Pair], kept: list[np.ndarray], cells: Sequence[Quantisation], width: int, find_route: Callable[..., Route], seed: int
) -> tuple[list[Segment], list[Empirical], Route]:
    """Boosts that bring all kept atoms into the standard cap of the route's pole, and all atoms after them."""
    hole = pairs[0].hole
    start = [] if hole is None else [boost_segment(opening(hole), width, CLEAR)]
    opened = flow(Schedule(start), [p.source for p in pairs]).measures
    way = find_route(
        np.concatenate([mu.points[k] for mu, k in zip(opened, kept, strict=True)]),
        np.concatenate([q.measure.points for q in cells]),
        seed=seed,
    )
    start += [boost_segment(w, width, "boost") for w in way.inward]
    return start, [mu.moved(way.enter(mu.points)) for mu in opened], way


def _along(gathered: Gathered, pairs, kept, chart: GnomonicChart, cells: Sequence[Quantisation], seed: int) -> np.ndarray:
    """The direction c, orthogonal to a, along which the narrowest cut is widest, relative to the measure that it cuts."""
    a = gathered.across
    if a.size == 2:
        return np.array([-a[1], a[0]])
    candidates = np.random.default_rng(seed).normal(size=(_DIRECTIONS, a.size))
    xi = [chart.coordinates(x) for x in gathered.points]
    candidates[0] = np.linalg.svd(np.concatenate([x - x.mean(0) for x in xi]) @ (np.eye(a.size) - np.outer(a, a)), full_matrices=False)[2][
        0
    ]
    candidates -= np.outer(candidates @ a, a)
    candidates /= np.linalg.norm(candidates, axis=1, keepdims=True)

    def narrowest(c: np.ndarray) -> float:
        least = np.inf
        for x, pair, k, q in zip(xi, pairs, kept, cells, strict=True):
            order = np.argsort(x @ c)
            h = (x @ c)[order]
            ends = cut_ends(h, np.cumsum(pair.source.weights[k][order]), np.cumsum(q.measure.weights))[:-1]
            ends = ends[(ends > 0) & (ends < len(h))]
            if ends.size:
                least = min(least, float((h[ends] - h[ends - 1]).min()) / max(h[-1] - h[0], 1e-300))
        return least

    return max(candidates, key=narrowest)


def _gate(zeta: np.ndarray, c: np.ndarray, seed: int) -> np.ndarray:
    """The direction e, orthogonal to c, along which the places lie farthest apart."""
    basis = np.linalg.svd(c[None])[2][1:]
    if len(basis) == 1:
        return basis[0]
    return best_direction(np.unique(zeta @ basis.T, axis=0), tries=1024, refined=2, seed=seed).vector @ basis


def _spun(measures: list[Empirical], chart: GnomonicChart, a, c, eps: float, width: int) -> tuple[list[Segment], list[Empirical]]:
    """Unroll along c and flatten everything else: the segments, and the measures after them."""
    xi = [chart.coordinates(mu.points) for mu in measures]
    low, high = (np.array([f(x @ c) for x in xi]) for f in (np.min, np.max))
    spans = np.array([[f(x @ a) for f in (np.min, np.max)] for x in xi])
    order = np.argsort(spans[:, 0])
    room = _PAD * (high - low).max() or 1.0
    starts = np.empty(len(xi))
    starts[order] = np.cumsum([0.0, *((high - low)[order][:-1] + room)])
    length = float((starts + high - low).max()) or 1.0
    shift = starts - length / 2 - low
    narrow = NARROW * float((spans[order][1:, 0] - spans[order][:-1, 1]).min(initial=np.inf))
    unroll = staircase(chart, a, spans, np.outer(shift, c), width, "unroll", widest=narrow) if len(xi) > 1 else []
    middle = 0.0 if len(xi) > 1 else float(low[0] + high[0]) / 2
    widest = max(float(np.abs(x - np.outer(x @ c, c)).max()) for x in xi)
    others = np.linalg.svd(c[None])[2][1:]
    rate = -np.log(max(widest, 1e-6) / (_FLAT * min(eps, 1e-2) * 1e-2))
    flatten = hinges(chart, list(others), [rate] * len(others), width, "flatten")
    if not 1 <= length <= 2 * _HALF:
        flatten += hinges(chart, [c], [np.log(2 * _HALF / length)], width, "flatten", center=middle)
    segments = [*unroll, *flatten]
    return segments, flow(Schedule(segments), measures).measures


def _place(chart: GnomonicChart, way: Route, slabs: list[Slabs], spun: list[Empirical], c, e, alone: bool, eps: float, width: int, widest):
    """Match 1, flatten along c, match 2: the segments, the smallest gaps of both stages, and the gap forced on the places; or None."""
    xi = [chart.coordinates(mu.points) for mu in spun]
    pieces = [(x[r], mu.weights[r]) for x, mu, s in zip(xi, spun, slabs, strict=True) for r in s.rows]
    centers = np.array([w @ x / w.sum() for x, w in pieces])
    spans = np.array([[f(x @ c) for f in (np.min, np.max)] for x, _ in pieces])
    masses = np.array([w.sum() for _, w in pieces])
    places = chart.coordinates(way.leave_inverse(np.concatenate([s.places for s in slabs])))
    zeta, forced = _parted(places, masses, chart, way, e, eps)
    by_height = spans[np.argsort(spans[:, 0])]
    gaps = float((by_height[1:, 0] - by_height[:-1, 1]).min(initial=np.inf)), smallest_gap(zeta @ e)
    if min(gaps) < _NARROWEST:
        return None
    whole = zeta - centers
    first = whole - np.outer(whole @ c, c)
    segments = staircase(chart, c, spans, first, width, "match 1", widest=widest)
    rate = 0.0 if alone else -np.log(2 * _HALF / (_FLAT * min(eps, 1e-2)))
    if not alone:  # whole measures are small enough already
        segments += hinges(chart, [c], [rate], width, "flatten")
    offsets = np.array([[f((x - m) @ e) for f in (np.min, np.max)] for (x, _), m in zip(pieces, centers, strict=True)])
    last = zeta @ c - np.exp(rate) * (centers @ c)
    segments += staircase(chart, e, (zeta @ e)[:, None] + offsets, np.outer(last, c), width, "match 2")
    return segments, gaps, forced


def _parted(zeta: np.ndarray, masses: np.ndarray, chart: GnomonicChart, way: Route, e: np.ndarray, eps: float) -> tuple[np.ndarray, float]:
    """The places, with as wide gaps between their heights along e as moving them by a tenth of eps allows (root mean square)."""
    heights = zeta @ e
    at = _outside(chart, way, zeta)
    parted, gap = zeta, 0.0
    for fraction in _GAPS:
        gap = fraction * float(np.ptp(heights)) / max(len(heights) - 1, 1)
        parted = zeta + np.outer(spread(heights, gap) - heights, e) if gap else zeta
        if gap == 0 or masses @ distance(_outside(chart, way, parted), at) ** 2 / masses.sum() <= (_MOVED * eps) ** 2:
            break
    return parted, gap


def _outside(chart: GnomonicChart, way: Route, zeta: np.ndarray) -> np.ndarray:
    """Where places of the chart are after the boosts back."""
    x = chart.points(zeta)
    for w in way.outward:
        x = boost(x, w)
    return x


def _errors(segments: list[Segment], spun: list[Empirical], slabs: list[Slabs]) -> np.ndarray:
    """W_2 to the targets: the error of the slabs at their places, and how far from these the atoms of a sample end."""
    errors = []
    for mu, s in zip(spun, slabs, strict=True):
        piece = _piece_of(s, mu.size)
        rows = np.unique(np.linspace(0, mu.size - 1, min(mu.size, _SAMPLE)).astype(int))
        final = flow(Schedule(segments), [Empirical(mu.points[rows], mu.weights[rows])]).measures[0]
        off = float(np.sqrt(final.weights @ distance(final.points, s.places[piece[rows]]) ** 2))
        errors.append(s.error + off)
    return np.array(errors)


def _piece_of(slabs: Slabs, n: int) -> np.ndarray:
    """The index of the slab of each atom."""
    piece = np.empty(n, int)
    for k, rows in enumerate(slabs.rows):
        piece[rows] = k
    return piece
