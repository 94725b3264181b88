"""What a flow of a field looks at after every step: convergence, jumps of whole numbers, escape to infinity."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np

from ..geometry import Sphere, norm
from .checkpoint import packed, unpacked
from .devices import whole
from .events import Converged, Escape, Jump
from .steps import look
from .task import Task
from .trajectory import Happening, Stop

_BISECTIONS = 20


@dataclass(frozen=True)
class Step:
    """An accepted step: from when to when, the tokens (N, n, d) before and after, the fastest of each measure, and the interpolant."""

    start: float
    end: float
    before: Any
    after: Any
    speed: np.ndarray
    dense: Any


class Watch:
    """The events of one flow, what has happened so far, and which measures have ended on their own."""

    def __init__(self, task: Task, field: Any, solver: Any, start: Any, speed: np.ndarray):
        self.task, self.field, self.solver = task, field, solver
        self.happenings: list[Happening] = []
        self.bounded = isinstance(field.space, Sphere)
        self.converged = np.zeros(len(task.measures), bool)
        self.stops: list[Stop | None] = [None] * len(task.measures)
        self.ends = np.full(len(task.measures), np.nan)
        self.jumps = [event for event in task.events if isinstance(event, Jump)]
        self.counts = [self._count(event, start) for event in self.jumps]
        # (time, largest |x|, its growth) of each measure, the last two
        self.growth: list[tuple[float, np.ndarray, np.ndarray]] = [] if self.bounded else [(0.0, self._reach(start), speed)]

    @property
    def alive(self) -> np.ndarray:
        """Which measures still move, shape (N,)."""
        return np.array([stop is None for stop in self.stops])

    def after(self, step: Step) -> Stop | None:
        """Look at an accepted step; whether, and why, the flow is to end with it."""
        stops = []
        if not self.bounded:
            self.growth = [*self.growth[-1:], (step.end, self._reach(step.after), step.speed)]
        for event in self.task.events:
            if isinstance(event, Converged):
                stops.append(self._convergence(event, step))
            elif isinstance(event, Escape) and not self.bounded:
                start = max(1.0, max(float(np.sqrt((np.asarray(mu.points) ** 2).sum(-1)).max()) for mu in self.task.measures))
                self.escaped(step.end, self.alive & (self.growth[-1][1] > event.radius * start))
        stops += [self._jumps(k, event, step) for k, event in enumerate(self.jumps)]
        return next((stop for stop in stops if stop is not None), self.ended())

    def ended(self) -> Stop | None:
        """Why the flow ends if every measure has ended on its own: for the most serious of their reasons."""
        return None if None in self.stops else (Stop.STEP_SIZE if Stop.STEP_SIZE in self.stops else Stop.BLOW_UP)

    def escaped(self, t: float, who: np.ndarray) -> None:
        """These measures cannot go on at time t: in R^d because tokens escape, with an estimate of when."""
        estimates = self._blow_up_times()
        for i in np.flatnonzero(who):
            self.stops[i], self.ends[i] = Stop.STEP_SIZE if self.bounded else Stop.BLOW_UP, t
            if not self.bounded:
                self.happenings.append(Happening("blow-up", t, int(i), float(estimates[i])))

    def gave_up(self, t: float, who: np.ndarray, *, finite: np.ndarray) -> None:
        """The step size fell to rounding at time t for these measures: a blow-up, or a field that jumps."""
        blows_up = who & (not self.bounded) & (~finite | (self._blow_up_times() < np.inf))
        self.escaped(t, blows_up)
        for i in np.flatnonzero(who & ~blows_up):
            self.stops[i], self.ends[i] = Stop.STEP_SIZE, t

    def memory(self) -> dict[str, np.ndarray]:
        """What it knows, as arrays."""
        return {
            **packed(self.happenings),
            "converged": self.converged.copy(),
            "stops": np.array(["" if stop is None else stop.name for stop in self.stops]),
            "ends": self.ends.copy(),
            "counts": np.array(self.counts, np.int64).reshape(len(self.counts), len(self.stops)),
            "growth": np.array([[np.full(len(reach), t), reach, speed] for t, reach, speed in self.growth], np.float64),
        }

    def recall(self, memory: dict[str, np.ndarray]) -> None:
        """The inverse of ``memory``."""
        self.happenings = unpacked(memory)
        self.converged, self.ends = memory["converged"].copy(), memory["ends"].copy()
        self.stops = [Stop[str(name)] if str(name) else None for name in memory["stops"]]
        self.counts = list(memory["counts"])
        self.growth = [(float(times[0]), reach, speed) for times, reach, speed in memory["growth"]]

    def _convergence(self, event: Converged, step: Step) -> Stop | None:
        alive = self.alive
        slow = alive & (step.speed < event.speed)
        for i in np.flatnonzero(slow & ~self.converged):
            self.happenings.append(Happening("converged", step.end, int(i), float(step.speed[i])))
        self.converged |= slow
        return Stop.CONVERGED if alive.any() and slow[alive].all() else None

    def _jumps(self, k: int, event: Jump, step: Step) -> Stop | None:
        length, done, now = step.end - step.start, 0.0, self._count(event, step.after)

        def at(s: float):
            if s >= 1:
                return step.after
            if step.dense is None:  # noise: no interpolant
                return step.before
            return look(
                self.field, self.solver, step.dense, *jnp.asarray([step.start, step.end, step.start + s * length], step.after.dtype)
            )

        while (now != self.counts[k]).any():
            last, low, high = self.counts[k], done, 1.0
            for _ in range(_BISECTIONS):
                middle = (low + high) / 2
                low, high = (low, middle) if (self._count(event, at(middle)) != last).any() else (middle, high)
            count = self._count(event, at(high))
            if not (count != last).any():  # only the end itself differs from the interpolant
                high, count = 1.0, now
            for i in np.flatnonzero(count != last):
                self.happenings.append(Happening(event.kind, step.start + high * length, int(i), float(count[i])))
            self.counts[k], done = count, high
        return Stop.EVENT if event.until is not None and (now <= event.until).all() else None

    def _count(self, event: Jump, x: Any) -> np.ndarray:
        x, measures = whole(x), self.task.measures
        return np.array([event.count(x[i, : mu.size], np.asarray(mu.weights)) for i, mu in enumerate(measures)])

    def _reach(self, x: Any) -> np.ndarray:
        return whole(norm(x)[..., 0].max(-1))

    def _blow_up_times(self) -> np.ndarray:
        """When |x| would be infinite: |x|' / |x| = p / (T - t) near a blow-up at T, so that its inverse is a line that falls to 0."""
        if len(self.growth) < 2:
            return np.full(len(self.task.measures), np.inf)
        (s, r, u), (t, q, v) = self.growth[-2:]
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            early, late = r / u, q / v
            estimate = t + late * (t - s) / (early - late)
        # an exponential keeps the ratio, and would give any large number
        return np.where(np.isfinite(estimate) & (late < early * (1 - 1e-6)), estimate, np.inf)
