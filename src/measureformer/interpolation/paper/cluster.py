"""Proposition 2.1: attention gathers a measure in a point."""

import numpy as np

from ...errors import ConditioningError
from ...fields import TransformerField
from ...geometry import distance
from ...measures import Empirical
from ...schedule import Segment
from .gate import Move, missing_digits, run, unit

_LONGEST = 64.0


def spread(mu: Empirical) -> float:
    """The largest distance of an atom to the direction of the mean, radians; pi if the mean is zero."""
    if np.linalg.norm(mu.mean()) < 1e-14:
        return float(np.pi)
    return float(distance(mu.points, unit(mu.mean())).max())


def cluster(measures: list[Empirical], radius: float, *, phase: str = "cluster") -> Move:
    r"""Proposition 2.1. V = I, B = 0, W = 0, each support in an open hemisphere: every geodesic hull shrinks to one point, exponentially in
    time. One segment, ended as soon as every support lies within ``radius`` of the direction of its mean; time O(log 1/radius).

    Args:
        measures: each in an open hemisphere.
        radius: radians.
        phase: name of the segment.

    Raises:
        ConditioningError: a support is not (numerically) in an open hemisphere.

    References:
        arXiv:2411.04551v3, Proposition 2.1.
    """
    moved, duration, step = measures, 0.0, 0.5
    V = np.eye(measures[0].dimension)
    while max(map(spread, moved)) > radius and duration < _LONGEST:
        moved = run([Segment(TransformerField(V=V), step, phase)], moved)
        duration += step
    if duration == 0:
        return Move([], measures)
    if (reached := max(map(spread, moved))) > radius:
        raise ConditioningError(
            f"phase {phase}: attention has not gathered a measure within {radius:.1e} rad by time {duration:g}: "
            f"{missing_digits(reached, radius)}; its support must lie in an open hemisphere"
        )
    segments = [Segment(TransformerField(V=V), duration, phase)]
    return Move(segments, run(segments, measures))
