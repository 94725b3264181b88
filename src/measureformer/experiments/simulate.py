"""A flow of a field, and what is measured on it."""

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..diagnostics import clusters, energy_of, interaction_energy
from ..fields import ParticleField
from ..fields.particle import BLOCK
from ..flows import Noise, Stop, Trajectory, flow
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
        options: further keywords of ``evolve`` (rtol, atol, step, noise, events, max_steps).
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
        (over all saved times; None in R^d), ``steps``, ``kernel``, ``wall_s``, and ``stop``, ``time``, ``events``, ``measures``.
    """
    start = time.perf_counter()
    structure = energy_of(simulation.field)
    noisy = isinstance(simulation.options.get("noise"), Noise)
    watch = structure.watch() if structure else {"quantities": {"energy": _plain_energy(simulation.field)}}
    if not simulation.audit or noisy:
        watch.pop("rates", None)
    result = flow(
        simulation.field, list(simulation.measures.values()), simulation.horizon, saveat=simulation.saves, progress=progress,
        **watch, **simulation.options,
    )  # fmt: skip
    energy = result.quantities["energy"]
    rising = energy if structure is None or structure.pace > 0 else -energy
    falls = np.maximum.accumulate(rising, axis=1) - rising
    scale = np.maximum(abs(energy).max(axis=1, keepdims=True), 1e-300)
    ends = result.measures
    found = [clusters(np.asarray(mu.points), simulation.angle, np.asarray(mu.weights)).count for mu in ends]
    size = max(mu.size for mu in ends)
    summary = {
        "energy_initial": _number(energy[:, 0].mean()),
        "energy_final": _number(energy[:, -1].mean()),
        "energy_monotone": bool((falls <= _ROUNDING * scale).all()),
        "clusters": int(sum(found)),
        "max_norm_error": _norm_error(result) if isinstance(simulation.field.space, Sphere) else None,
        "steps": result.steps,
        "kernel": "dense" if size * size * len(ends) <= BLOCK else "blocks of queries",
        "wall_s": 0.0,
        "stop": result.stop.name.lower(),
        "stop_reason": result.stop.value,
        "time": float(result.times[-1]),
        "rejected": result.rejected,
        "drift": result.drift,
        "events": [{"kind": h.kind, "time": h.time, "measure": h.measure, "value": _number(h.value)} for h in result.happenings],
        "energy": {
            "gradient_flow": structure is not None,
            "direction": "falls" if structure is not None and structure.pace < 0 else "rises",
            "normalisation": structure.normalisation if structure else _plain_normalisation(simulation.field),
            "largest_fall": _number(float(falls.max())),
        },
        "measures": [
            {"label": label, "n": mu.size, "clusters": count, "energy_initial": _number(e[0]), "energy_final": _number(e[-1])}
            for (label, mu), count, e in zip(simulation.measures.items(), found, energy, strict=True)
        ],
    }
    if "dissipation" in result.integrals:
        defect = abs(energy - energy[:, :1] - result.integrals["dissipation"]).max()
        summary["energy"]["identity_defect"] = _number(float(defect / scale.max()))
    summary["wall_s"] = time.perf_counter() - start
    return result, summary


def reached(result: Trajectory) -> bool:
    """Whether the flow ended as it was asked to, and not because something went wrong."""
    return result.stop in (Stop.HORIZON, Stop.CONVERGED, Stop.EVENT)


def _plain_beta(field: Any) -> float:
    law = field.law
    while hasattr(law, "law"):
        law = law.law
    beta = getattr(law, "beta", 1.0)
    return 1.0 if callable(beta) else float(beta)


def _plain_normalisation(field: Any) -> str:
    beta = _plain_beta(field)
    return "centred" if beta <= 0 else "measure" if beta <= 300 else "unit"


def _plain_energy(field: Any) -> Callable[[Any, Any], float]:
    """The energy of Q = K = V = I, to look at where the law has none of its own."""
    beta, normalisation = _plain_beta(field), _plain_normalisation(field)

    def energy(points: Any, weights: Any) -> float:
        with np.errstate(over="ignore"):
            try:
                return float(interaction_energy(points, beta, weights, normalisation=normalisation))
            except ValueError:  # tokens of R^d may be far out
                return float("inf")

    return energy


def _norm_error(result: Trajectory) -> float:
    return float(max(abs(np.linalg.norm(x, axis=-1) - 1).max() for x in result.points))


def _number(value: float) -> float | None:
    """A number that JSON knows."""
    return float(value) if np.isfinite(value) else None
