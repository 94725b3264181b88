"""The outcome of a flow of a field: where the tokens were at the saved times, and what happened on the way."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import numpy as np

from .._brief import brief
from .._types import namespace
from ..errors import InputError
from ..measures import Empirical
from .kernel import Kernel


class Stop(Enum):
    """Why an integration ended."""

    HORIZON = "the horizon was reached"
    CONVERGED = "no token moves any more"
    EVENT = "an event asked for it"
    BLOW_UP = "tokens escape to infinity in finite time"
    STEPS = "the limit of steps was reached; give a larger max_steps, or a shorter horizon"
    STEP_SIZE = "the step size fell to rounding; the field jumps or is too stiff: give a fixed step, or looser tolerances"


@dataclass(frozen=True)
class Happening:
    """Something that happened to one measure: ``kind`` ("merged", "converged", "blow-up" ...), ``time``, and a ``value``.

    The value of a jump is the number after it; of a blow-up the estimated time of it; of a convergence the speed.
    """

    kind: str
    time: float
    measure: int
    value: float


@dataclass(frozen=True)
class Trajectory:
    """What a flow of a field did.

    Attributes:
        times: saved times, shape (T,); fewer than were asked for if the flow stopped early, the last one is then where it stopped.
        points: for each measure its tokens at these times, shape (T, n_i, d); ``OnDisk`` where the states went into a file.
        probes: for each measure its passive probes, shape (T, p_i, d).
        starts: the measures as given (their weights do not change).
        stop: why it ended as a whole.
        stops, ends: why and when each measure ended; one that ended early stayed where it was.
        steps, rejected: accepted steps, and attempts whose error was too large.
        drift: the largest | |x| - 1 | after a step, before the points were normalised (0 in R^d).
        happenings: events in the order of time.
        quantities: what was observed at the saved times, shape (N, T) for each name.
        integrals: the integrals of the given rates from time 0 to the saved times, shape (N, T) for each name.
        kernel: how the sums over atoms were computed, and how well.
    """

    times: np.ndarray
    points: list[Any]
    probes: list[Any]
    starts: list[Empirical]
    stop: Stop
    stops: list[Stop]
    ends: np.ndarray
    steps: int
    rejected: int
    drift: float
    happenings: list[Happening] = field(default_factory=list)
    quantities: dict[str, np.ndarray] = field(default_factory=dict)
    integrals: dict[str, np.ndarray] = field(default_factory=dict)
    dense: Callable[[float], list[np.ndarray]] | None = None
    kernel: Kernel = Kernel()
    __repr__ = brief

    @property
    def measures(self) -> list[Empirical]:
        """The measures at the last saved time, in the order given."""
        return self._moved([x[-1] for x in self.points])

    def at(self, t: float) -> list[Empirical]:
        """The measures at any time up to the last one, by the interpolant of the integrator.

        Raises:
            InputError: the flow was run without ``dense=True``, or t lies outside.
        """
        if self.dense is None:
            raise InputError("between saved times nothing was kept; run the flow with dense=True")
        if not 0 <= t <= self.times[-1]:
            raise InputError(f"t = {t} lies outside of [0, {self.times[-1]}], the time that was run")
        return self._moved(self.dense(t))

    def _moved(self, points: list[np.ndarray]) -> list[Empirical]:
        return [mu.moved(namespace(mu.points).asarray(x)) for mu, x in zip(self.starts, points, strict=True)]
