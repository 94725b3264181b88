"""A flow of a field, and what is measured on it."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..diagnostics import EnergyOf, clusters, energy_of, interaction_energy
from ..errors import InputError
from ..fields import ParticleField
from ..flows import Stop, Trajectory, flow
from ..geometry import Sphere
from ..measures import Empirical
from ..measures.clouds import Label

# Two tokens of a cluster have a cosine of at least 0.999, as in the phase diagrams of arXiv:2312.10794.
CLUSTER_ANGLE = float(np.arccos(0.999))
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Simulation:
    """What to run.

    Attributes:
        measures: the initial measures by label; they do not see each other.
        field: a law in a space.
        horizon: T, in the unit of time of the law.
        saves: number of intervals between saved times.
        options: further keywords of ``evolve`` (rtol, atol, step, noise, events, kernel, max_steps).
        angle: tokens closer than that, in radians, belong to one cluster.
        audit: whether to integrate the dissipation too and compare with the energy (twice the work).
    """

    measures: dict[Label, Empirical]
    field: ParticleField
    horizon: float
    saves: int = 50
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    angle: float = CLUSTER_ANGLE
    audit: bool = False


def simulate(simulation: Simulation, progress: Callable[[float], None] | None = None) -> tuple[Trajectory, dict]:
    """Run it.

    Args:
        simulation: what to run.
        progress: called with the time after every step.

    Returns:
        The trajectory and a summary, ready for JSON: ``energy_initial``, ``energy_final`` (means over the measures if there are several),
        ``energy_monotone`` (at the saved times, in the direction in which the law drives it), ``clusters`` (in all), ``max_norm_error``
        (over all saved times; None in R^d), ``steps``, ``kernel`` ("dense" or "harmonic"; more under ``sums``), ``wall_s``, and ``stop``,
        ``time``, ``events``, ``measures``.
    """
    start = time.perf_counter()
    structure = energy_of(simulation.field)
    rates = structure.watch()["rates"] if structure and simulation.audit and "noise" not in simulation.options else None
    result = flow(
        simulation.field, list(simulation.measures.values()), simulation.horizon, saveat=simulation.saves, progress=progress,
        quantities={"energy": _energy(simulation.field, structure)}, rates=rates, **simulation.options,
    )  # fmt: skip
    energy = result.quantities["energy"]
    ends = result.measures
    found = [clusters(np.asarray(mu.points), simulation.angle, np.asarray(mu.weights)).count for mu in ends]
    monotone, account = _account(result, structure, _normalisation(simulation.field, structure))
    summary = {
        "energy_initial": _number(energy[:, 0].mean()),
        "energy_final": _number(energy[:, -1].mean()),
        "energy_monotone": monotone,
        "clusters": int(sum(found)),
        "max_norm_error": _norm_error(result) if isinstance(simulation.field.space, Sphere) else None,
        "steps": result.steps,
        "kernel": result.kernel.name,
        "wall_s": time.perf_counter() - start,
        "stop": result.stop.name.lower(),
        "stop_reason": result.stop.value,
        "time": float(result.times[-1]),
        "rejected": result.rejected,
        "drift": result.drift,
        "events": [{"kind": h.kind, "time": h.time, "measure": h.measure, "value": _number(h.value)} for h in result.happenings],
        "energy": account,
        "sums": dataclasses.asdict(result.kernel),
        "measures": [
            {"label": label, "n": mu.size, "clusters": count, "energy_initial": _number(e[0]), "energy_final": _number(e[-1])}
            for (label, mu), count, e in zip(simulation.measures.items(), found, energy, strict=True)
        ],
    }
    return result, summary


def reached(result: Trajectory) -> bool:
    """Whether the flow ended as it was asked to, and not because something went wrong."""
    return result.stop in (Stop.HORIZON, Stop.CONVERGED, Stop.EVENT)


def _energy(field: Any, structure: EnergyOf | None) -> Callable[[Any, Any], float]:
    """The energy of the law, or that of Q = K = V = I to look at where it has none; infinite if tokens are so far out that it overflows."""
    beta, normalisation = _beta(field), _normalisation(field, structure)

    def energy(points: Any, weights: Any) -> float:
        with np.errstate(over="ignore"):
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
    return (structure or EnergyOf("", _beta(field), None, 1.0)).normalisation


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
        "direction": "falls" if falling else "rises",
        "normalisation": normalisation,
        "largest_setback": largest,
    }
    return largest <= _ROUNDING, account if defect is None else {**account, "identity_defect": defect}


def _norm_error(result: Trajectory) -> float:
    return float(max(abs(np.linalg.norm(x, axis=-1) - 1).max() for x in result.points))


def _number(value: float) -> float | None:
    """A number that JSON knows."""
    return float(value) if np.isfinite(value) else None
