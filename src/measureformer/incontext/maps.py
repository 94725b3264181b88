"""In-context maps G(mu, x): where a point goes, seen the measure. They compose, and push measures forward."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from ..flows import flow, integrate_ode
from ..measures import Empirical
from ..schedule import Schedule


class InContextMap(eqx.Module):
    r"""A map $G : P(\Omega) \times \Omega \to R^{d'}$ and the map of measures that it induces, $f_G(\mu) = G(\mu, \cdot)_\# \mu$.

    ``first >> second`` is the composition of Transformers, $(G_2 \diamond G_1)(\mu, x) = G_2(G_1(\mu,\cdot)_\#\mu,\, G_1(\mu, x))$: it is
    associative, and $f_{G_2 \diamond G_1} = f_{G_2} \circ f_{G_1}$. The points x need not be atoms of mu.

    Args:
        at: the function (mu, x (q, d)) -> (q, d'), row by row.
        name: for messages.

    References:
        Furuya, de Hoop, Peyré, arXiv:2408.01367; Furuya, de Hoop, Lassas, arXiv:2509.25611.

    Example:
        >>> centred = InContextMap(lambda mu, x: x - mu.mean())
        >>> centred.push(Empirical(np.array([[0.0], [2.0]]))).points.tolist()
        [[-1.0], [1.0]]
    """

    at: Callable[[Empirical, Any], Any]
    name: str = eqx.field(static=True, default="in-context map")

    def __call__(self, mu: Empirical, x: Float[Array, "q d"]) -> Float[Array, "q k"]:
        """G(mu, x) for each row x.

        Raises:
            InputError: the function returns another number of rows.
        """
        y = self.at(mu, x)
        if y.ndim != 2 or y.shape[0] != x.shape[0]:
            raise InputError(f"{self.name} returns an array of shape {y.shape} for {x.shape[0]} points; it must have one row for each")
        return y

    def push(self, mu: Empirical) -> Empirical:
        """f_G(mu): atom x_i of mu goes to G(mu, x_i) with its mass."""
        return mu.moved(self(mu, mu.points))

    def __rshift__(self, after: "InContextMap") -> "InContextMap":
        stages = (*_stages(self), *_stages(after))
        return InContextMap(_Chain(stages), " >> ".join(stage.name for stage in stages))


class _Chain(eqx.Module):
    """Maps in turn, each once, at the atoms and the other points together: deep compositions cost no more than their layers."""

    stages: tuple[InContextMap, ...]

    def __call__(self, mu, x):
        n, alone = mu.size, x is mu.points
        z = x if alone else namespace(mu.points, x).concatenate([mu.points, x])
        for stage in self.stages:
            z = stage(mu, z)
            mu = mu.moved(z if alone else z[:n])
        return z if alone else z[n:]


def _stages(G: InContextMap) -> tuple[InContextMap, ...]:
    return G.at.stages if isinstance(G.at, _Chain) else (G,)


def identity() -> InContextMap:
    """G(mu, x) = x."""
    return InContextMap(lambda mu, x: x, "identity")


def pointwise(function: Callable[[Any], Any]) -> InContextMap:
    """G(mu, x) = F(x): a perceptron, a normalisation; the measure plays no part."""
    return InContextMap(lambda mu, x: function(x), "pointwise map")


def with_probes(mu: Empirical, x: Float[Array, "q d"]) -> Empirical:
    """mu with the points x as atoms of mass zero: they go along and have no influence."""
    xp = namespace(mu.points, x)
    both = xp.concatenate([mu.points, x]), xp.concatenate([mu.weights, xp.zeros(len(x), mu.weights.dtype)])
    return eqx.tree_at(lambda m: (m.points, m.weights), mu, both)


def layer_map(law: Any, *, step: float = 1.0, residual: bool = True, t: float = 0.0) -> InContextMap:
    r"""One layer, $G(\mu, x) = x + h A[\mu](x)$ (without the x if not ``residual``), of a law or of any field.

    Args:
        law: called as ``law(x, points, weights, t)``: a law of attention, ``MultiHead``, ``ParticleField``, ``TransformerField``.
        step: h.
        residual: whether the layer adds to x.
        t: time, for parameters that are functions of it.
    """

    def at(mu, x):
        value = step * law(x, mu.points, mu.weights, t)
        return x + value if residual else value

    return InContextMap(at, f"layer of {type(law).__name__}")


def scheme_map(law: Any, scheme: Any, depth: int) -> InContextMap:
    """A network of ``depth`` layers in one of the schemes of practice (``fields.SCHEMES``), the same law in each."""

    def at(mu, x):
        n, z = mu.size, with_probes(mu, x).points
        for k in range(depth):
            z = scheme.step(z, lambda y, k=k: law(y, y[:n], mu.weights, scheme.eta * k), k)
        return z[n:]

    return InContextMap(at, f"{depth} layers of {type(scheme).__name__}")


def schedule_map(schedule: Schedule, *, rtol: float = 1e-12, atol: float = 1e-12) -> InContextMap:
    """The flow of a schedule on the sphere as an in-context map; the points x go along as probes of mass zero."""

    def at(mu, x):
        return flow(schedule, [with_probes(mu, x)], rtol=rtol, atol=atol).measures[0].points[mu.size :]

    return InContextMap(at, f"schedule of {len(schedule)} segments")


def flow_map(
    field: Any, horizon: float, *, steps: int | None = None, start: float = 0.0, rtol: float = 1e-10, atol: float = 1e-12
) -> InContextMap:
    r"""The solution map X_T of the Vlasov equation $\partial_t \mu + \mathrm{div}(\mu\, v[t, \mu]) = 0$, $\dot X = v[t, \mu_t](X)$.

    It is an in-context map, $X_{s+t} = X_t \diamond X_s$, and for a field that is Lipschitz in (mu, x) it is Lipschitz and its push-forward
    keeps supports. A negative horizon runs backwards.

    Args:
        field: ``ParticleField(law, space)`` or ``TransformerField``, called as ``field(x, points, weights, t)``.
        horizon: T, of any sign.
        steps: that many steps of the classical Runge-Kutta method of order 4, for arrays of NumPy and JAX; if None the Dormand-Prince pair
            of order 8 with error control (time runs as one more coordinate).
        start: the time at which the flow begins, for fields that depend on time.
        rtol, atol: of the error control.

    Raises:
        InputError: the horizon is not finite, or steps < 1.

    References:
        Furuya, de Hoop, Lassas, arXiv:2509.25611, Section on Vlasov flows; Dobrushin 1979 for the estimate.
    """
    if not np.isfinite(horizon):
        raise InputError(f"horizon must be finite, got {horizon}")
    if steps is not None and steps < 1:
        raise InputError(f"steps must be at least 1, got {steps}; leave it out for error control")

    def at(mu, x):
        n, z = mu.size, with_probes(mu, x).points

        def velocity(y, t):
            return field(y, y[:n], mu.weights, t)

        if steps is not None:
            return runge_kutta(velocity, z, start, horizon, steps, field.space.retract)[n:]
        return _controlled(velocity, z, start, horizon, rtol, atol, field.space.retract)[n:]

    return InContextMap(at, f"flow of {type(field).__name__} for time {horizon:g}")


def runge_kutta(velocity: Callable[[Any, float], Any], z: Any, start: float, horizon: float, steps: int, retract: Callable) -> Any:
    """Classical Runge-Kutta of order 4 in equal steps, back in the space after each."""
    h = horizon / steps
    for k in range(steps):
        t = start + k * h
        a = velocity(z, t)
        b = velocity(z + h / 2 * a, t + h / 2)
        c = velocity(z + h / 2 * b, t + h / 2)
        z = retract(z + h / 6 * (a + 2 * b + 2 * c + velocity(z + h * c, t + h)))
    return z


def _controlled(velocity, z, start, horizon, rtol, atol, retract):
    xp = namespace(z)
    sign, d = (1.0 if horizon >= 0 else -1.0), z.shape[1]
    clock = xp.full((len(z), 1), start, z.dtype)

    def moved(state):
        return sign * xp.concatenate([velocity(state[:, :d], state[0, d]), xp.ones_like(clock)], 1)

    return retract(integrate_ode(moved, xp.concatenate([z, clock], 1), abs(horizon), rtol=rtol, atol=atol).value[:, :d])
