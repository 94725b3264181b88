"""Lemma 3.2: into the open positive orthant."""

import numpy as np

from ...errors import ConditioningError
from ...geometry import distance, enclosing_cap, exp, tangent
from ...measures import Empirical
from .gate import Move, boost_segment, missing_digits, run, unit

# What "inside" means: every coordinate is at least this.
_MARGIN = 0.02
_RADIUS = np.pi / 8
# A boost of a greater rapidity does not leave eight of sixteen digits.
_LONGEST = 18.0


def into_orthant(measures: list[Empirical], *, phase: str = "orthant", seed: int = 0) -> Move:
    """Lemma 3.2. If the supports together miss a point w_0, two perceptron segments carry all of them into the open positive orthant Q.

    Both have V = 0, U = 0, b = 1, so that the field is P_x w with w = W 1, whatever the measure. Segment 1, w = -w_0: everything flees w_0
    into the ball B(-w_0, pi/8). Segment 2, w = alpha in Q: everything into a cap round alpha inside Q. Each ends as soon as that is so, and
    w_0 (in the largest empty cap) and alpha are chosen so that the second is short.

    Args:
        measures: on S^{d-1}.
        phase: name of the segments.
        seed: of the choice of alpha.

    Raises:
        ConditioningError: the supports come so close to every point w_0 that float64 cannot do it.

    References:
        arXiv:2411.04551v3, Lemma 3.2.
    """
    points = np.concatenate([mu.points for mu in measures])
    d = points.shape[1]
    hole = enclosing_cap(points, seed=seed).complement()
    rng = np.random.default_rng(seed)
    candidates = [unit(1 + 0.4 * rng.uniform(-1, 1, d)) for _ in range(32)]
    alpha = min(candidates, key=lambda a: distance(a, -hole.center))
    # w_0 may be any point of the hole: away from alpha, so that -w_0 comes nearer to it
    away = tangent(hole.center, -alpha)
    length = np.linalg.norm(away)
    w0 = exp(hole.center, min(hole.radius / 3, length) * away / length) if length > 1e-9 else hole.center

    segments = []
    for w, done in ((-w0, lambda x: distance(x, -w0).max() <= _RADIUS), (alpha, lambda x: x.min() >= _MARGIN)):
        duration = _shortest(points, w, done)
        if duration > _LONGEST:
            raise ConditioningError(
                f"phase {phase}: the supports leave a hole of radius {hole.radius:.1e} rad only; the boost that closes up the rest needs "
                f"rapidity {duration:.0f}: {missing_digits(np.exp(duration), np.exp(_LONGEST))}; leave out the points of a cap"
            )
        if duration > 0:
            segments.append(boost_segment(w, duration, phase))
            points = run(segments[-1:], [Empirical(points)])[0].points
    return Move(segments, run(segments, measures))


def _shortest(points: np.ndarray, w: np.ndarray, done) -> float:
    """The least duration after which ``done``, to 1 %; points only come closer to w, so that once done is done for ever."""

    def good(t: float) -> bool:
        return bool(done(run([boost_segment(w, t, "")], [Empirical(points)])[0].points))

    if done(points):
        return 0.0
    high = 0.125
    while not good(high) and high < 64:
        high *= 2
    low = 0.0
    while high - low > 0.01 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high
