"""A flow of a field, and what is measured on it."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from .._brief import brief
from ..diagnostics import EnergyOf, clusters, energy_of, interaction_energy
from ..errors import InputError
from ..fields import Hardmax, ParticleField
from ..fields.layers import MixLN, PeriLN, PreLN
from ..flows import Checkpoint, Moments, Stop, Trajectory, flow
from ..flows.evolve import times_of
from ..geometry import Sphere, normalize
from ..measures import Empirical
from ..measures.clouds import Label
from .depth import kept_layers, through_layers

# Two tokens of a cluster have a cosine of at least 0.999, as in the phase diagrams of arXiv:2312.10794.
CLUSTER_ANGLE = float(np.arccos(0.999))
_ROUNDING = 1e-12
NO_FUNCTIONAL = "no Lyapunov functional is known for this field; the energy shown is the one of softmax with Q = K = V = I"
SLIDING = "hardmax jumps where the best atom changes, and adaptive steps crawl while tokens slide along such a place: give flow.step"


@dataclass(frozen=True)
class Simulation:
    """What to run.

    Attributes:
        measures: the initial measures by label; they do not see each other.
        field: a law in a space.
        horizon: T, in the unit of time of the law.
        saves: number of intervals between saved times; or these times.
        options: further keywords of ``evolve`` (rtol, atol, step, noise, events, kernel, max_steps).
        angle: tokens closer than that, in radians, belong to one cluster.
        audit: whether to integrate the dissipation too and compare with the energy (twice the work).
        probes: passive points (p, d) that follow every measure and have no influence.
        scheme: ``PostLN(eta)``, say, for the layers of a network in place of the flow (``through_layers``: no options, audit or probes).
        largest_step: as in ``run_layers``.
    """

    measures: dict[Label, Empirical]
    field: ParticleField
    horizon: float
    saves: int | np.ndarray = 50
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    angle: float = CLUSTER_ANGLE
    audit: bool = False
    probes: np.ndarray | None = None
    scheme: Any = None
    largest_step: float = 1.0
    __repr__ = brief

    @property
    def times(self) -> np.ndarray:
        """The times at which states are saved, if it does not end early."""
        if self.scheme is None:
            return times_of(self.saves, self.horizon)
        return float(self.scheme.eta) * kept_layers(self.horizon, float(self.scheme.eta), self.saves)


def simulate(
    simulation: Simulation,
    progress: Callable[[float], None] | None = None,
    *,
    keep: Callable[[Checkpoint], None] | None = None,
    resume: Checkpoint | None = None,
    into: Moments | None = None,
) -> tuple[Trajectory, dict]:
    """Run it.

    Args:
        simulation: what to run.
        progress: called with the time after every step.
        keep, resume, into: as in ``evolve``; layers do not use them.

    Returns:
        The trajectory and a summary, ready for JSON: ``energy_initial``, ``energy_final`` (means over the measures if there are several),
        ``energy_monotone`` (the law's own functional where one is known, which ``energy`` says; at the saved times, in the direction in
        which the law drives it), ``clusters`` (in all), ``max_norm_error`` (over all saved times; None in R^d), ``steps``, ``kernel``
        ("dense" or "harmonic"; more under ``sums``), ``wall_s``, and ``status`` ("blow_up" if one measure did), ``stop``, ``time``,
        ``events``, ``measures`` (each with its own ``status`` and ``time``).
    """
    start = time.perf_counter()
    structure = energy_of(simulation.field)
    result = _run(simulation, structure, progress, {"keep": keep, "resume": resume, "into": into})
    energy = result.quantities["energy"]
    ends = result.measures
    places = [np.asarray(mu.points) if simulation.scheme is None else normalize(np.asarray(mu.points)) for mu in ends]
    found = [clusters(x, simulation.angle, np.asarray(mu.weights)).count for x, mu in zip(places, ends, strict=True)]
    monotone, account = _account(result, structure, _normalisation(simulation.field, structure))
    summary = {
        "energy_initial": _number(energy[:, 0].mean()),
        "energy_final": _number(energy[:, -1].mean()),
        "energy_monotone": monotone,
        "clusters": int(sum(found)),
        "max_norm_error": float(result.quantities["norm_error"].max()) if _spherical(simulation) else None,
        "steps": result.steps,
        "kernel": result.kernel.name,
        "wall_s": time.perf_counter() - start,
        "status": _status(result),
        "stop": result.stop.name.lower(),
        "stop_reason": _reason(result, simulation.field),
        "time": float(result.times[-1]),
        "rejected": result.rejected,
        "drift": result.drift,
        "events": [{"kind": h.kind, "time": h.time, "measure": h.measure, "value": _number(h.value)} for h in result.happenings],
        "energy": account,
        "sums": dataclasses.asdict(result.kernel),
        "measures": [
            {
                "label": label,
                "n": mu.size,
                "status": stop.name.lower(),
                "time": float(end),
                "clusters": count,
                "energy_initial": _number(e[0]),
                "energy_final": _number(e[-1]),
            }
            for (label, mu), stop, end, count, e in zip(simulation.measures.items(), result.stops, result.ends, found, energy, strict=True)
        ],
    }
    return result, summary


def _run(simulation: Simulation, structure: EnergyOf | None, progress: Any, states: dict[str, Any]) -> Trajectory:
    energy, field, measures = _energy(simulation.field, structure), simulation.field, list(simulation.measures.values())
    quantities = {"energy": energy, "norm_error": _norm_error}
    if simulation.scheme is not None:
        quantities["energy"] = lambda x, w: energy(normalize(x), w)
        return through_layers(
            field.law, simulation.scheme, measures, simulation.horizon, simulation.saves, mask=field.mask,
            largest_step=simulation.largest_step, quantities=quantities,
        )  # fmt: skip
    rates = structure.watch()["rates"] if structure and simulation.audit and "noise" not in simulation.options else None
    return flow(
        field, measures, simulation.horizon, saveat=simulation.saves, progress=progress, quantities=quantities, rates=rates,
        probes=simulation.probes, **states, **simulation.options,
    )  # fmt: skip


def reached(result: Trajectory) -> bool:
    """Whether the flow ended as it was asked to, or as the equation does: a blow-up is a result, a limit of the integrator is none."""
    return not {Stop.STEPS, Stop.STEP_SIZE} & {result.stop, *result.stops}


def _status(result: Trajectory) -> str:
    """How the flow ended: as a whole, or as its least fortunate measure did."""
    reasons = {result.stop, *result.stops}
    return next((stop for stop in (Stop.STEP_SIZE, Stop.STEPS, Stop.BLOW_UP) if stop in reasons), result.stop).name.lower()


def _reason(result: Trajectory, field: Any) -> str:
    """The words for it, and how many measures ended before the flow did."""
    early, n = [stop for stop in result.stops if stop is not result.stop], len(result.stops)
    notes = [f"{early.count(stop)} of {n} measures ended before: {stop.value}" for stop in dict.fromkeys(early)]
    said = "; ".join([result.stop.value, *notes])
    jumps = any(isinstance(part, Hardmax) for part in jax.tree.leaves(field, is_leaf=lambda node: isinstance(node, Hardmax)))
    return said if reached(result) or not jumps else f"{said}; {SLIDING}"


def _energy(field: Any, structure: EnergyOf | None) -> Callable[[Any, Any], float]:
    """The law's own functional, or that of softmax with Q = K = V = I where none is known; infinite where it overflows."""
    beta, normalisation = _beta(field), _normalisation(field, structure)

    def energy(points: Any, weights: Any) -> float:
        with np.errstate(over="ignore", invalid="ignore"):
            try:
                if structure:
                    return structure.energy(points, weights)
                return float(interaction_energy(points, beta, weights, normalisation=normalisation))
            except InputError:
                return float("inf")

    return energy


