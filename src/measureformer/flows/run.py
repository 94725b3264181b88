"""The loop of a flow of a field: attempt, accept or reject, look at the events, save."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError
from ..fields.unnormalised import overflow_remedy
from ..geometry import Sphere
from ..measures import Empirical
from .events import Converged, Escape, Jump
from .noise import Noise
from .trajectory import Happening, Stop, Trajectory

_BISECTIONS = 20


@dataclass
class Run:
    """One call of ``evolve``: its arguments, and what has happened so far. The tokens are one array (N, n, d), filled up with mass zero."""

    field: Any
    measures: list[Empirical]
    probes: list[np.ndarray]
    horizon: float
    times: np.ndarray
    rtol: float | None
    atol: float | None
    step: float | None
    solver: Any
    noise: Noise | None
    events: tuple[Any, ...]
    quantities: dict[str, Callable]
    rates: dict[str, Callable]
    dense: bool
    max_steps: int
    progress: Callable[[float], None] | None

    def execute(self) -> Trajectory:
        """Run it."""
        import diffrax

        self._gather()
        if self.solver is None:
            self.solver = diffrax.Dopri8()
        self._adaptive = self.step is None
        if self._adaptive and not isinstance(self.solver, diffrax.AbstractAdaptiveSolver):
            raise InputError(f"solver {type(self.solver).__name__} has no error estimate; give a fixed step")
        self._t, self._stop = 0.0, None
        self._steps = self._rejected = 0
        self._drift, self._key = 0.0, None if self.noise is None else self.noise.key
        self._speed = self._start_speed()
        self._h = min(self.horizon, 0.05 / (float(np.max(self._speed)) or 1.0))
        self._happened: list[Happening] = []
        self._pieces: list[tuple[float, float, Any]] = []
        self._growth: list[tuple[float, np.ndarray, np.ndarray]] = []
        self._counts = {e.kind: self._count(e, self._state[0]) for e in self.events if isinstance(e, Jump)}
        self._done = np.zeros(len(self.measures), bool)
        saved_times, saved = [], []
        for time in self.times:
            self._advance(float(time))
            saved_times.append(self._t)
            saved.append(jax.tree.map(np.asarray, self._state))
            if self._stop is not None:
                break
        if self._stop is None:
            self._advance(self.horizon)
        return self._trajectory(np.array(saved_times), saved)

    # the state

    def _gather(self) -> None:
        """Stack the measures; numbers of the field become arrays of the right dtype, so that other values do not compile again."""
        dtype = np.dtype(self.measures[0].points.dtype)
        rows = [np.concatenate([np.asarray(mu.points), p]) for mu, p in zip(self.measures, self.probes, strict=True)]
        n = max(map(len, rows))
        points = np.stack([np.concatenate([x, np.repeat(x[:1], n - len(x), axis=0)]) for x in rows])
        weights = np.stack([np.concatenate([np.asarray(mu.weights), np.zeros(n - mu.size, dtype)]) for mu in self.measures])
        self._state = (
            jnp.asarray(points, dtype) if not isinstance(self.field.space, Sphere) else self.field.space.retract(jnp.asarray(points, dtype)),
            {name: jnp.zeros(len(self.measures), dtype) for name in self.rates},
        )
        self._weights, self._dtype = jnp.asarray(weights, dtype), dtype
        self.field = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype) if _numeric(leaf) else leaf, self.field)
        single = dtype == np.float32
        self.rtol = self.rtol if self.rtol is not None else (1e-5 if single else 1e-9)
        self.atol = self.atol if self.atol is not None else (1e-6 if single else 1e-10)

    def _start_speed(self) -> np.ndarray:
        from .steps import speeds

        speed = np.asarray(speeds(self.field, self._state[0], self._weights, jnp.zeros((), self._dtype)))
        if not np.isfinite(speed).all():
            raise InputError(
                f"the field is not finite at the start (measure {int(np.argmin(np.isfinite(speed)))}); {overflow_remedy(self.field)}"
            )
        return speed

    # the loop

    def _advance(self, target: float) -> None:
        """From the present time to the target, or to where the flow stops."""
        if not self._adaptive and target > self._t:
            self._h = (target - self._t) / np.ceil((target - self._t) / self.step * (1 - 1e-12))
        while self._t < target and self._stop is None:
            if self._steps + self._rejected >= self.max_steps:
                self._stop = Stop.STEPS
                return
            left = target - self._t
            # two equal steps rather than a long one and a tiny one
            h = left if left <= self._h * (1 + 1e-9) else min(self._h, left / 2 if left < 2 * self._h and self._adaptive else left)
            end = target if h == left else self._t + h
            taken = self._try(h)
            error = float(taken.error)
            good = bool(taken.finite) and error <= 1
            if self._adaptive:
                self._adapt(h, error if bool(taken.finite) else np.inf, clipped=h < self._h)
            if good:
                self._accept(taken, end)
            elif self._adaptive:
                self._rejected += 1
                if self._h <= 16 * np.finfo(self._dtype).eps * self._t or self._h < np.finfo(self._dtype).tiny * 1e16:
                    self._give_up(finite=bool(taken.finite))
            else:
                self._stop = self._escaped(self._t)

    def _try(self, length: float):
        from .steps import attempt, noisy

        # as arrays: numbers of Python would be compiled in
        t, h = jnp.asarray(self._t, self._dtype), jnp.asarray(length, self._dtype)
        if self.noise is not None:
            self._key, key = jax.random.split(self._key)
            return noisy(self.field, jnp.asarray(self.noise.kappa, self._dtype), self.noise.heun, self._state, self._weights, t, h, key)
        tolerances = jnp.asarray([self.rtol, self.atol], self._dtype) if self._adaptive else None
        return attempt(self.field, self.solver, self.rates, self._state, self._weights, t, h, tolerances)

    def _adapt(self, h: float, error: float, *, clipped: bool) -> None:
        """The next step: by the error, between a fifth (a tenth after overflow) and five times the last one."""
        factor = 0.1 if not np.isfinite(error) else float(np.clip(0.9 * max(error, 1e-16) ** (-1 / self._order()), 0.2, 5.0))
        if clipped and error <= 1:
            self._h = max(self._h, h * factor)
        else:
            self._h = h * (min(factor, 0.9) if error > 1 else factor)

    def _order(self) -> float:
        import diffrax

        return float(self.solver.error_order(diffrax.ODETerm(lambda t, y, args: y)) or 1)

    def _accept(self, taken, end: float) -> None:
        before, start = self._state[0], self._t
        self._state, self._t, self._steps = taken.state, end, self._steps + 1
        self._drift = max(self._drift, float(taken.drift))
        self._speed = np.asarray(taken.speed)
        if self.dense:
            self._pieces.append((start, end, taken.dense))
        for event in self.events:
            if isinstance(event, Converged):
                self._watch_speed(event)
            elif isinstance(event, Jump):
                self._watch_count(event, before, start, taken)
        if not isinstance(self.field.space, Sphere):
            self._watch_growth()
        if self.progress:
            self.progress(self._t)

    # the events

    def _watch_speed(self, event: Converged) -> None:
        for i in np.flatnonzero((self._speed < event.speed) & ~self._done):
            self._happened.append(Happening("converged", self._t, int(i), float(self._speed[i])))
        self._done |= self._speed < event.speed
        if (self._speed < event.speed).all():
            self._stop = Stop.CONVERGED

    def _count(self, event: Jump, x) -> np.ndarray:
        parts = [np.asarray(x[i, : mu.size]) for i, mu in enumerate(self.measures)]
        return np.array([event.count(y, np.asarray(mu.weights)) for y, mu in zip(parts, self.measures, strict=True)])

    def _watch_count(self, event: Jump, before, start: float, taken) -> None:
        from .steps import look

        def at(s: float):
            if s >= 1 or taken.dense is None:
                return before if s < 1 else self._state[0]
            return look(self.field, self.solver, taken.dense, *jnp.asarray([start, self._t, start + s * (self._t - start)], self._dtype))

        now, done = self._count(event, self._state[0]), 0.0
        while (now != self._counts[event.kind]).any():
            last, low, high = self._counts[event.kind], done, 1.0
            for _ in range(_BISECTIONS):
                middle = (low + high) / 2
                low, high = (low, middle) if (self._count(event, at(middle)) != last).any() else (middle, high)
            count = self._count(event, at(high))
            for i in np.flatnonzero(count != last):
                self._happened.append(Happening(event.kind, start + high * (self._t - start), int(i), float(count[i])))
            self._counts[event.kind], done = count, high
        if event.until is not None and (now <= event.until).all():
            self._stop = Stop.EVENT

    def _watch_growth(self) -> None:
        reach = np.asarray(jnp.max(jnp.sqrt((self._state[0] ** 2).sum(-1)), -1))
        self._growth = [*self._growth[-2:], (self._t, reach, self._speed)]
        for event in self.events:
            if isinstance(event, Escape):
                start = max(1.0, max(float(np.sqrt((np.asarray(mu.points) ** 2).sum(-1)).max()) for mu in self.measures))
                if (reach > event.radius * start).any():
                    self._stop = self._escaped(self._t)

    def _give_up(self, *, finite: bool) -> None:
        grown = len(self._growth) > 1 and not isinstance(self.field.space, Sphere)
        self._stop = self._escaped(self._t) if grown and (not finite or self._estimates().min() < np.inf) else Stop.STEP_SIZE

    def _estimates(self) -> np.ndarray:
        """When |x| would be infinite: |x|' / |x| = p / (T - t) near a blow-up, so that its inverse falls on a line to 0."""
        if len(self._growth) < 2:
            return np.full(len(self.measures), np.inf)
        (s, r, u), (t, q, v) = self._growth[-2:]
        with np.errstate(divide="ignore", invalid="ignore"):
            early, late = r / u, q / v
            estimate = t + late * (t - s) / (early - late)
        return np.where(np.isfinite(estimate) & (late < early), estimate, np.inf)

    def _escaped(self, t: float) -> Stop:
        if isinstance(self.field.space, Sphere):
            return Stop.STEP_SIZE
        estimates = self._estimates()
        i = int(np.argmin(estimates))
        self._happened.append(Happening("blow-up", t, i, float(estimates[i])))
        return Stop.BLOW_UP

    # the outcome

    def _trajectory(self, times: np.ndarray, saved: list) -> Trajectory:
        points, probes = [], []
        for i, (mu, p) in enumerate(zip(self.measures, self.probes, strict=True)):
            path = np.stack([x[i] for x, _ in saved])
            points.append(path[:, : mu.size])
            probes.append(path[:, mu.size : mu.size + len(p)])
        quantities = {
            name: np.array([[f(x, np.asarray(mu.weights)) for x in path] for path, mu in zip(points, self.measures, strict=True)])
            for name, f in self.quantities.items()
        }
        integrals = {name: np.stack([sums[name] for _, sums in saved], axis=1) for name in self.rates}
        stop, happened = self._stop or Stop.HORIZON, sorted(self._happened, key=lambda h: h.time)
        return Trajectory(
            times, points, probes, self.measures, stop, self._steps, self._rejected, self._drift, happened, quantities, integrals,
            self._between if self.dense else None,
        )  # fmt: skip

    def _between(self, t: float) -> list[np.ndarray]:
        from .steps import look

        ends = [end for _, end, _ in self._pieces]
        start, end, dense = self._pieces[min(int(np.searchsorted(ends, t)), len(ends) - 1)]
        with jax.enable_x64(True):
            x = np.asarray(look(self.field, self.solver, dense, *jnp.asarray([start, end, t], self._dtype)))
        return [x[i, : mu.size] for i, mu in enumerate(self.measures)]


def _numeric(leaf: Any) -> bool:
    """Whether a leaf of a field is a real number or an array of them."""
    if isinstance(leaf, np.ndarray | jax.Array):
        return bool(np.issubdtype(leaf.dtype, np.floating) or np.issubdtype(leaf.dtype, np.integer))
    return isinstance(leaf, float | int) and not isinstance(leaf, bool)
