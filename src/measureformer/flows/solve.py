"""Solve: theta, mu -> mu(T). Closed forms where they exist, adaptive integration otherwise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, overload

import numpy as np

from .._brief import brief
from ..errors import InputError
from ..fields import TransformerField
from ..geometry import norm, normalize
from ..measures import Empirical
from ..schedule import Schedule, Segment
from .boost import boost, constant_field
from .evolve import evolve
from .gated import gate_of, gated_flow
from .lines import line_blocks, line_flow
from .meanfield import meanfield_flow, rank_one
from .ode import integrate_ode
from .shear import is_shear, shear
from .trajectory import Trajectory


@dataclass(frozen=True)
class FlowResult:
    """What a flow did.

    Attributes:
        measures: the measures at the end, in the order given.
        methods: how many segments were executed by which method ("boost", "shear", "line", "gate",
            "mean field", "integrated").
        drift: the largest | |x| - 1 | of an integrated segment before it was normalised (0 if none was integrated).
        steps: integration steps in all.
    """

    measures: list[Empirical]
    methods: dict[str, int] = field(default_factory=dict)
    drift: float = 0.0
    steps: int = 0
    __repr__ = brief


@overload
def flow(
    theta: Schedule,
    measures: list[Empirical],
    horizon: None = None,
    *,
    rtol: float = 1e-12,
    atol: float = 1e-12,
    observe: Callable[[int, list[Empirical]], None] | None = None,
) -> FlowResult: ...
@overload
def flow(theta: Any, measures: Empirical | Sequence[Empirical], horizon: float, **how: Any) -> Trajectory: ...
def flow(theta: Any, measures: Any, horizon: float | None = None, **how: Any) -> FlowResult | Trajectory:
    """Carry measures through a schedule, or along a field for a time; each under its own mean field and all under the same theta.

    A schedule says how long it lasts, so it takes no horizon: ``through``. A field does not: ``evolve``, whose keywords are those of
    the second form.

    Args:
        theta: a ``Schedule``; or a field, ``ParticleField(law, space)`` or ``TransformerField``.
        measures: empirical measures; for a field one alone will do.
        horizon: T > 0, for a field.
        how: keywords of ``through`` (rtol, atol, observe) or of ``evolve`` (saveat, step, probes, events, noise, ...).

    Returns:
        For a schedule what it did, for a field the trajectory; both have ``measures``.

    Raises:
        InputError: a horizon for a schedule, or none for a field; and as in ``evolve``.
    """
    if isinstance(theta, Schedule):
        if horizon is not None:
            raise InputError(f"a schedule has a horizon of its own, {theta.horizon}; use theta.rescale({horizon}) to change it")
        return through(theta, measures, **how)
    if horizon is None:
        raise InputError("a field needs a horizon: flow(field, measures, horizon)")
    return evolve(theta, measures, horizon, **how)


def through(
    schedule: Schedule,
    measures: list[Empirical],
    *,
    rtol: float = 1e-12,
    atol: float = 1e-12,
    observe: Callable[[int, list[Empirical]], None] | None = None,
) -> FlowResult:
    """Carry measures through a schedule.

    Segment by segment, so that an integrator never steps over a switch: boosts, shears, flows along lines, gated great circles and
    mean-field attention of rank one by their closed forms; anything else by ``integrate_ode``, normalised at the end of the segment.

    Args:
        schedule: theta on [0, T].
        measures: any number of empirical measures on the sphere; NumPy or JAX.
        rtol, atol: tolerances of the integrated segments.
        observe: called as ``observe(k, measures)`` after k segments (also for k = 0).
    """
    measures = list(measures)
    methods: dict[str, int] = {}
    drift, steps = 0.0, 0
    if observe:
        observe(0, measures)
    for k, segment in enumerate(schedule):
        exact = exact_flow(segment)
        if exact is not None:
            method, move = exact
            measures = [mu.moved(move(mu)) for mu in measures]
        else:
            method = "integrated"
            for i, mu in enumerate(measures):
                points, off, used = _integrate(segment, mu, rtol, atol)
                measures[i], drift, steps = mu.moved(points), max(drift, off), steps + used
        methods[method] = methods.get(method, 0) + 1
        if observe:
            observe(k + 1, measures)
    return FlowResult(measures, methods, drift, steps)


def exact_flow(segment: Segment) -> tuple[str, Callable[[Empirical], np.ndarray]] | None:
    """The closed form of a segment's flow, as (name, function of the measure), or None if there is none."""
    f, t = segment.field, segment.duration
    if f.V is None and f.W is None:
        return "identity", lambda mu: mu.points
    if (w := constant_field(f)) is not None:
        return "boost", lambda mu: boost(mu.points, t * w)
    if is_shear(f):
        return "shear", lambda mu: shear(mu.points, f.W, f.U, t)
    if (blocks := line_blocks(f)) is not None:
        return "line", lambda mu: line_flow(mu.points, f.W, f.U, t, blocks=blocks)
    if (gate := gate_of(f)) is not None:
        return "gate", lambda mu: gated_flow(mu.points, *gate, t)
    if (axis := rank_one(f)) is not None:
        alpha, sign = axis
        return "mean field", lambda mu: meanfield_flow(mu, alpha, t, sign=sign)
    return None


def _integrate(segment: Segment, mu: Empirical, rtol: float, atol: float):
    field_: TransformerField = segment.field
    result = integrate_ode(lambda x: field_(x, x, mu.weights), mu.points, segment.duration, rtol=rtol, atol=atol)
    return normalize(result.value), float(abs(norm(result.value) - 1).max()), int(result.steps)
