"""Staircases: a shear that moves each point by its own displacement and leaves its neighbourhood rigid."""

import numpy as np

from ..fields import TransformerField
from ..geometry import GnomonicChart
from ..schedule import Segment

# A ramp fills the middle half of its gap: heights may be wrong by a quarter of the gap and nothing changes.
RAMP = 0.5


def staircase(
    chart: GnomonicChart, direction: np.ndarray, heights: np.ndarray, displacements: np.ndarray, width: int, phase: str
) -> list[Segment]:
    r"""Segments that move the points at height eta_k = <a, xi_k> by D_k, for all k, where every D_k is orthogonal to a.

    The shear is the function of the height that is constant, equal to D_(k), round each eta_(k) and rises in the middle of the gaps:
    $$ f(\eta) = D_{(1)} + \sum_k \frac{D_{(k+1)} - D_{(k)}}{t_k^+ - t_k^-} \bigl( (\eta - t_k^-)_+ - (\eta - t_k^+)_+ \bigr). $$
    A ramp takes two neurons, with rows $a - t^\pm p$ of U (times <p, x> they are eta - t, so no bias is needed), the constant one, with row
    p. All of them have U W = 0, so they commute and each segment is an exact residual block. Partial sums stay within the range of the D_k:
    after each segment, every point has been displaced by one of the D_k.

    A bump of g + 2 neurons round g points (sharp tents) has knots *at* the points, so that an error e of a height becomes e/gap; the flat
    staircase needs 2 neurons a point, fewer than flat bumps (2 g + 2), and forgets errors of heights.

    Args:
        chart: the gnomonic chart in which all points lie.
        direction: the unit vector a, shape (d-1,).
        heights: distinct, shape (K,).
        displacements: D_k in chart coordinates, shape (K, d-1).
        width: neurons of a segment, at least 2.
        phase: name given to the segments.

    Returns:
        Segments of duration 1: ceil((K - 1 + c)/(width // 2)), c <= 1, of them; none if nothing moves.
    """
    order = np.argsort(heights)
    heights, values = heights[order], displacements[order]
    gaps = np.diff(heights)
    rise = np.diff(values, axis=0)
    rise -= np.outer(rise @ direction, direction)  # differences of close values have lost their orthogonality
    moving = np.flatnonzero(np.any(rise != 0, axis=1))
    left = heights[moving] + gaps[moving] * (1 - RAMP) / 2
    right = heights[moving] + gaps[moving] * (1 + RAMP) / 2
    axis = chart.vectors(direction)
    slopes = chart.vectors(rise[moving] / (right - left)[:, None])

    neurons: list[tuple[np.ndarray, np.ndarray]] = []  # groups (rows of U, columns of W) that must share a segment
    if np.any(values[0] != 0):
        neurons.append((chart.pole[None], chart.vectors(values[0])[:, None]))
    for lo, hi, slope in zip(left, right, slopes, strict=True):
        neurons.append((np.stack([axis - lo * chart.pole, axis - hi * chart.pole]), np.stack([slope, -slope], axis=1)))
    return [_segment(group, chart.pole.size, width, phase) for group in _pack(neurons, width)]


def _pack(neurons, width):
    """Fill segments one after the other with groups of neurons, at most ``width`` in each."""
    groups, used = [], width
    for item in neurons:
        size = len(item[0])
        if used + size > width:
            groups.append([])
            used = 0
        groups[-1].append(item)
        used += size
    return groups


def _segment(group, dimension: int, width: int, phase: str) -> Segment:
    U, W = np.zeros((width, dimension)), np.zeros((dimension, width))
    used = 0
    for rows, columns in group:
        U[used : used + len(rows)], W[:, used : used + len(rows)] = rows, columns
        used += len(rows)
    return Segment(TransformerField(W=W, U=U), 1.0, phase)
