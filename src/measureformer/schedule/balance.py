"""How to spend a given horizon so that sup_t |theta(t)| is smallest."""

import math

import numpy as np

from ..errors import InputError
from ..fields import TransformerField
from .schedule import Schedule, Segment


def balance(schedule: Schedule, horizon: float) -> Schedule:
    r"""The schedule of the same flow on [0, horizon] whose sup-norm is smallest among those that only rescale time and neurons.

    A neuron may be rescaled, W (U x + b)_+ = (W/c) (c U x + c b)_+, and a segment of duration t slowed down. With total strengths
    S = t |W| |(U, b)| and A = t |V| of a segment, a common level theta is reached when the durations solve
    $(A/t)^2 + |B|^2 + 2 S/t = \theta^2$; theta is the level at which they add up to the horizon.

    Args:
        schedule: any schedule.
        horizon: the new T > 0.

    Returns:
        A schedule with the same flow, ``horizon`` as horizon, and all its norms |theta_k| equal up to 12 % (neurons are rescaled by powers
        of two only, so that no digit of the weights changes).

    Raises:
        InputError: the horizon is not positive.
    """
    from scipy.optimize import brentq

    if not (np.isfinite(horizon) and horizon > 0):
        raise InputError(f"horizon must be positive and finite, got {horizon}")
    if not len(schedule):
        return schedule
    strengths = np.array([_strengths(s) for s in schedule])

    def durations(level: float) -> np.ndarray:
        attention, score, perceptron = strengths.T
        room = level**2 - score**2
        return (perceptron + np.sqrt(perceptron**2 + room * attention**2)) / room

    # Weights of size ~ strength/duration: a level at which even the whole horizon would not be needed, and one at which it is.
    low = strengths[:, 1].max() * (1 + 1e-12) + 1e-300
    high = low + 1.0
    while durations(high).sum() > horizon:
        high *= 2
    if durations(low + 1e-9 * (high - low)).sum() < horizon:
        return _balanced_neurons(schedule).rescale(horizon)
    level = float(brentq(lambda v: durations(v).sum() - horizon, low + 1e-9 * (high - low), high, xtol=1e-12 * high))  # type: ignore[arg-type]
    spent = durations(level)
    spent *= horizon / math.fsum(spent)
    return Schedule(s.lasting(float(t)) for s, t in zip(_balanced_neurons(schedule, spent), spent, strict=True))


def _strengths(segment: Segment) -> tuple[float, float, float]:
    """(t |V|, |B|, t |W| |(U, b)|)."""
    field, t = segment.field, segment.duration
    return t * _size(field.V), _size(field.B), t * _size(field.W) * float(np.hypot(_size(field.U), _size(field.b)))


def _size(M) -> float:
    return 0.0 if M is None else float(np.linalg.norm(M))


def _balanced_neurons(schedule: Schedule, durations: np.ndarray | None = None) -> Schedule:
    """The same schedule with |W| = |(U, b)| once it lasts ``durations`` (its own if None)."""
    segments = []
    for k, s in enumerate(schedule):
        f = s.field
        inner = float(np.hypot(_size(f.U), _size(f.b)))
        if f.W is None or inner == 0:
            segments.append(s)
            continue
        stretch = 1.0 if durations is None else s.duration / durations[k]
        c = 2.0 ** np.round(np.log2(np.sqrt(stretch * float(np.linalg.norm(f.W)) / inner))) if np.any(f.W) else 1.0
        U, b = (None if M is None else c * M for M in (f.U, f.b))
        segments.append(Segment(TransformerField(V=f.V, B=f.B, W=f.W / c, U=U, b=b), s.duration, s.phase))
    return Schedule(segments)
