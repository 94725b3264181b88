"""One step of a flow of a field, compiled: deterministic with an error estimate, or with noise."""

from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp

from ..geometry import Sphere, exp, norm, tangent


class Taken(NamedTuple):
    """An attempt: the state after it; for each measure (N,) its error in units of the tolerance, whether it is finite, and the speed of its
    fastest token; how far points left the sphere, and what the interpolant needs."""

    state: Any
    error: Any
    finite: Any
    drift: Any
    speed: Any
    dense: Any


@eqx.filter_jit
def attempt(field, solver, rates, state, weights, alive, t, h, tolerances) -> Taken:
    """One step from t to t + h of tokens (N, n, d) and of the integrals of the rates, (N,) each.

    Measures that are not ``alive`` (N,) stay where they are. ``tolerances`` are (rtol, atol), or None if no error is asked for.
    """

    x, sums, error, dense = _step(field, solver, rates, state, weights, alive, t, h)
    scaled = jnp.zeros(alive.shape, x.dtype)
    if tolerances is not None:
        rtol, atol = tolerances
        pairs = zip(jax.tree.leaves(error), jax.tree.leaves(state), jax.tree.leaves((x, sums)), strict=True)
        parts = [abs(e) / (atol + rtol * jnp.maximum(abs(a), abs(b))) for e, a, b in pairs]
        scaled = jnp.max(jnp.stack([part.reshape(len(alive), -1).max(-1) for part in parts]), axis=0)
    return _taken(field, x, sums, scaled, weights, alive, t + h, dense)


@eqx.filter_jit
def several(field, solver, rates, state, weights, alive, t, h, count) -> tuple[Any, Any, Any]:
    """``count`` steps of length h at a stretch, unobserved: the state, how far it left the sphere, whether all is finite."""

    def step(i, carry):
        state, drift = carry
        x, sums, _, _ = _step(field, solver, rates, state, weights, alive, t + i * h, h)
        return (field.space.retract(x), sums), jnp.maximum(drift, _drift(field, x))

    state, drift = jax.lax.fori_loop(0, count, step, (state, jnp.asarray(0.0, t.dtype)))
    return state, drift, jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state)]).all()


def _step(field, solver, rates, state, weights, alive, t, h):
    """Tokens (before they are put back into the space), integrals, their errors, and the interpolant, after one step."""

    def slope(time, y, _):
        v = jnp.where(alive[:, None, None], _velocity(field, y[0], weights, time), 0)
        sums = {name: rate(field.space.tokens(y[0], time), v, weights) for name, rate in rates.items()}
        return v, {name: jnp.where(alive, value, 0) for name, value in sums.items()}

    term = diffrax.ODETerm(slope)
    memory = solver.init(term, t, t + h, state, None)
    (x, sums), error, dense, _, _ = solver.step(term, t, t + h, state, None, memory, made_jump=True)
    return x, sums, error, dense


@eqx.filter_jit
def noisy(field, kappa, heun, state, weights, alive, t, h, key) -> Taken:
    """One step of dX = v dt + sqrt(2/kappa) dW."""
    x = state[0]
    kick = jnp.sqrt(2 * h / kappa) * jax.random.normal(key, x.shape, x.dtype)

    def push(y, time):
        moved = h * field(y, y, weights, time) + (tangent(y, kick) if isinstance(field.space, Sphere) else kick)
        return jnp.where(alive[:, None, None], moved, 0)

    first = push(x, t)
    if heun:
        y = x + (first + push(field.space.retract(x + first), t + h)) / 2
    else:
        y = exp(x, first) if isinstance(field.space, Sphere) else x + first
    return _taken(field, y, {}, jnp.zeros(alive.shape, x.dtype), weights, alive, t + h, None)


def _taken(field, x, sums, error, weights, alive, t, dense) -> Taken:
    y = field.space.retract(x)
    speed = jnp.where(alive, norm(_velocity(field, y, weights, t))[..., 0].max(-1), 0)
    finite = jnp.isfinite(y).all((1, 2)) & jnp.isfinite(speed) & jnp.isfinite(error)
    return Taken((y, sums), error, finite, _drift(field, x), speed, dense)


def _velocity(field, x, weights, t):
    """v at the tokens (N, n, d). A single measure goes without the axis of the batch, because its matrix products are faster so."""
    return field(x[0], x[0], weights[0], t)[None] if x.shape[0] == 1 else field(x, x, weights, t)


def _drift(field, x):
    return jnp.max(abs(norm(x) - 1)) if isinstance(field.space, Sphere) else jnp.asarray(0.0, x.dtype)


@eqx.filter_jit
def look(field, solver, dense, t0, t1, t):
    """The tokens at time t inside a step, by the solver's interpolant, back in the space."""
    return field.space.retract(solver.interpolation_cls(t0=t0, t1=t1, **dense).evaluate(t)[0])


@eqx.filter_jit
def speeds(field, x, weights, t):
    """The fastest token of each measure, shape (N,)."""
    return norm(_velocity(field, x, weights, t))[..., 0].max(-1)
