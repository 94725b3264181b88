"""One (V, A)(t) of softmax attention that carries Gaussians to Gaussians: reachable, obstructed, or not found."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..._brief import brief
from ...errors import InputError
from ...fields import TransformerField
from ...measures import Gaussian
from ...schedule import Schedule, Segment
from ...transport import bures_wasserstein
from .execution import steered
from .moves import attention
from .obstructions import obstruction
from .plans import closed_form
from .shooting import Control, approach, best_loop, corrected, end_and_jacobian, normalised, orbit_dimension, states_of

ANSWERS = ("reachable", "obstructed", "not found")
_TOLERANCE = 1e-6  # of the end point, relative; then the controls are corrected against the adaptive integrator
_WORTH = 0.9  # of the distance to the goal: a leg that leaves more is not taken
_VAIN = 3  # such legs one after the other: the search starts again from the start
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Steering:
    """The outcome of ``steer``.

    Attributes:
        start, goal: batches (N, d).
        answer: "reachable", "obstructed" or "not found".
        reason: why; a construction, an obstruction, or how far the search came.
        schedule: attention (V, B = A) in R^d, one after the other; None if obstructed. If not found, it comes nearest.
        before, after: W_2 of each pair, after the schedule by the adaptive integrator (before, if there is none).
        orbit: dimension of what can be reached from the start; None where it was not computed (closed forms).
        eps, strength: as asked for.
    """

    start: Gaussian
    goal: Gaussian
    answer: str
    reason: str
    schedule: Schedule | None
    before: tuple[float, ...]
    after: tuple[float, ...]
    orbit: int | None
    eps: float
    strength: float | None
    __repr__ = brief

    @property
    def reachable(self) -> bool:
        """Whether the schedule carries every measure to its goal, within eps."""
        return self.answer == "reachable"


def steer(
    start: Gaussian,
    goal: Gaussian,
    *,
    eps: float = 1e-6,
    strength: float | None = None,
    attempts: int = 24,
    seed: int = 0,
    progress: Progress = lambda what, done, total: None,
) -> Steering:
    r"""Find piecewise-constant (V, A) that carries N(m_0, S_0) to N(m_1, S_1), or several Gaussians at once, under softmax attention:

    $$ m' = V (I + S A) m, \qquad S' = V S A S + S A^\top S V^\top . $$

    One Gaussian reaches another exactly if the ranks of the covariances agree, and either both means are zero or none is (on the line,
    of one sign); in at most three segments, see ``moves``. So do several with equal covariances, and several on the line, where
    ``obstruction`` names no reason. All others are steered numerically (``shooting``): in two and more dimensions, for Gaussians
    of different covariances drawn at random, what can be reached had the full dimension wherever it was computed; that is no proof.

    Args:
        start, goal: one measure each, or batches (N, d) in the same order.
        eps: W_2 that is allowed at the end.
        strength: bound on the tilt $(\operatorname{tr}(S A S A^\top) + m^\top A^\top S A m)^{1/2}$ of the closed forms along the way, so
            that clouds of tokens follow the Gaussians (0.3, say); it costs one or two segments more, and a larger V. None: the fewest
            segments. The numerical search does not know it.
        attempts: legs of the numerical search, each from other random controls.
        seed: of these.
        progress: called with what is done, how much of it, and of how much.

    Returns:
        The outcome; look at ``answer`` and ``reason``.

    Raises:
        InputError: shapes that do not fit; eps or strength that is not positive; attempts < 1.

    Example:
        >>> found = steer(Gaussian([1.0, 0.0], [[1.0, 0.0], [0.0, 1.0]]), Gaussian([0.0, 2.0], [[2.0, 1.0], [1.0, 2.0]]))
        >>> found.answer, len(found.schedule)
        ('reachable', 1)
    """
    start, goal = _checked(start, goal, eps, strength, attempts)
    before = distances(start, goal)

    def outcome(answer: str, reason: str, schedule: Schedule | None, after=before, orbit: int | None = None) -> Steering:
        return Steering(start, goal, answer, reason, schedule, before, after, orbit, eps, strength)

    if reason := obstruction(start, goal):
        return outcome("obstructed", reason, None)
    progress("closed form", 0, 0)
    if (schedule := closed_form(start, goal, strength)) is not None:
        after = distances(steered(schedule, start), goal)
        if max(after, default=0.0) <= eps:
            return outcome("reachable", "in closed form", schedule, after)
        return outcome("not found", f"the closed form misses by rounding: W_2 = {max(after):.3g} > eps = {eps:g}", schedule, after)
    here, there = orbit_dimension(start, seed=seed), orbit_dimension(goal, seed=seed)
    if here != there:
        said = f"what can be reached from the start has dimension {here}, and what reaches the targets {there}"
        why = "motions can be undone, so these would have to agree (ranks found numerically, for random controls)"
        return outcome("obstructed", f"{said}; {why}", None, before, here)
    schedule, after = _search(start, goal, here, attempts, seed, progress)
    if max(after) <= eps:
        return outcome("reachable", f"found numerically; what can be reached has dimension {here}", schedule, after, here)
    reason = f"the search came within W_2 = {max(after):.3g} in {attempts} legs; that proves nothing. Give more attempts, or another seed"
    return outcome("not found", f"{reason}. What can be reached has dimension {here}", schedule, after, here)


def distances(first: Gaussian, second: Gaussian) -> tuple[float, ...]:
    """W_2 of each pair of two batches (N, d)."""
    pairs = zip(first.mean, first.cov, second.mean, second.cov, strict=True)
    return tuple(bures_wasserstein(Gaussian(m, S), Gaussian(n, T)) for m, S, n, T in pairs)


def _search(
    start: Gaussian, goal: Gaussian, orbit: int, attempts: int, seed: int, progress: Progress
) -> tuple[Schedule, tuple[float, ...]]:
    """Legs, each from where the last one came to a halt; the schedule that came nearest, and where it ends."""
    near, far, R = normalised(start, goal)
    aim, d = states_of(far), start.dimension
    segments, rng = 2 * (-(-orbit // (2 * d * d)) + 1), np.random.default_rng(seed)
    now, legs, best, vain, eye = near, [], [], 0, np.eye(d)
    left = nearest = away = _apart(near, aim)
    with np.errstate(all="ignore"):
        for k in range(attempts):
            progress("searching", k, attempts)
            if vain == _VAIN:
                now, legs, left, vain = near, [], away, 0
            vain, x = vain + 1, states_of(now)
            leg = approach(x, aim, best_loop(rng, x, segments, d, orbit), _TOLERANCE)
            try:
                control = _mended(leg.control, now, far) if leg.left <= _TOLERANCE else leg.control
                end = steered(_schedule(control, eye), now)
            except InputError:  # a blow-up between the steps of fixed length
                continue
            if (reached := _apart(end, aim)) > _WORTH * left:
                continue
            now, left, legs, vain = end, reached, [*legs, control], 0
            if left < nearest:
                nearest, best = left, legs
            if left <= _TOLERANCE:
                break
    schedule = Schedule(segment for control in best for segment in _schedule(control, R))
    return schedule, distances(steered(schedule, start), goal)


def _apart(gaussian: Gaussian, aim: np.ndarray) -> float:
    """Distance of the states, relative to the aim."""
    return float(np.linalg.norm(aim - states_of(gaussian)) / np.linalg.norm(aim))


def _mended(control: Control, start: Gaussian, goal: Gaussian) -> Control:
    """The controls after up to ten steps of Newton's method against the end of the adaptive integrator, if they help."""
    x, aim = states_of(start), states_of(goal)
    best, left = control, np.inf
    for _ in range(10):
        rest = (aim - states_of(steered(_schedule(control, np.eye(start.dimension)), start))).ravel()
        if np.linalg.norm(rest) >= left:
            break
        best, left = control, float(np.linalg.norm(rest))
        control = corrected(control, end_and_jacobian(control, x)[1], rest)
    return best


