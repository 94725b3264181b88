"""The original equation, integrated: no closed form, error control in every segment, all measures under the same theta."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from .._brief import brief
from ..errors import InputError
from ..measures import Empirical
from ..schedule import Schedule

METHOD = "adaptive Dormand-Prince 8(7) (diffrax), float64, segment by segment"
_CHUNK = 64


@dataclass(frozen=True)
class Integration:
    """The outcome of ``integrate``.

    Attributes:
        measures: the measures at time T.
        steps: accepted steps, summed over the segments.
        drift: the largest | |x| - 1 | found at the end of a segment, before the points were normalised.
        failed_segment: index of the first segment whose integration gave up, or None.
    """

    measures: list[Empirical]
    steps: int
    drift: float
    failed_segment: int | None
    __repr__ = brief


def integrate(
    schedule: Schedule,
    measures: list[Empirical],
    *,
    rtol: float = 1e-10,
    atol: float = 1e-10,
    progress: Callable[[int], None] | None = None,
) -> Integration:
    r"""Solve x' = P_x (V A_B[mu](x) + W (U x + b)_+) for every token of every measure, through all the segments.

    The error estimate of each step stays below atol + rtol |x| in every coordinate of every token. Points are normalised at the end of each
    segment. Runs in float64 whatever JAX's global setting, and leaves that setting alone.

    Args:
        schedule: theta on [0, T].
        measures: empirical measures of the schedule's dimension; they may differ in size.
        rtol, atol: local tolerances.
        progress: called with the number of segments done, every few dozen segments.

    Raises:
        InputError: the dimensions differ.
    """
    import jax
    import jax.numpy as jnp

    if any(mu.dimension != schedule.dimension for mu in measures):
        raise InputError(
            f"measures of dimension {[mu.dimension for mu in measures]} cannot follow a schedule of dimension {schedule.dimension}"
        )
    size = max(mu.size for mu in measures)
    # Padding repeats the first atom with weight zero: it goes along and has no influence.
    points = np.stack([np.concatenate([mu.points, np.repeat(mu.points[:1], size - mu.size, axis=0)]) for mu in measures])
    weights = np.stack([np.concatenate([mu.weights, np.zeros(size - mu.size)]) for mu in measures])
    steps, drift, failed = 0, 0.0, None
    with jax.enable_x64(True):
        kernel = _kernel(any(s.field.B is not None and bool(np.any(s.field.B)) for s in schedule))
        state, weights = jnp.asarray(points, float), jnp.asarray(weights, float)
        for start in range(0, len(schedule), _CHUNK):
            chunk = _stack(schedule, start)
            state, (used, off, good) = kernel(state, weights, chunk, rtol, atol)
            steps, drift = steps + int(used.sum()), max(drift, float(off.max()))
            if failed is None and not bool(good.all()):
                failed = start + int(np.argmin(np.asarray(good)))
            if progress:
                progress(min(start + _CHUNK, len(schedule)))
        final = np.asarray(state)
    return Integration([mu.moved(x[: mu.size]) for mu, x in zip(measures, final, strict=True)], steps, drift, failed)


def _stack(schedule: Schedule, start: int) -> dict[str, np.ndarray]:
    """The parameters of up to _CHUNK segments, zeros written out, padded with segments of duration zero."""
    d, h = schedule.dimension or 0, max(schedule.width, 1)
    shapes = {"V": (d, d), "B": (d, d), "W": (d, h), "U": (h, d), "b": (h,)}
    stacked: dict[str, np.ndarray] = {name: np.zeros((_CHUNK, *shape)) for name, shape in shapes.items()}
    stacked["duration"] = np.zeros(_CHUNK)
    for k, segment in enumerate(schedule.segments[start : start + _CHUNK]):
        stacked["duration"][k] = segment.duration
        for name in shapes:
            if (value := getattr(segment.field, name)) is not None:
                stacked[name][(k, *map(slice, value.shape))] = value
    return stacked


@cache
def _kernel(scores: bool):
    """The compiled chunk. Without scores anywhere attention is the mean, and no n x n matrix is ever made."""
    import diffrax
    import equinox as eqx
    import jax
    import jax.numpy as jnp

    from ..fields import attention, perceptron
    from ..geometry import norm, normalize, tangent

    @eqx.filter_jit
    def run(state, weights, chunk, rtol, atol):
        controller = diffrax.PIDController(rtol=rtol, atol=atol, norm=lambda y: jnp.max(jnp.abs(y)))

        def velocity(t, x, theta):
            attends = jnp.any(theta["V"] != 0)
            B = theta["B"] if scores else None
            v = jax.lax.cond(attends, lambda: attention(x, x, weights, B) @ theta["V"].T, lambda: jnp.zeros_like(x))
            return theta["duration"] * tangent(x, v + perceptron(x, theta["W"], theta["U"], theta["b"]))

        def segment(x, theta):
            def solve():
                solution = diffrax.diffeqsolve(
                    diffrax.ODETerm(velocity), diffrax.Dopri8(), 0.0, 1.0, None, x, theta,
                    stepsize_controller=controller, max_steps=16_384, throw=False,
                )  # fmt: skip
                assert solution.ys is not None
                end = solution.ys[-1]
                good = (solution.result == diffrax.RESULTS.successful) & jnp.isfinite(end).all()
                return normalize(end), (solution.stats["num_accepted_steps"], jnp.max(jnp.abs(norm(end) - 1)), good)

            idle = (x, (jnp.asarray(0), jnp.asarray(0.0, x.dtype), jnp.asarray(True)))
            return jax.lax.cond(theta["duration"] > 0, solve, lambda: idle)

        return jax.lax.scan(segment, state, chunk)

    return run
