"""Any field, run for a time: adaptive or in fixed steps, with passive probes, events, noise and monitors."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .._types import OptionalArray
from ..errors import InputError
from ..geometry import Euclidean, Sphere
from ..measures import Empirical
from .checkpoint import Checkpoint, Moments
from .events import Converged, Escape, Jump
from .noise import Noise
from .task import Task
from .trajectory import Trajectory


def evolve(
    field: Any,
    measures: Empirical | Sequence[Empirical],
    horizon: float,
    *,
    saveat: int | Sequence[float] | OptionalArray = None,
    rtol: float | None = None,
    atol: float | None = None,
    step: float | None = None,
    solver: Any = None,
    noise: Noise | None = None,
    probes: OptionalArray | Sequence[Any] = None,
    events: Sequence[Converged | Jump | Escape] = (),
    quantities: Mapping[str, Callable[[Any, Any], float]] | None = None,
    rates: Mapping[str, Callable[[Any, Any, Any], Any]] | None = None,
    dense: bool = False,
    kernel: str = "auto",
    max_steps: int = 100_000,
    progress: Callable[[float], None] | None = None,
    keep: Callable[[Checkpoint], None] | None = None,
    resume: Checkpoint | None = None,
    into: Moments | None = None,
    mesh: Any = None,
) -> Trajectory:
    r"""Solve $x_i' = v[\mu(t)](x_i)$, $\mu(t) = \sum_i w_i \delta_{x_i(t)}$, from time 0 to the horizon. ``flow`` calls it for every field.

    A Dormand-Prince pair of order 8 with error control, or any solver of diffrax; steps end at the saved times. On the sphere the points
    are normalised after every step. Works in the dtype of the measures, float64 whatever JAX's global setting.

    Args:
        field: called as ``field(x, points, weights, t)``, with a ``space``: ``ParticleField`` or ``TransformerField``.
        measures: one, or several, which do not see each other but share the steps; sizes may differ. One that blows up, or at which the
            step falls to rounding, stays where it is from then on, and the others go on.
        horizon: T > 0, in the unit of time of the law.
        saveat: times in [0, T], increasing; a whole number K for 0, T/K, ..., T; None for 0 and T.
        rtol, atol: the error of a step stays below atol + rtol |x| in every coordinate. Defaults: 1e-9 and 1e-10; float32: 1e-5 and 1e-6.
        step: fixed steps of at most this length instead (equally long ones between two saved times).
        solver: of diffrax; ``diffrax.Dopri8()`` if None. One without an error estimate needs ``step``.
        noise: Brownian motion, with its key; needs ``step``.
        probes: points (p, d) that follow the measures and have no influence; or a list with an array for each measure.
        events: what to watch.
        quantities: functions of (points, weights), NumPy, evaluated at the saved times.
        rates: functions of (points (N, n, d), velocities, weights (N, n)) on JAX arrays, giving (N,); their integrals over time are kept.
        dense: keep the interpolant of every step for ``Trajectory.at`` (memory: about 14 copies of the tokens for each step).
        kernel: how sums over atoms are computed: ``"dense"``, all pairs; ``"harmonic"``, in linear time (softmax, unnormalised and L2
            attention on the circle and on S^2); ``"auto"``, what is faster. The error of a velocity is to stay below a tenth of ``rtol``;
            ``Trajectory.kernel`` says what came of it.
        max_steps: attempts before the flow gives up; the outcome says so.
        progress: called with the time after every step.
        keep: called at every saved time, with a checkpoint.
        resume: a checkpoint that ``keep`` was given by the same call, to go on from there.
        into: takes the saved states in place of a list, so that memory need not grow with their number (``experiments.TrajectoryStore``);
            with ``resume`` it is to hold those of the checkpoint already.
        mesh: of devices (``token_mesh``, or any ``jax.sharding.Mesh``) over which the tokens are spread; the same flow up to rounding.
            With several processes (``join``) each of them makes the same call, and gets the whole trajectory.

    Returns:
        The trajectory. It may have stopped early: look at ``stop``, and at ``stops`` of the single measures.

    Raises:
        InputError: bad arguments; points off the sphere; a field that is not finite at the start; a kernel that the field
            does not have; a mesh for a field whose sums do not spread.
    """
    import jax

    from .run import Run

    task = Task(
        field, _listed(measures), _probes(probes, measures), float(horizon), times_of(saveat, horizon), rtol, atol, step, solver, noise,
        tuple(events), dict(quantities or {}), dict(rates or {}), dense, kernel, max_steps, progress, keep, resume, mesh, into,
    )  # fmt: skip
    _check(task)
    # accelerators round the factors of float32 products to 10 bits unless told not to
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        return Run(task).execute()


def times_of(saveat: Any, horizon: float) -> np.ndarray:
    """The saved times.

    Raises:
        InputError: the horizon is not positive and finite, or a time lies outside, or they do not increase.
    """
    if not (np.isfinite(horizon) and horizon > 0):
        raise InputError(f"horizon must be positive and finite, got {horizon}; to run a law backwards negate it with Scaled(law, -1.0)")
    if saveat is None:
        return np.array([0.0, horizon])
    if isinstance(saveat, int | np.integer):
        if saveat < 1:
            raise InputError(f"saveat must be at least 1, got {saveat}")
        return horizon * np.arange(saveat + 1) / saveat
    times = np.asarray(saveat, np.float64)
    if times.ndim != 1 or not times.size or not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
        raise InputError(f"saveat must be a list of increasing times, got {saveat}")
    if times[0] < 0 or times[-1] > horizon:
        raise InputError(f"saveat has times from {times[0]} to {times[-1]}, outside of [0, {horizon}]; give a longer horizon, or drop them")
    return times


def _listed(measures) -> list[Empirical]:
    listed = [measures] if isinstance(measures, Empirical) else list(measures)
    if not listed:
        raise InputError("measures is empty; give at least one")
    if len({(mu.dimension, np.dtype(mu.points.dtype)) for mu in listed}) > 1:
        kinds = [(mu.dimension, str(mu.points.dtype)) for mu in listed]
        raise InputError(f"measures differ in dimension or dtype: {kinds}; flow them apart")
    return listed


def _probes(probes, measures) -> list[np.ndarray]:
    listed = _listed(measures)
    d, dtype = listed[0].dimension, np.dtype(listed[0].points.dtype)
    if probes is None:
        return [np.zeros((0, d), dtype)] * len(listed)
    arrays = [np.asarray(p, dtype) for p in probes] if isinstance(probes, list | tuple) else [np.asarray(probes, dtype)] * len(listed)
    if len(arrays) != len(listed) or any(p.ndim != 2 or p.shape[1] != d for p in arrays):
        raise InputError(f"probes must be an array (p, {d}), or a list of {len(listed)} of them; got shapes {[p.shape for p in arrays]}")
    return arrays


def _check(task: Task) -> None:
    if task.step is not None and not (np.isfinite(task.step) and task.step > 0):
        raise InputError(f"step must be positive, got {task.step}; leave it out for adaptive steps")
    for name in ("rtol", "atol"):
        value = getattr(task, name)
        if value is not None and not value > 0:
            raise InputError(f"{name} must be positive, got {value}")
    if task.noise is not None:
        if task.step is None:
            raise InputError("noise needs a fixed step: give step, much shorter than the time scales of the law and than kappa")
        if task.rates or task.dense or task.solver is not None:
            raise InputError("with noise there are no rates, no dense output and no solver of diffrax; leave them out")
        if not isinstance(task.field.space, Sphere | Euclidean):
            raise InputError(f"noise in {type(task.field.space).__name__} coordinates is not defined; use Sphere() or Euclidean()")
    if task.resume is not None and task.dense:
        raise InputError("dense output begins at time 0, and resume would leave it out; drop one of the two")
    for x in [*(np.asarray(mu.points) for mu in task.measures), *task.probes]:
        task.field.space.check(x)