def _beta(field: Any) -> float:
    law = field.law
    while hasattr(law, "law"):
        law = law.law
    return float(getattr(law, "beta", 1.0))


def _normalisation(field: Any, structure: EnergyOf | None) -> str:
    return (structure or EnergyOf("softmax", _beta(field), None, 1.0)).normalisation


def _account(result: Trajectory, structure: EnergyOf | None, normalisation: str) -> tuple[bool, dict]:
    """Whether the energy is monotone, and what there is to say about it. Times at which it overflows are left out."""
    energy = result.quantities["energy"]
    falling = structure is not None and structure.pace < 0
    largest, defect = 0.0, None
    for i, values in enumerate(energy):
        known = np.isfinite(values)
        if not known.any():
            continue
        e = -values[known] if falling else values[known]
        scale = max(float(abs(e).max()), 1e-300)
        largest = max(largest, float((np.maximum.accumulate(e) - e).max()) / scale)
        if "dissipation" in result.integrals:
            gap = abs(values - values[0] - result.integrals["dissipation"][i])[known]
            defect = max(defect or 0.0, float(gap.max()) / scale)
    account = {
        "gradient_flow": structure is not None,
        "functional": (structure or EnergyOf("softmax", 1.0, None, 1.0)).formula,
        "direction": "falls" if falling else "rises",
        "normalisation": normalisation,
        "largest_setback": largest,
    }
    account |= {} if structure else {"note": NO_FUNCTIONAL}
    return largest <= _ROUNDING, account if defect is None else {**account, "identity_defect": defect}


def _norm_error(points: Any, _: Any) -> float:
    """The largest | |x| - 1 |; of no interest in R^d."""
    return float(abs(np.linalg.norm(points, axis=-1) - 1).max())


def _spherical(simulation: Simulation) -> bool:
    """Whether every state is on the sphere; some schemes let radii grow."""
    return isinstance(simulation.field.space, Sphere) and not isinstance(simulation.scheme, PreLN | MixLN | PeriLN)


def _number(value: float) -> float | None:
    """A number that JSON knows."""
    return float(value) if np.isfinite(value) else None
