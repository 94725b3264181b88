"""Lemma 3.4: measures whose means point the same way are told apart."""

import numpy as np

from ...errors import ConditioningError
from ...fields import TransformerField
from ...flows import boost
from ...geometry import distance, exp, tangent
from ...measures import Empirical
from ...schedule import Segment
from .gate import NARROWEST, Gate, Move, missing_digits, run, unit

# Means closer than this count as equal, mean directions closer than this (radians) as colinear.
CLOSE = 1e-4
_TRIALS = 400
_RAPIDITY = 2.0


def mean_angle(mu: Empirical, nu: Empirical) -> float:
    """The angle between the two means, radians."""
    return float(distance(unit(mu.mean()), unit(nu.mean())))


def separate_equal_means(
    measures: list[Empirical], i: int, j: int, *, literal: bool = False, phase: str = "separate means", seed: int = 0
) -> Move:
    """Lemma 3.4. Measures i and j differ but their means are equal (part 1) or colinear (part 2): afterwards the means are not colinear.

    * Part 1, one segment: a small ball in which the two masses differ; a perceptron gate that is open in that ball moves what is in it. The
      flow is the identity off the *open ball* (the printed text says: off the hulls of the supports).
    * Part 2, two segments: V = I, B = 0, W = 0 moves the two supports at different speeds, so that some ball then meets one support only;
      then a perceptron segment on that ball.

    Here the ball is round an atom, and no atom lies on its rim, where the saturated gate has its ramp. Of several hundred balls and
    directions the one is taken after which the means of all the measures differ most. Everything stays in the open positive orthant.

    Args:
        measures: in the open positive orthant.
        i, j: the two.
        literal, phase, seed: see ``isolate``.

    Raises:
        ConditioningError: no such ball is left in float64.

    References:
        arXiv:2411.04551v3, Lemma 3.4; the gate is that of Lemma B.2 with U = 1 z^T, b = -cos(R) 1.
    """
    equal = np.linalg.norm(measures[i].mean() - measures[j].mean()) < CLOSE
    first: list[Segment] = []
    if not equal:
        first = [Segment(TransformerField(V=np.eye(measures[0].dimension)), 0.5, phase)]
    moved = run(first, measures) if first else list(measures)
    ball = _best_ball(moved, i, j, literal, phase, seed, alone=not equal)
    segments = [*first, *([ball] if ball else [])]
    final = run(segments, measures) if segments else measures
    reached = mean_angle(final[i], final[j])
    if ball is None or reached < 1e-7:
        raise ConditioningError(
            f"phase {phase}: measures {i} and {j} differ so little that no ball tells their means apart by more than {reached:.1e} rad: "
            f"{missing_digits(CLOSE, max(reached, 1e-16))}"
        )
    return Move(segments, final)


def _best_ball(measures: list[Empirical], i: int, j: int, literal: bool, phase: str, seed: int, alone: bool) -> Segment | None:
    rng = np.random.default_rng(seed)
    points = np.concatenate([mu.points for mu in measures])
    owner = np.repeat(np.arange(len(measures)), [mu.size for mu in measures])
    weights = np.concatenate([mu.weights for mu in measures])
    best, best_score = None, -np.inf
    for _ in range(_TRIALS):
        center = points[rng.choice(np.flatnonzero((owner == i) | (owner == j)))]
        away = distance(points, center)
        radii = np.append(np.unique(away), np.pi / 2)
        cut = rng.integers(min(len(radii) - 1, 4))
        inner, outer = radii[cut], min(radii[cut + 1], np.pi / 2)
        within = away <= inner
        mass = [weights[within & (owner == k)].sum() for k in (i, j)]
        if abs(mass[0] - mass[1]) < 1e-12 or (alone and len(set(owner[within])) > 1):
            continue
        near, far = inner + (outer - inner) / 3, inner + 2 * (outer - inner) / 3
        if np.cos(near) - np.cos(far) < NARROWEST / 3:
            continue
        goal = exp(center, near * unit(tangent(center, rng.normal(size=center.size))))
        if goal.min() <= 0.01:
            continue
        moved = np.where(within[:, None], boost(points, _RAPIDITY * goal), points)
        score = _score(moved, weights, owner)
        if score > best_score:
            gate = Gate(center, np.cos(far), None if literal else np.cos(near))
            best, best_score = gate.segment(goal, _RAPIDITY / float(gate.speed(center)), phase), score
    return best


def _score(points: np.ndarray, weights: np.ndarray, owner: np.ndarray) -> float:
    """The sum over all pairs of the logarithm of the angle between the means; angles beyond 0.1 count as 0.1."""
    means = [unit(weights[owner == k] @ points[owner == k]) for k in range(owner.max() + 1)]
    angles = [float(distance(means[k], means[l])) for k in range(len(means)) for l in range(k)]
    return float(np.log(np.clip(angles, 1e-12, 0.1)).sum())
