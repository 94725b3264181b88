"""The loop of a flow of a field: attempt a step, accept or reject it, look at the events, save."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError
from ..fields.harmonic import with_kernel
from ..fields.particle import remedy
from ..fields.sharded import Sharded, check_parallel
from .checkpoint import Checkpoint, Moment, Moments
from .devices import flattened, repeated, spread, whole
from .kernel import Kernel, acceptable, look_at
from .on_disk import OnDisk
from .steps import Taken, attempt, look, noisy, several, speeds
from .task import Task
from .trajectory import Stop, Trajectory
from .watch import Step, Watch

_STRETCH = 64  # steps between two looks at whether all is finite


class Run:
    """One integration. The tokens are one array (N, n, d): smaller measures are filled up with atoms of mass zero, as probes are.

    On a mesh of P devices all of them are filled up so that P divides n, and each device has n / P tokens of every measure. All the
    processes go through this loop, and decide by the same numbers.
    """

    def __init__(self, task: Task):
        self.task = task
        self.mesh = None if task.mesh is None else flattened(task.mesh)
        self.dtype = np.dtype(task.measures[0].points.dtype)
        single = self.dtype == np.float32
        rtol = task.rtol if task.rtol is not None else (1e-5 if single else 1e-9)
        atol = task.atol if task.atol is not None else (1e-6 if single else 1e-10)
        self.tolerances = None if task.step is not None else self._array([rtol, atol])
        self.solver = task.solver if task.solver is not None else diffrax.Dopri8()
        if self.tolerances is not None and not isinstance(self.solver, diffrax.AbstractAdaptiveSolver):
            raise InputError(f"solver {type(self.solver).__name__} has no error estimate; give a fixed step")
        self.order = float(self.solver.error_order(diffrax.ODETerm(lambda t, y, args: y)) or 1)
        if self.mesh is not None:
            check_parallel(task.field)
        points, self.weights = self._stacked()
        self.field, self.kernel = self._field_and_kernel(points, rtol / 10)
        self.state = self.field.space.retract(points), {name: self._sums(np.zeros(len(task.measures))) for name in task.rates}
        self.t, self.stop, self.steps, self.rejected, self.drift = 0.0, None, 0, 0, 0.0
        self.key = None if task.noise is None else task.noise.key
        speed = self._start_speed()
        self.h = min(task.horizon, 0.05 / (float(speed.max()) or 1.0))
        self.watch = Watch(task, self.field, self.solver, self.state[0], speed)
        self.pieces: list[tuple[float, float, Any]] = []
        self.moments: Moments = [] if task.into is None else task.into
        if task.resume is not None:
            self._recall(task.resume)

    def execute(self) -> Trajectory:
        """From the start, or where it is resumed, to the horizon, or to where the flow stops."""
        for time in self.task.times[len(self.moments) :]:
            if self.stop is not None:
                break
            self._advance(float(time))
            self.kernel = look_at(self.field, self.kernel, self.state[0], self.weights, self._array(self.t))
            self.moments.append(self._moment())
            if self.task.keep:
                self.task.keep(Checkpoint(self.moments, self._memory()))
        if self.stop is None:
            self._advance(self.task.horizon)
        return self._trajectory()

    def _moment(self) -> Moment:
        """The state now, without what fills up the devices."""
        points, integrals = jax.tree.map(whole, self.state)
        points = points[:, : self.size]
        seen = [(x[: mu.size], np.asarray(mu.weights)) for x, mu in zip(points, self.task.measures, strict=True)]
        quantities = {name: np.array([f(x, w) for x, w in seen], np.float64) for name, f in self.task.quantities.items()}
        return Moment(self.t, points, integrals, quantities)

    def _memory(self) -> dict[str, np.ndarray]:
        own = {
            "step": np.float64(self.h),
            "steps": np.int64(self.steps),
            "rejected": np.int64(self.rejected),
            "drift": np.float64(self.drift),
            "kernel": np.array([self.kernel.bound, self.kernel.error, self.kernel.far], np.float64),
            "stop": np.str_("" if self.stop is None else self.stop.name),
            "key": np.zeros(0, np.uint32) if self.key is None else np.asarray(jax.random.key_data(self.key)),
        }
        return {**{name: np.asarray(value) for name, value in own.items()}, **self.watch.memory()}

    def _recall(self, checkpoint: Checkpoint) -> None:
        memory = checkpoint.memory
        if self.task.into is None:
            self.moments = list(checkpoint.moments)
        last = self.moments[-1]
        shape = len(self.task.measures), self.size, self.state[0].shape[-1]
        observed = last.integrals.keys() == self.state[1].keys() and last.quantities.keys() == self.task.quantities.keys()
        if last.points.shape != shape or not observed:
            raise InputError(f"resume is a checkpoint of another flow: points of shape {last.points.shape}, not {shape}")
        self.t, self.state = last.time, (self._tokens(last.points), {name: self._sums(s) for name, s in last.integrals.items()})
        self.h, self.drift = float(memory["step"]), float(memory["drift"])
        bound, error, far = memory["kernel"].tolist()
        self.kernel = self.kernel.and_then(Kernel(bound=bound, error=error, far=int(far)))
        self.steps, self.rejected = int(memory["steps"]), int(memory["rejected"])
        self.stop = Stop[str(memory["stop"])] if str(memory["stop"]) else None
        if self.key is not None:
            self.key = jax.random.wrap_key_data(jnp.asarray(memory["key"]), impl=jax.random.key_impl(self.key))
        self.watch.recall(memory)

    def _array(self, value: Any) -> jax.Array:
        return jnp.asarray(value, self.dtype)

    def _tokens(self, array: np.ndarray) -> jax.Array:
        """(N, n, d) where it is to be, filled up with copies of the first atoms so that the devices get equally many."""
        if self.mesh is None:
            return self._array(array)
        fill = np.repeat(array[:, :1], -array.shape[1] % self.mesh.size, axis=1)
        return spread(np.concatenate([array, fill], axis=1).astype(self.dtype), self.mesh)

    def _sums(self, array: np.ndarray) -> jax.Array:
        """(N,), a part of the state."""
        return self._array(array) if self.mesh is None else repeated(array.astype(self.dtype), self.mesh)

    def _stacked(self) -> tuple[jax.Array, jax.Array]:
        measures = self.task.measures
        rows = [np.concatenate([np.asarray(mu.points), p]) for mu, p in zip(measures, self.task.probes, strict=True)]
        n = self.size = max(map(len, rows))
        points = self._tokens(np.stack([np.concatenate([x, np.repeat(x[:1], n - len(x), axis=0)]) for x in rows]))
        weights = np.stack([np.concatenate([np.asarray(mu.weights), np.zeros(points.shape[1] - mu.size)]) for mu in measures])
        return points, self._array(weights) if self.mesh is None else spread(weights.astype(self.dtype), self.mesh)

    def _field_and_kernel(self, points: jax.Array, rtol: float) -> tuple[Any, Kernel]:
        """The field with the kernel for the tokens, its numbers as arrays: other values do not compile again."""
        choice = with_kernel(self.task.field, self.task.kernel, self.size, points.shape[-1], rtol=rtol, dtype=self.dtype)

        def arrays(field):
            field = jax.tree.map(lambda leaf: self._array(leaf) if _numeric(leaf) else leaf, field)
            return field if self.mesh is None else Sharded(field, self.mesh)

        field = arrays(choice.field)
        kernel = look_at(field, Kernel(choice.name, choice.why), points, self.weights, self._array(0.0))
        if acceptable(field, kernel):
            return field, kernel
        return arrays(self.task.field), Kernel("dense", f"harmonics were off by {kernel.error:.2g}, which is more than they promised")

    def _start_speed(self) -> np.ndarray:
        speed = np.asarray(speeds(self.field, self.state[0], self.weights, self._array(0.0)))
        if not np.isfinite(speed).all():
            measure = int(np.argmin(np.isfinite(speed)))
            raise InputError(f"the field is not finite at the start (measure {measure}): {remedy(self.field)}")
        return speed

    def _advance(self, target: float) -> None:
        """From the present time to the target, or to where the flow stops."""
        if self.task.step is not None and target > self.t:
            self.h = (target - self.t) / np.ceil((target - self.t) / self.task.step * (1 - 1e-12))
        if self._unobserved():
            self._stretch(target)
        while self.t < target and self.stop is None:
            if self.steps + self.rejected >= self.task.max_steps:
                self.stop = Stop.STEPS
                return
            h, end = self._length(target)
            taken, alive = self._try(h), self.watch.alive
            finite = np.asarray(taken.finite) | ~alive
            errors = np.where(alive, np.where(finite, np.asarray(taken.error), np.inf), 0)
            error = float(errors.max())
            if self.tolerances is not None:
                self._adapt(h, error)
            if error <= 1:
                self._accept(taken, end)
                continue
            self.rejected += 1
            if self.tolerances is None:
                self.watch.escaped(self.t, errors > 1)
            elif self.h <= max(16 * np.finfo(self.dtype).eps * self.t, 1e16 * np.finfo(self.dtype).tiny):
                self.watch.gave_up(self.t, errors > 1, finite=finite)
            self.stop = self.watch.ended()

    def _unobserved(self) -> bool:
        """Whether nothing is asked of single steps."""
        task = self.task
        return self.watch.bounded and task.step is not None and not (task.noise or task.events or task.dense or task.progress)

    def _stretch(self, target: float) -> None:
        """Fixed steps towards the target, many at a time, as long as all is finite; the rest, one after the other, says what is wrong."""
        while self.t < target:
            left = round((target - self.t) / self.h)
            count = min(left, _STRETCH, self.task.max_steps - self.steps)
            if count < 1:
                return
            t, h, alive = self._array(self.t), self._array(self.h), jnp.asarray(self.watch.alive)
            start = self.field, self.solver, self.task.rates, self.state, self.weights, alive
            state, drift, finite = several(*start, t, h, jnp.asarray(count))
            if not bool(finite):
                return
            self.state, self.steps, self.drift = state, self.steps + count, max(self.drift, float(drift))
            self.t = target if count == left else self.t + count * self.h

    def _length(self, target: float) -> tuple[float, float]:
        """The length of the next step and its end; two equal steps rather than a long one and a tiny one."""
        left = target - self.t
        if left <= self.h * (1 + 1e-9):
            return left, target
        h = left / 2 if self.tolerances is not None and left < 2 * self.h else self.h
        return h, self.t + h

    def _try(self, length: float) -> Taken:
        # as arrays: numbers of Python would be compiled in
        t, h, noise, alive = self._array(self.t), self._array(length), self.task.noise, jnp.asarray(self.watch.alive)
        if noise is not None:
            self.key, key = jax.random.split(self.key)  # type: ignore[arg-type]
            return noisy(self.field, self._array(noise.kappa), noise.heun, self.state, self.weights, alive, t, h, key)
        return attempt(self.field, self.solver, self.task.rates, self.state, self.weights, alive, t, h, self.tolerances)

    def _adapt(self, h: float, error: float) -> None:
        """The next step: by the error, at least a fifth (after overflow a tenth) and at most five times the last one."""
        factor = 0.1 if not np.isfinite(error) else float(np.clip(0.9 * max(error, 1e-16) ** (-1 / self.order), 0.2, 5.0))
        if error > 1:
            self.h = h * min(factor, 0.9)
        else:  # a step that was cut short for a saved time says little about longer ones
            self.h = max(self.h, h * factor) if h < self.h else h * factor

    def _accept(self, taken: Taken, end: float) -> None:
        step = Step(self.t, end, self.state[0], taken.state[0], np.asarray(taken.speed), taken.dense)
        self.state, self.t, self.steps = taken.state, end, self.steps + 1
        self.drift = max(self.drift, float(taken.drift))
        if self.task.dense:
            self.pieces.append((step.start, step.end, taken.dense))
        self.stop = self.watch.after(step)
        if self.task.progress:
            self.task.progress(self.t)

    def _trajectory(self) -> Trajectory:
        task, points, probes, stop = self.task, [], [], self.stop or Stop.HORIZON
        for i, (mu, p) in enumerate(zip(task.measures, task.probes, strict=True)):
            points.append(self._path(i, 0, mu.size))
            probes.append(self._path(i, mu.size, mu.size + len(p)))
        return Trajectory(
            times=np.array([moment.time for moment in self.moments]),
            points=points,
            probes=probes,
            starts=task.measures,
            stop=stop,
            stops=[own or stop for own in self.watch.stops],
            ends=np.where(self.watch.alive, self.t, self.watch.ends),
            steps=self.steps,
            rejected=self.rejected,
            drift=self.drift,
            happenings=sorted(self.watch.happenings, key=lambda h: h.time),
            quantities={name: np.stack([moment.quantities[name] for moment in self.moments], axis=1) for name in task.quantities},
            integrals={name: np.stack([moment.integrals[name] for moment in self.moments], axis=1) for name in task.rates},
            dense=self._between if task.dense else None,
            kernel=self.kernel,
        )

    def _path(self, i: int, start: int, end: int) -> Any:
        """Rows of a measure at all saved times."""
        if self.task.into is None:
            return np.stack([moment.points[i, start:end] for moment in self.moments])
        shape = (len(self.moments), end - start, self.state[0].shape[2])
        return OnDisk(lambda k: np.asarray(self.moments[k].points)[i, start:end], shape)

    def _between(self, t: float) -> list[np.ndarray]:
        start, end, dense = self.pieces[min(int(np.searchsorted([end for _, end, _ in self.pieces], t)), len(self.pieces) - 1)]
        with jax.enable_x64(True):
            x = whole(look(self.field, self.solver, dense, *self._array([start, end, t])))
        return [x[i, : mu.size] for i, mu in enumerate(self.task.measures)]


def _numeric(leaf: Any) -> bool:
    """Whether a leaf of a field is a real number or an array of them."""
    if isinstance(leaf, np.ndarray | jax.Array):
        return bool(np.issubdtype(leaf.dtype, np.floating) or np.issubdtype(leaf.dtype, np.integer))
    return isinstance(leaf, float | int) and not isinstance(leaf, bool)
