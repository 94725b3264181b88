r"""The circle, d = 2: perceptron flows are homeomorphisms of it, so they keep the cyclic order of all points, whatever their measure.

The theorem excludes d = 2. Where one map of points that keeps the order carries every source to its target, it is done by boosts and, in
the gnomonic chart of a half circle, by ramps.
"""

from collections.abc import Sequence

import numpy as np

from ..errors import ConditioningError
from ..export import Network, ResidualBlock, as_residual_block
from ..fields import TransformerField
from ..geometry import Cap, GnomonicChart
from ..schedule import Schedule, Segment, balance
from .cyclic import Motion, cyclic_places
from .heights import smallest_gap, spread
from .hemisphere import Route, route_between
from .match import Matching, between_boosts, errors_of
from .plan import Attention, Plan, check_options
from .staircase import RAMP
from .task import Pair, distinct_pairs

SLIDE = "slide"
# No ramp fits into a smaller gap of the chart in float64.
_FINEST = 1e-14


def plan_circle(task: Sequence[Pair], *, eps: float, width: int | None = None, horizon: float = 1.0, seed: int = 0) -> Plan:
    r"""One theta for all pairs on the circle, without attention: K - 1 ramps and about 3 boosts for K different points.

    1. ``cyclic_places`` looks for the map of points that keeps the cyclic order and moves them least.
    2. The circle is cut between two neighbours that leave gaps before and after. A boost, or two, brings the points into a cap of a half
       circle; one or two lead from there to the places.
    3. In the chart the points xi_1 < ... < xi_K have to go to zeta_1 < ... < zeta_K (``slide``).

    Places that coincide are moved apart by the least change that leaves a gap, at the cost of eps/3 at most.

    Args:
        task: from ``make_task``, d = 2.
        eps, horizon, seed: as in ``plan_compact``; nothing here is random.
        width: neurons of a segment; two of them work.

    Raises:
        InputError: an argument is out of range, or the points would have to cross; the message names the first two that would.
        ConditioningError: float64 cannot execute the schedule to within eps.
    """
    width = check_options(2, eps=eps, width=width, horizon=horizon)
    pairs = distinct_pairs(task)
    motion = cyclic_places(pairs)
    way = _route(motion)
    chart = GnomonicChart(way.pole)
    xi = chart.coordinates(way.enter(motion.points))[:, 0]
    zeta = chart.coordinates(way.leave_inverse(motion.places))[:, 0]
    axis = chart.vectors(np.ones(1))
    if len(xi) > 1 and xi[0] > xi[-1]:
        xi, zeta, axis = -xi, -zeta, -axis
    zeta = np.maximum.accumulate(zeta)  # equal places may have lost their order to rounding
    matching = _match(way, axis, xi, zeta, motion, pairs, width, eps)
    notes = () if matching.spread == 0 else (
        f"places were moved apart to gaps of {matching.spread:.1e} in the chart, because some coincide or are too close for float64",
    )  # fmt: skip
    network = Network(tuple(map(_as_block, matching.segments)))
    none = Attention(0.0, 0.0)
    return Plan(balance(Schedule(matching.segments), horizon), network, none, matching, none, matching, notes)


def _route(motion: Motion) -> Route:
    """Boosts between the arcs of points and of places, both cut at the gap where the motion begins."""
    return route_between(_arc(motion.points), _arc(motion.places))


def _arc(points: np.ndarray) -> Cap:
    """The arc from the first point counter-clockwise to the last."""
    start, end = (np.arctan2(*x[::-1]) for x in (points[0], points[-1]))
    length = (end - start) % (2 * np.pi)
    middle = start + length / 2
    return Cap(np.array([np.cos(middle), np.sin(middle)]), length / 2)


