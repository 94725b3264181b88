"""Propositions 4.1 and 4.2: points are carried to their places, one at a time."""

from typing import NamedTuple

import numpy as np

from ...errors import ConditioningError
from ...geometry import distance, tangent
from ...measures import Empirical
from ...schedule import Segment
from .gate import NARROWEST, Gate, missing_digits, run

# Radii of Proposition 4.1: omega_+ and omega_- lie at pi/8 from omega, and the gathered points within pi/16 of them.
_TILT, _GATHERED, _SHELTER = np.pi / 8, np.pi / 16, 3 * np.pi / 16
# Distance from the active point to the point that attracts it, when it stops.
_AHEAD = np.pi / 3
# Every point outside the slab is within 7 pi/8 of omega_+ or omega_-: it is gathered after this rapidity at most.
_WORST = float(np.log(np.tan(7 * np.pi / 16) / np.tan(np.pi / 32)))
_PAIRS = 4000


class Matching(NamedTuple):
    """Segments, where the points are after them, the place that each point took, and the narrowest slab."""

    segments: list[Segment]
    points: np.ndarray
    order: np.ndarray
    gap: float


def match_point(
    points: np.ndarray,
    k: int,
    place: np.ndarray,
    *,
    literal: bool = False,
    shortest: bool = True,
    tolerance: float = 1e-6,
    phase: str = "match",
    seed: int = 0,
) -> list[Segment]:
    r"""Proposition 4.1. Six segments carry point k to its place and leave every other point where it is.

    Hypothesis: some gamma is orthogonal to x = points[k] and y = place, and every other point is outside the slab
    $|\langle \gamma, \cdot \rangle| \le \varepsilon$. With omega on the great circle of x and y, at least pi/2 from both, and omega_+,
    omega_- at pi/8 from it towards gamma and -gamma:

    * *gather*, 2 segments: gates on $\langle \gamma, x \rangle > \varepsilon/2$ and on $\langle -\gamma, x \rangle > \varepsilon/2$,
      W 1 = omega_+ and omega_-: the inactive points go to B(omega, 3 pi/16);
    * *corridor*, 2 segments: a gate that is shut on B(omega, 3 pi/16), W 1 = z_1, then z_2, on the great circle from x through y: the
      active point moves and stops at y;
    * *restore*, 2 segments: gather, backwards.

    Literal gates are (<gamma, x> - eps/2)_+: a point at height eps starts with speed eps/2. A time fixed in advance must do for a point
    that never goes faster, so it is c/eps, with c = 2 log(tan(7 pi/16)/tan(pi/32)) = 7.9; in that time the points near omega_+, of speed
    0.38, contract by exp(-0.38 c/eps). In truth the height of a slow point grows exponentially, the shortest time is O(log 1/eps), and the
    contraction a power of eps: it is the worst-case time, more than the gate, that float64 cannot survive.

    Args:
        points: all of them, shape (K, d).
        k: which moves.
        place: where to.
        literal: the paper's rank-one gates instead of saturated ones.
        shortest: end each segment as soon as it has done its work, instead of after the worst-case time.
        tolerance: the rounding error (radians) that the restored points may have.
        phase, seed: name of the segments; seed of the search for gamma (d > 3).

    Raises:
        ConditioningError: another point lies (nearly) on the great circle of x and y; or gathering would contract too much.

    References:
        arXiv:2411.04551v3, Proposition 4.1.
    """
    x, rest = points[k], np.delete(points, k, axis=0)
    length = float(distance(x, place))
    if length < 1e-14:
        return []
    gamma, ahead, gap = (value[0] for value in _slabs(x[None], place[None], rest[None], 512, seed))
    if gap < NARROWEST:
        raise ConditioningError(
            f"phase {phase}: the great circle that point {k} has to follow passes within {gap:.1e} rad of another point, and float64 gates "
            f"need {NARROWEST:.0e}: {missing_digits(NARROWEST, max(gap, 1e-16))}"
        )

    def circle(s: float) -> np.ndarray:
        return np.cos(s) * x + np.sin(s) * ahead

    eps, omega = 0.8 * gap, -circle(length / 2)
    gather = _gather(rest, gamma, eps, omega, literal=literal, shortest=shortest, tolerance=tolerance, phase=phase)
    low = -np.cos(_SHELTER)
    gate = Gate(-omega, low, None if literal else low / 2)
    corridor = []
    for s in (0.0, length / 2):
        goal = circle(s + length / 2 + _AHEAD)
        corridor.append(gate.segment(goal, gate.travel_time(circle(s), goal, _AHEAD), phase))
    return [*gather, *corridor, *(s.inverse() for s in reversed(gather))]


