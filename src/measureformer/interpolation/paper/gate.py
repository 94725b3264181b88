"""Gates: perceptron segments that push the points of a cap towards one point and leave the others at rest."""

from typing import NamedTuple

import numpy as np

from ...errors import ConditioningError
from ...fields import TransformerField
from ...flows import boost, flow
from ...geometry import distance, tangent
from ...measures import Empirical
from ...schedule import Schedule, Segment


class Move(NamedTuple):
    """What a lemma of the construction does: its segments, and where the measures are after them."""

    segments: list[Segment]
    measures: list[Empirical]


def run(segments: list[Segment], measures: list[Empirical]) -> list[Empirical]:
    """All measures under the same segments, each with its own mean; saturated gates by ``saturated_flow`` where it applies.

    Raises:
        ConditioningError: a segment so stiff that float64 has no step size for it.
    """
    for segment in segments:
        carried = [saturated_flow(segment, mu.points) for mu in measures]
        if all(x is not None for x in carried):
            measures = [mu.moved(x) for mu, x in zip(measures, carried, strict=True)]
            continue
        try:
            measures = flow(Schedule([segment]), measures).measures
        except RuntimeError as error:
            raise ConditioningError(f"phase {segment.phase}: all the digits are missing: {error}") from None
    return measures


def saturated_flow(segment: Segment, x: np.ndarray) -> np.ndarray | None:
    r"""The exact flow of a saturated gate on points that never meet its ramp: those below ``low`` rest, those above ``high`` follow the
    boost of the target. None if the segment is no such gate, or a point does meet the ramp.

    The height along the arc from x to its image is $p \cos s + q \sin s$, so its least value is at an end or is $-\sqrt{p^2 + q^2}$.
    """
    f = segment.field
    if f.V is not None or f.W is None or f.U is None or f.b is None or f.width != 2:
        return None
    if (f.U[0] != f.U[1]).any() or (f.W[:, 0] != -f.W[:, 1]).any() or f.b[0] <= f.b[1]:
        return None
    axis, low, high = f.U[0], -f.b[0], -f.b[1]
    h = x @ axis
    w = f.W[:, 0] * (high - low)
    y = boost(x, segment.duration * w)
    towards = tangent(x, w)
    towards /= np.maximum(np.linalg.norm(towards, axis=-1, keepdims=True), 1e-300)
    slope = towards @ axis
    trough = (np.arctan2(slope, h) + np.pi) % (2 * np.pi)
    lowest = np.where(trough < distance(x, y), -np.hypot(h, slope), np.minimum(h, y @ axis))
    if not ((h <= low) | (lowest >= high)).all():
        return None
    return np.where((h <= low)[:, None], x, y)


# The least difference of heights that a ramp may have: below it, heights accurate to 1e-10 do not tell its two sides apart.
NARROWEST = 1e-8


class Gate(NamedTuple):
    r"""The speed at which a point x moves towards a target w, x' = g(<a, x>) P_x w:

    * saturated, two neurons: g(h) = ((h - low)_+ - (h - high)_+) / (high - low), which is 0 below ``low`` and 1 above ``high``;
    * literal (``high`` is None), the paper's rank-one gate: g(h) = (h - low)_+.

    Points that a saturated gate moves keep pace with each other: they follow a boost, and contract by no more than that boost does. Under a
    literal gate a point just above ``low`` hardly moves while the others are crushed.

    Args:
        axis: the vector a, shape (d,).
        low, high: heights.

    References:
        arXiv:2411.04551v3, Lemma 3.3 and Proposition 4.1; with axis = z and low = cos R, Lemma B.2 (the printed signs act off the ball).
    """

    axis: np.ndarray
    low: float
    high: float | None = None

    def speed(self, x: np.ndarray) -> np.ndarray | np.floating:
        """g(<a, x>) for points x of shape (..., d)."""
        h = x @ self.axis
        if self.high is None:
            return np.maximum(h - self.low, 0)
        return np.clip((h - self.low) / (self.high - self.low), 0, 1)

    def segment(self, target: np.ndarray, duration: float, phase: str) -> Segment:
        """The segment with W (U x + b)_+ = g(<a, x>) target, V = 0."""
        if self.high is None:
            W, U, b = target[:, None], self.axis[None, :], np.array([-self.low])
        else:
            W = np.outer(target, [1.0, -1.0]) / (self.high - self.low)
            U, b = np.stack([self.axis, self.axis]), -np.array([self.low, self.high])
        return Segment(TransformerField(W=W, U=U, b=b), float(duration), phase)

    def travel_time(self, x: np.ndarray, target: np.ndarray, stop: float) -> float:
        r"""How long it takes until x is at the angle ``stop`` (radians) from the target.

        The point stays on the great circle through itself and the target, and its angle obeys theta' = -g sin(theta), hence
        $t = \int_{stop}^{\theta_0} d\theta / (g(\theta) \sin\theta)$. Infinite if the gate is shut before.
        """
        from scipy.integrate import quad

        start = float(distance(x, target))
        if start <= stop:
            return 0.0
        across = x - (x @ target) * target
        across = across / np.linalg.norm(across)

        def slowness(s: float) -> float:  # in s = log tan(theta/2), where d theta / sin(theta) = ds
            theta = 2 * np.arctan(np.exp(s))
            g = float(self.speed(np.cos(theta) * target + np.sin(theta) * across))
            return 1 / g if g > 0 else np.inf

        end, begin = float(np.log(np.tan(stop / 2))), float(np.log(np.tan(start / 2)))
        if not (np.isfinite(slowness(begin)) and np.isfinite(slowness(end))):
            return np.inf
        return float(quad(slowness, end, begin, epsabs=0, epsrel=1e-13, limit=200)[0])


def boost_segment(w: np.ndarray, duration: float, phase: str) -> Segment:
    """V = 0, U = 0, b = 1: the field is P_x w with w = W 1."""
    return Segment(TransformerField(W=w[:, None], b=np.ones(1)), float(duration), phase)


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v)


def missing_digits(error: float, allowed: float) -> str:
    """For messages of ``ConditioningError``."""
    return f"{max(np.log10(max(error, 1e-300) / allowed), 0.1):.1f} digits are missing"