def _match(way: Route, axis, xi, zeta, motion: Motion, pairs: list[Pair], width: int, eps: float) -> Matching:
    """The matching with the widest forced gap that is within eps/3, none if the places are far enough apart."""
    points, weights = [p.source.points for p in pairs], [p.source.weights for p in pairs]
    source, natural = (float(np.diff(z).min(initial=np.inf)) for z in (xi, zeta))
    attempts = [0.0] if natural > _FINEST else []
    attempts += [gap for k in range(1, 12) if (gap := min(eps, 4e-3) / 4.0**k) > _FINEST]
    if source <= _FINEST or not attempts:
        missing = np.log10(_FINEST / max(min(source, natural), 1e-17))
        raise ConditioningError(
            f"phase {SLIDE}: two points or places lie only {min(source, natural):.1e} apart in the chart, and float64 resolves "
            f"{_FINEST:.0e} at best: {missing:.1f} digits are missing; raise eps or move them apart"
        )
    best: Matching | None = None
    for gap in attempts:
        apart = zeta if gap == 0 else spread(zeta, gap)
        segments = between_boosts(way, slide(way.pole, axis, xi, apart, width), width)
        errors = errors_of(segments, points, motion.wanted, weights)
        order = [np.arange(len(x)) for x in points]
        if best is None or errors.max() < best.errors.max():
            best = Matching(segments, source, smallest_gap(apart), gap, order, errors)
        if errors.max() <= (eps / 10 if gap == 0 else eps / 3):
            break
    assert best is not None
    if (worst := best.errors.max()) > eps:
        label, gap = pairs[int(best.errors.argmax())].label, min(best.source_gap, best.target_gap)
        raise ConditioningError(
            f"phase {SLIDE}: two points lie only {gap:.1e} apart in the chart, and float64 rounding then moves measure {label!r} by "
            f"{worst:.1e} rad where {eps:g} is allowed: {np.log10(worst / eps):.1f} digits are missing; raise eps or thin the clouds"
        )
    return best


def slide(pole: np.ndarray, axis: np.ndarray, xi: np.ndarray, zeta: np.ndarray, width: int) -> list[Segment]:
    r"""Segments that carry xi_1 < ... < xi_K to zeta_1 < ... < zeta_K in the chart $x \mapsto \langle c, x \rangle / \langle p, x \rangle$.

    A translation brings the middle point home. Then, from the middle outwards, one segment for each gap: with t < t' in the gap between a
    point that is home and its outer neighbour,
    $$ \xi' = D\, \frac{(\xi - t)_+ - (\xi - t')_+}{t' - t}, $$
    by which the neighbour and everything beyond it move by D *rigidly*, and all the others rest. The ramp fills the middle half of the
    gap before or after, whichever is smaller, so that no point ever enters it.

    A one-knot map $\xi' = s (\xi - t)_+$ for each gap would do as well, but scales all that is beyond by the ratio of the new gap to the
    old one, and the next one scales back: errors of an integrator grow by that ratio.

    Args:
        pole, axis: orthonormal vectors p and c of R^2.
        xi, zeta: shapes (K,), increasing.
        width: neurons of a segment, at least 2.
    """
    middle = len(xi) // 2
    segments = [_segment(pole[None], (zeta[middle] - xi[middle]) * axis[:, None], width)] if xi[middle] != zeta[middle] else []
    for side in (1, -1):
        x, y = (xi[middle:], zeta[middle:]) if side > 0 else (-xi[middle::-1], -zeta[middle::-1])
        c = side * axis
        for home, before, after in zip(y, np.diff(x), np.diff(y), strict=False):
            if before == after:
                continue
            room = min(before, after)
            low, high = home + room * (1 - RAMP) / 2, home + room * (1 + RAMP) / 2
            slope = (after - before) / (high - low) * c
            segments.append(_segment(np.stack([c - low * pole, c - high * pole]), np.stack([slope, -slope], axis=1), width))
    return segments


def _segment(rows: np.ndarray, columns: np.ndarray, width: int) -> Segment:
    U, W = np.zeros((width, 2)), np.zeros((2, width))
    U[: len(rows)], W[:, : len(rows)] = rows, columns
    return Segment(TransformerField(W=W, U=U), 1.0, SLIDE)


def _as_block(segment: Segment) -> ResidualBlock:
    """The block with the same effect on the points: those beyond a ramp move by D, in one step as in the flow. Only what lies on the ramp
    itself would move differently."""
    if segment.phase == SLIDE:
        return ResidualBlock(W=segment.duration * segment.field.W, U=segment.field.U, phase=SLIDE)
    return as_residual_block(segment)
