"""Closed forms: schedules for one Gaussian, for several with the same covariance, and on the line."""

import numpy as np

from ...measures import Gaussian
from ...schedule import Schedule, Segment
from ..meanfield import tilt
from .moves import Move, carry, range_of, reshape, same_range, together, turn
from .obstructions import groups_of, is_zero


def closed_form(start: Gaussian, goal: Gaussian, strength: float | None) -> Schedule | None:
    """The schedule where one is known, None elsewhere.

    At most one segment for a covariance of the same range (none if it is at its goal; two if the range turns; twice as many reshaping ones
    with a strength), and one for a mean, two for several means. In one and two dimensions one segment may do for both, see ``together``.

    Args:
        start, goal: batches (N, d) without an obstruction.
        strength: bound on the tilt of the segments, or None for the fewest segments.
    """
    if start.dimension == 1:
        return _on_the_line(start, goal, strength)
    if len(groups_of(start)) > 1:
        return None
    single = Gaussian(start.mean[0], start.cov[0]), Gaussian(goal.mean[0], goal.cov[0])
    if strength is None and len(start.mean) == 1 and not _still(*single) and (segment := together(*single)) is not None:
        return Schedule([segment])
    return Schedule(same_covariance(start, goal, strength))


def same_covariance(start: Gaussian, goal: Gaussian, strength: float | None) -> list[Segment]:
    """Segments for measures (N, d) of the same covariance: first that, then the means."""
    move = _covariance(start, goal, strength)
    there = [i for i in range(len(start.mean)) if not is_zero(start.mean[i], start.cov[i])]
    if not there:
        return list(move.segments)
    return [*move.segments, *carry(move.map @ start.mean[there].T, goal.mean[there].T)]


def _covariance(start: Gaussian, goal: Gaussian, strength: float | None) -> Move:
    S, T = start.cov[0], goal.cov[0]
    if _still(Gaussian(start.mean[0], S), Gaussian(start.mean[0], T)) or not range_of(S).shape[1]:
        return Move((), np.eye(len(S)))
    build = reshape if same_range(S, T) else turn
    move = build(S, T)
    if strength is None:
        return move
    gain = 1.0
    for _ in range(60):  # a gain divides scores; what it does to the mean in between may ask for more
        move = build(S, T, gain)
        if (found := largest_tilt(start, move.segments)) <= strength:
            return move
        gain *= max(1.05 * found / strength, 1.05)
    return move


def largest_tilt(gaussian: Gaussian, segments) -> float:
    """The largest tilt of measures (N, d) at the ends, and at eight times within, of each segment."""
    from .execution import run

    worst = 0.0
    for segment in segments:
        means, covs, gaussian = run(segment, gaussian, 8, 1e-9)
        A = np.asarray(segment.field.B)
        worst = max([worst, *(tilt(Gaussian(m, S), A) for m, S in zip(_flat(means, 1), _flat(covs, 2), strict=True))])
    return worst


def _on_the_line(start: Gaussian, goal: Gaussian, strength: float | None) -> Schedule | None:
    """What carries one variance and one mean carries all, as ``obstructions`` shows."""
    s, m = start.cov[:, 0, 0], start.mean[:, 0]
    wide = int(np.argmax(s > 0))
    if len(m) == 1 and strength is None and not _still(start, goal) and (segment := together(_one(start, 0), _one(goal, 0))) is not None:
        return Schedule([segment])
    move = Move((), np.eye(1))
    if s[wide] > 0:
        first, last = (Gaussian(g.mean, np.broadcast_to(g.cov[wide], g.cov.shape)) for g in (start, goal))
        move = _covariance(first, last, strength)
    there = np.flatnonzero(m)
    if not len(there):
        return Schedule(move.segments)
    i = int(there[0])
    scale = np.sqrt(goal.cov[i, 0, 0] / s[i]) if s[i] > 0 else 1.0
    wide_scale = np.sqrt(goal.cov[wide, 0, 0] / s[wide]) if s[wide] > 0 else 1.0
    moved = move.map[0, 0] / wide_scale * scale * m[i]
    return Schedule([*move.segments, *carry(np.array([[moved]]), goal.mean[i][:, None])])


def _one(gaussian: Gaussian, i: int) -> Gaussian:
    return Gaussian(gaussian.mean[i], gaussian.cov[i])


def _still(start: Gaussian, goal: Gaussian) -> bool:
    """Whether nothing is left to do for the covariances."""
    return bool(np.linalg.norm(start.cov - goal.cov) <= 1e-13 * np.linalg.norm(goal.cov))


def _flat(values: np.ndarray, axes: int) -> np.ndarray:
    return values.reshape(-1, *values.shape[-axes:])
