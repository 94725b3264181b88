"""Proposition 3.1: the supports become disjoint."""

from itertools import combinations

import numpy as np

from ...errors import ConditioningError
from ...measures import Empirical
from ...schedule import Segment
from .cluster import spread
from .gate import Move, missing_digits
from .isolate import isolate
from .separate import CLOSE, mean_angle, separate_equal_means

# Each measure shrinks to this fraction of the angle to the nearest other mean: the least squeeze that serves.
_FRACTIONS = (1 / 3, 1 / 6, 1 / 12, 1 / 24, 1 / 48)


def disentangle(measures: list[Empirical], *, literal: bool = False, phase: str = "disentangle", seed: int = 0) -> Move:
    """Proposition 3.1. Different measures in the open positive orthant: N (2 (d - 1) + 1) segments, and up to 2 for every application of
    Lemma 3.4, after which the geodesic hulls of the supports are pairwise disjoint.

    Lemma 3.4 where two means are colinear; then Lemma 3.3 for one measure after the other. It stops as soon as the hulls are disjoint
    (seen from disjoint caps round the means).

    Args:
        measures: in the open positive orthant, pairwise different.
        literal, seed: see ``isolate``.
        phase: name of the segments; those of Lemma 3.4 are called "separate means" in its place.

    Raises:
        ConditioningError: the measures differ too little for float64.

    References:
        arXiv:2411.04551v3, Proposition 3.1.
    """
    start: list[Segment] = []
    moved = list(measures)
    N = len(measures)
    for attempt in range(N - 1):
        colinear = [(i, j) for i, j in combinations(range(N), 2) if mean_angle(moved[i], moved[j]) < CLOSE]
        if not colinear or _overlap(moved) <= 1:
            break
        apart = separate_equal_means(
            moved, *colinear[0], literal=literal, phase=phase.replace("disentangle", "separate means"), seed=seed + attempt
        )
        start, moved = start + apart.segments, apart.measures

    clouds = moved
    for fraction in _FRACTIONS:
        segments, clouds = list(start), moved
        for k in range(N):
            if _overlap(clouds) <= 1:
                break
            angle = min(mean_angle(clouds[k], clouds[i]) for i in range(N) if i != k)
            step = isolate(clouds, k, fraction * angle, literal=literal, phase=phase, seed=seed + k)
            segments, clouds = segments + step.segments, step.measures
        if _overlap(clouds) <= 1:
            return Move(segments, clouds)
    raise ConditioningError(
        f"phase {phase}: caps round the supports still overlap by a factor of {_overlap(clouds):.1e} after the measures were shrunk: "
        f"{missing_digits(_overlap(clouds), 1.0)}"
    )


def _overlap(measures: list[Empirical]) -> float:
    """The largest (r_i + r_j) / (0.9 angle between the means) over all pairs: at most 1 if the caps round the means are disjoint."""
    radius = [spread(mu) for mu in measures]
    pairs = combinations(range(len(measures)), 2)
    ratios = [(radius[i] + radius[j]) / max(0.9 * mean_angle(measures[i], measures[j]), 1e-300) for i, j in pairs]
    return float(np.max(ratios, initial=0.0))
