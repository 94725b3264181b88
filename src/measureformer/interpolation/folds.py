"""Folds: a shear that moves each point by its own displacement with as few neurons as possible, one for each bend of a broken line."""

import numpy as np

from ..geometry import GnomonicChart
from ..schedule import Segment
from .knots import BrokenLine, broken_line
from .staircase import segment_of

# How far (in the chart) points may be thrown between two segments of a stage before more segments are spent on it.
_REACH = 20.0


def folds(
    chart: GnomonicChart,
    direction: np.ndarray,
    heights: np.ndarray,
    displacements: np.ndarray,
    width: int,
    phase: str,
    *,
    along: np.ndarray | None = None,
    steepest: float = np.inf,
) -> list[Segment]:
    r"""Segments that move the points at height eta_k = <a, xi_k> by D_k, where every D_k is orthogonal to a.

    The shear is a broken line f(eta) through the (eta_k, D_k), see ``broken_line``. With its piece number m, of slope s and zero at tau, as
    the base,
    $$ f(\eta) = s\,(\eta - \tau)_+ - s\,(\tau - \eta)_+ + \sum_{j > m} (s_j - s_{j-1})\,(\eta - t_j)_+
                 + \sum_{j \le m} (s_{j-1} - s_j)\,(t_j - \eta)_+ , $$
    one neuron a knot and one or two for the base, against two neurons a point of ``staircase``. All neurons of the stage commute, so they
    may be cut into segments anywhere; between two segments the points behind the last knot are where the last piece's line leads. Cuts are
    therefore made where lines are level, and a tenth more segments is spent if points would be thrown too far otherwise.

    Args:
        chart, direction, heights, width, phase: see ``staircase``; the width is at least 2.
        displacements: D_k in chart coordinates, shape (K, d-1).
        along: a unit vector that all D_k are multiples of, if there is one: then the line may hold two points a piece.
        steepest: the largest slope at a point (with ``along`` only).

    Returns:
        Segments of duration 1; none if nothing moves.
    """
    if not np.any(displacements):
        return []
    order = np.argsort(heights)
    t, v = heights[order], displacements[order]
    if along is None:
        line, unit = broken_line(t, v - np.outer(v @ direction, direction)), None
    else:
        line, unit = broken_line(t, v @ along, steepest), chart.vectors(along)
    neurons = [neuron for part in _neurons(line, t) for neuron in part]
    axis = chart.vectors(direction)
    segments, start = [], 0
    for stop in _cuts(np.array([throw for *_, throw in neurons]), width):
        rows = [chart.pole if look == 0 else look * (axis - at * chart.pole) for look, at, _, _ in neurons[start:stop]]
        columns = [chart.vectors(slope) if unit is None else slope * unit for _, _, slope, _ in neurons[start:stop]]
        segments.append(segment_of([(np.stack(rows), np.stack(columns, axis=1))], chart.pole.size, width, phase))
        start = stop
    return segments


def _neurons(line: BrokenLine, t: np.ndarray):
    """(base, right, left): neurons (look, position, slope, how far points are thrown if the stage is cut behind it), from the base out."""
    knots, slopes = line.knots, line.slopes
    size = np.abs(slopes) if slopes.ndim == 1 else np.linalg.norm(slopes, axis=1)
    third = len(slopes) // 3
    m = third + int(size[third : len(slopes) - third].argmin())
    at, value, piece = line.anchor
    for j in range(piece, m):  # walk to the base along the line
        value, at = value + slopes[j] * (knots[j] - at), knots[j]
    for j in range(piece, m, -1):
        value, at = value + slopes[j] * (knots[j - 1] - at), knots[j - 1]
    base = _base(at, value, slopes[m], t)
    right = [(1, knots[j], slopes[j + 1] - slopes[j], size[j + 1] * (t[-1] - knots[j])) for j in range(m, len(knots))]
    left = [(-1, knots[j], slopes[j + 1] - slopes[j], size[j] * (knots[j] - t[0])) for j in range(m - 1, -1, -1)]
    return base, right, left


def _base(at: float, value, slope, t: np.ndarray):
    """The neurons of the line through (at, value): a constant one if it is level (vector values are), else those that look away from its
    zero; one of them, if the zero lies off all heights."""
    if not np.any(slope):
        return [(0, 0.0, value, 0.0)] if np.any(value) else []
    zero = at - value / slope
    room = 0.05 * np.ptp(t)
    both = [(1, zero, slope, 0.0), (-1, zero, -slope, 0.0)]
    return both[:1] if zero < t[0] - room else both[1:] if zero > t[-1] + room else both


def _cuts(throws: np.ndarray, width: int) -> list[int]:
    """Where to end the segments: the shortest throws that at most a tenth (and one) more segments than necessary can buy."""
    least, reach = -(-len(throws) // width), _REACH
    while True:
        allowed = throws <= reach
        allowed[-1] = True  # after the last neuron the stage is complete
        stops = _fewest_cuts(allowed, width)
        if stops is not None and len(stops) <= least + max(1, least // 10):
            return stops
        reach *= 2


def _fewest_cuts(allowed: np.ndarray, width: int) -> list[int] | None:
    """The ends of the fewest runs of at most ``width`` neurons that end where it is allowed; None if there are no such runs."""
    stops, start = [], 0
    while start < len(allowed):
        ends = np.flatnonzero(allowed[start : start + width])
        if not ends.size:
            return None
        start += int(ends[-1]) + 1
        stops.append(start)
    return stops