def _gather(
    rest: np.ndarray, gamma: np.ndarray, eps: float, omega: np.ndarray, *, literal: bool, shortest: bool, tolerance: float, phase: str
) -> list[Segment]:
    """The inactive points to B(omega, 3 pi/16): a segment for each side of the slab that has points."""
    segments = []
    for side in (gamma, -gamma):
        gate = Gate(side, eps / 2, None if literal else eps)
        goal = np.cos(_TILT) * omega + np.sin(_TILT) * side
        duration = max([gate.travel_time(p, goal, _GATHERED) for p in rest[rest @ side > 0]], default=0.0)
        if duration == 0:
            continue
        duration = duration if shortest else _WORST * (2 / eps if literal else 1)
        rapidity = float(gate.speed(goal)) * duration
        if rapidity > np.log(tolerance / np.finfo(float).eps):
            raise ConditioningError(
                f"phase {phase}: gathering lasts {duration:.0f}, for a point of height {eps:.1e} and speed {gate.speed(eps * side):.1e}; "
                f"the others contract by exp(-{rapidity:.0f}), and float64 cannot bring them back to {tolerance:.0e} rad: "
                f"{(rapidity + np.log(np.finfo(float).eps / tolerance)) / np.log(10):.1f} digits are missing"
            )
        segments.append(gate.segment(goal, duration, phase))
    return segments


def match_points(
    points: np.ndarray,
    places: np.ndarray,
    kinds: np.ndarray | None = None,
    *,
    literal: bool = False,
    shortest: bool = True,
    tolerance: float = 1e-6,
    phase: str = "match",
    seed: int = 0,
) -> Matching:
    """Proposition 4.2. K distinct points go to K distinct places by Proposition 4.1, one after the other: 6 K segments.

    Which goes next, and to which of the places of its kind, is chosen so that the slab is as wide as can be at every step.

    Args:
        points: shape (K, d).
        places: shape (K, d).
        kinds: labels, shape (K,), for points and places alike: a point may take any place of its kind; None: point k goes to place k.
        literal, shortest, tolerance, phase, seed: see ``match_point``.

    Raises:
        ConditioningError: some step has no slab that float64 can use, or execution misses by more than the tolerance.

    References:
        arXiv:2411.04551v3, Proposition 4.2.
    """
    K = len(points)
    kinds = np.arange(K) if kinds is None else kinds
    now, order = points.copy(), np.full(K, -1)
    segments: list[Segment] = []
    narrowest = np.inf
    for step in range(K):
        left, free = np.flatnonzero(order < 0), np.setdiff1d(np.arange(K), order)
        pairs = np.array([(k, l) for k in left for l in free if kinds[k] == kinds[l]])
        rng = np.random.default_rng(seed + step)
        pairs = pairs[rng.permutation(len(pairs))[: max(_PAIRS // K, 64)]]
        rest = np.stack([np.delete(now, k, axis=0) for k in pairs[:, 0]])
        gaps = _slabs(now[pairs[:, 0]], places[pairs[:, 1]], rest, 64, seed + step)[2]
        k, l = pairs[gaps.argmax()].tolist()
        narrowest = min(narrowest, float(gaps.max()))
        options = {"literal": literal, "shortest": shortest, "tolerance": tolerance, "phase": phase, "seed": seed + step}
        new = match_point(now, k, places[l], **options)
        wanted = now.copy()
        wanted[k] = places[l]
        now = run(new, [Empirical(now)])[0].points if new else now
        if (missed := float(distance(now, wanted).max())) > tolerance:
            raise ConditioningError(
                f"phase {phase}: step {step + 1} of {K} leaves a point {missed:.1e} rad from its place: {missing_digits(missed, tolerance)}"
            )
        order[k] = l
        segments += new
    return Matching(segments, now, order, narrowest)


def _slabs(x: np.ndarray, y: np.ndarray, rest: np.ndarray, trials: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For P pairs of points (shape (P, d)) and the points that are in their way (P, K - 1, d): gamma (P, d), the direction from x to y
    (P, d), and the half-width of the widest slab found (P,). For d = 3 there is one gamma up to sign."""
    rng = np.random.default_rng(seed)
    P, d = x.shape
    ahead = tangent(x, y - x)
    lost = np.linalg.norm(ahead, axis=1, keepdims=True) < 1e-12  # equal or opposite: any great circle will do
    ahead = np.where(lost, tangent(x, rng.normal(size=(P, d))), ahead)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    gamma = rng.normal(size=(P, 1 if d == 3 else trials, d))
    for _ in range(2):  # the second time for the rounding errors of the first
        for e in (x[:, None], ahead[:, None]):
            gamma -= (gamma * e).sum(-1, keepdims=True) * e
        gamma /= np.linalg.norm(gamma, axis=-1, keepdims=True)
    heights = np.abs(gamma @ rest.swapaxes(1, 2)).min(axis=2, initial=1.0)
    best = heights.argmax(axis=1)
    rows = np.arange(P)
    return gamma[rows, best], ahead, heights[rows, best]
