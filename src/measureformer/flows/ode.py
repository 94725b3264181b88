"""Adaptive integration of x' = f(x) over a given time: SciPy for NumPy states, diffrax for JAX states."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import numpy as np

from .._types import Array


class OdeResult(NamedTuple):
    """The state at the end and the number of steps (for SciPy: accepted steps)."""

    value: Array
    steps: int | jax.Array


def integrate_ode(
    velocity: Callable[[Array], Array], start: Array, duration: float, *, rtol: float = 1e-12, atol: float = 1e-12
) -> OdeResult:
    """Solve x' = velocity(x), x(0) = start, up to time ``duration`` >= 0 with an 8th-order Dormand-Prince pair and error control.

    Args:
        velocity: autonomous field; keeps shape and dtype.
        start: state of any shape.
        duration: length of the interval.
        rtol, atol: local error per step is kept below atol + rtol |x|, componentwise (SciPy) or in the root mean square (diffrax).

    Raises:
        RuntimeError: the step size fell to zero (SciPy) or the step limit was hit (diffrax).
    """
    if isinstance(start, jax.Array):
        return _diffrax(velocity, start, duration, rtol, atol)
    from scipy.integrate import solve_ivp

    shape = np.shape(start)
    solution = solve_ivp(
        lambda _, y: np.ravel(velocity(y.reshape(shape))),
        (0.0, duration),
        np.ravel(start),
        method="DOP853",
        rtol=max(rtol, 3e-14),
        atol=atol,
    )
    if not solution.success:
        raise RuntimeError(f"integration stopped at time {solution.t[-1]:.3g} of {duration:.3g}: {solution.message}")
    return OdeResult(solution.y[:, -1].reshape(shape), solution.t.size - 1)


def _diffrax(velocity, start, duration, rtol, atol) -> OdeResult:
    import diffrax

    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: velocity(y)),
        diffrax.Dopri8(),
        t0=0.0,
        t1=duration,
        dt0=None,
        y0=start,
        stepsize_controller=diffrax.PIDController(rtol=rtol, atol=atol),
        max_steps=100_000,
    )
    assert solution.ys is not None
    return OdeResult(solution.ys[-1], solution.stats["num_accepted_steps"])
