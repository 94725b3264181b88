"""Staircases: a shear that moves each point by its own displacement and leaves its neighbourhood rigid."""

import numpy as np

from ..fields import TransformerField
from ..geometry import GnomonicChart
from ..schedule import Segment

# A ramp fills the middle half of its gap: heights may be wrong by a quarter of the gap and nothing changes.
RAMP = 0.5


def staircase(
    chart: GnomonicChart,
    direction: np.ndarray,
    heights: np.ndarray,
    displacements: np.ndarray,
    width: int,
    phase: str,
    *,
    widest: float = np.inf,
) -> list[Segment]:
    r"""Segments that move the points at height eta_k = <a, xi_k> by D_k, for all k, where every D_k is orthogonal to a.

    The shear is the function of the height that is constant, equal to D_(k), round each eta_(k) and rises in the middle of the gaps. With
    ramps $r_k^\pm(\eta) = \bigl( (\pm(\eta - t_k))_+ - (\pm(\eta - t'_k))_+ \bigr) / |t'_k - t_k|$ that look away from the middle point
    m, and saturate at 1,
    $$ f(\eta) = D_{(m)} + \sum_{k \ge m} (D_{(k+1)} - D_{(k)})\, r_k^+(\eta) + \sum_{k < m} (D_{(k)} - D_{(k+1)})\, r_k^-(\eta). $$
    A ramp takes two neurons, with rows $\pm(a - t p)$ of U (times <p, x> they are eta - t, so no bias is needed), the constant one,
    with row p. All of them have U W = 0, so they commute and each segment is an exact residual block. Ramps run from the middle outwards:
    after each segment every point has been displaced by one of the D_k, and each ramp's rounding errors reach the points behind it only.

    A bump of g + 2 neurons round g points (sharp tents) has knots *at* the points, so that an error e of a height becomes e/gap; the flat
    staircase needs 2 neurons a point, fewer than flat bumps (2 g + 2), and forgets errors of heights.

    Args:
        chart: the gnomonic chart in which all points lie.
        direction: the unit vector a, shape (d-1,).
        heights: distinct, shape (K,); or disjoint intervals [low, high], shape (K, 2), each of which moves rigidly.
        displacements: D_k in chart coordinates, shape (K, d-1).
        width: neurons of a segment, at least 2.
        phase: name given to the segments.
        widest: no ramp is wider than this. Ramps as wide as the gaps allow are best for atoms; where the atoms are samples of a density,
            what lies on a ramp goes astray, and narrow ones are best.

    Returns:
        Segments of duration 1: ceil((K - 1 + c)/(width // 2)), c <= 1, of them; none if nothing moves.
    """
    if heights.ndim == 1:
        heights = np.stack([heights, heights], axis=1)
    order = np.argsort(heights[:, 0])
    heights, values = heights[order], displacements[order]
    gaps = heights[1:, 0] - heights[:-1, 1]
    rise = np.diff(values, axis=0)
    rise -= np.outer(rise @ direction, direction)  # differences of close values have lost their orthogonality
    middle = len(heights) // 2
    axis = chart.vectors(direction)

    neurons: list[tuple[np.ndarray, np.ndarray]] = []  # groups (rows of U, columns of W) that must share a segment
    if np.any(values[middle] != 0):
        neurons.append((chart.pole[None], chart.vectors(values[middle])[:, None]))
    outwards = [*range(middle, len(gaps)), *range(middle - 1, -1, -1)]
    for k in (k for k in outwards if np.any(rise[k] != 0)):
        side = 1.0 if k >= middle else -1.0
        middle_of_gap, half = heights[k, 1] + gaps[k] / 2, min(RAMP * gaps[k], widest) / 2
        low, high = middle_of_gap - half, middle_of_gap + half
        near, far = (low, high) if side > 0 else (high, low)
        slope = chart.vectors(side * rise[k] / (high - low))
        neurons.append((side * np.stack([axis - near * chart.pole, axis - far * chart.pole]), np.stack([slope, -slope], axis=1)))
    return [segment_of(group, chart.pole.size, width, phase) for group in _pack(neurons, width)]


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


def segment_of(group, dimension: int, width: int, phase: str) -> Segment:
    """The segment with these groups of neurons (rows of U, columns of W), the rest of its width idle."""
    U, W = np.zeros((width, dimension)), np.zeros((dimension, width))
    used = 0
    for rows, columns in group:
        U[used : used + len(rows)], W[:, used : used + len(rows)] = rows, columns
        used += len(rows)
    return Segment(TransformerField(W=W, U=U), 1.0, phase)
