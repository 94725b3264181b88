"""Lemma 3.3: one measure is isolated from the others, squeezed, and the others come home."""

from collections.abc import Sequence

import numpy as np

from ...errors import ConditioningError
from ...fields import TransformerField
from ...geometry import distance
from ...measures import Empirical
from ...schedule import Segment
from .gate import Gate, Move, missing_digits, run, unit

# Time is spent in such steps; after the last of them float64 has nothing left of what began as a difference of 1e-16.
_STEP, _LONGEST = 0.25, 40.0
# The fraction of the lowest height of measure k below which the other measures have to be, to be told from it.
_OUTSIDE = 0.75


def isolate(measures: list[Empirical], k: int, radius: float, *, literal: bool = False, phase: str = "disentangle", seed: int = 0) -> Move:
    r"""Lemma 3.3. Inside the open positive orthant, if no other mean is colinear with E[mu_k]: 2 (d - 1) + 1 segments at most shrink mu_k
    towards a = E[mu_k]/|E[mu_k]| and leave every other measure where it was.

    1. alpha_1, ..., alpha_{d-1} is an orthonormal basis of E[mu_k]^perp; V = alpha_j alpha_j^T, B = 0, W = 0. Along alpha = alpha_j
       $$ \frac{d}{dt} \langle E, \alpha \rangle = \langle E, \alpha \rangle \Bigl(1 - \int \langle x, \alpha \rangle^2 d\mu\Bigr): $$
       the sign never changes, mu_k does not move, and every measure whose mean has a component along alpha is carried towards alpha
       or -alpha, away from a. A segment ends as soon as those measures have left; it is left out if there are none.
    2. One perceptron segment, open where <a, x> exceeds what the others reach, W 1 = a: mu_k shrinks into the ball B(a, radius).
    3. The attention segments backwards bring the others home.

    The first alpha is chosen so that every other mean has a good component along it, hence the further ones are seldom needed.

    Args:
        measures: on the sphere; all move under the same parameters.
        k: which to isolate.
        radius: of the ball that mu_k shall be in before the others come home, radians.
        literal: the paper's rank-one gate instead of the saturated one.
        phase: name of the segments.
        seed: of the choice of the basis.

    Raises:
        ConditioningError: some mean is (nearly) colinear with that of measure k.

    References:
        arXiv:2411.04551v3, Lemma 3.3.
    """
    a = unit(measures[k].mean())
    lowest = float((measures[k].points @ a).min())
    others = [i for i in range(len(measures)) if i != k]
    outward: list[Segment] = []
    moved = list(measures)

    def inside(clouds: Sequence[Empirical]) -> list[int]:
        return [i for i in others if (clouds[i].points @ a).max() > _OUTSIDE * lowest]

    for alpha in _basis(a, [unit(measures[i].mean()) for i in others], seed):
        todo = [i for i in inside(moved) if abs(moved[i].mean() @ alpha) > np.exp(-_LONGEST / 2)]
        if not todo:
            continue
        duration, clouds = 0.0, moved
        while set(todo) & set(inside(clouds)) and duration < _LONGEST:
            clouds = run([_attention(alpha, _STEP, phase)], clouds)
            duration += _STEP
        if set(todo) & set(inside(clouds)):
            continue
        outward.append(_attention(alpha, duration, phase))
        moved = run(outward[-1:], moved)
    if left := inside(moved):
        angle = min(float(distance(a, unit(measures[i].mean()))) for i in left)
        raise ConditioningError(
            f"phase {phase}: the means of measures {k} and {left[0]} point the same way up to {angle:.1e} rad, too little for attention to "
            f"carry them apart: {missing_digits(1e-8, max(angle, 1e-16))}"
        )
    reach = max([float((moved[i].points @ a).max()) for i in others], default=0.0)
    gate = Gate(a, (2 * reach + lowest) / 3, None if literal else (reach + 2 * lowest) / 3)
    duration = max(gate.travel_time(x, a, radius) for x in moved[k].points)
    squeeze = [gate.segment(a, duration, phase)] if duration > 0 else []
    segments = [*outward, *squeeze, *(s.inverse() for s in reversed(outward))] if squeeze else []
    return Move(segments, run(segments, measures))


def _attention(alpha: np.ndarray, duration: float, phase: str) -> Segment:
    return Segment(TransformerField(V=np.outer(alpha, alpha)), duration, phase)


def _basis(a: np.ndarray, means: list[np.ndarray], seed: int) -> np.ndarray:
    """An orthonormal basis of the complement of a, as rows; the first maximises the least |<mean, alpha>| over random directions."""
    d = a.size
    rng = np.random.default_rng(seed)
    trials = rng.normal(size=(256, d))
    trials -= np.outer(trials @ a, a)
    trials /= np.linalg.norm(trials, axis=1, keepdims=True)
    if means:
        trials = trials[[np.abs(trials @ np.array(means).T).min(axis=1).argmax()]]
    frame = np.linalg.qr(np.column_stack([a, trials[0], rng.normal(size=(d, d - 2))]))[0]
    return frame.T[1:]