def _schedule(control: Control, R: np.ndarray) -> Schedule:
    """Segments in the coordinates x = R y."""
    inverse = np.linalg.inv(R)
    return Schedule(attention(R @ V @ inverse, inverse.T @ A @ inverse, "steer") for V, A in zip(*control, strict=True))


def _checked(start: Gaussian, goal: Gaussian, eps: float, strength: float | None, attempts: int) -> tuple[Gaussian, Gaussian]:
    for name, value in (("eps", eps), ("strength", strength)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} must be positive and finite, got {value}")
    if attempts < 1:
        raise InputError(f"attempts must be at least 1, got {attempts}")
    if start.batch != goal.batch or start.dimension != goal.dimension or len(start.batch) > 1:
        raise InputError(
            f"start has batch {start.batch} and dimension {start.dimension}, goal {goal.batch} and {goal.dimension}; "
            "give one measure each, or as many targets as measures, in one list"
        )
    d = start.dimension
    batches = [(np.asarray(g.mean, float).reshape(-1, d), np.asarray(g.cov, float).reshape(-1, d, d)) for g in (start, goal)]
    if not len(batches[0][0]):
        raise InputError("there are no measures; give at least one")
    return Gaussian(*batches[0]), Gaussian(*batches[1])


def segments_of(schedule: Schedule) -> list[Segment]:
    """The segments, checked to be attention alone.

    Raises:
        InputError: there is a perceptron, or a segment without V and B.
    """
    for k, segment in enumerate(schedule):
        field: TransformerField = segment.field
        if field.V is None or field.B is None or field.W is not None:
            raise InputError(f"segment {k} is not attention with V and B alone; schedules that steer Gaussians have no perceptron")
    return list(schedule)
