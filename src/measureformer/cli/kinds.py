"""What ``sweep`` can run: a configuration in, numbers by name out. A new kind is a constant here and its line in ``KINDS``."""

import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from ..experiments import initial_measure, simulate
from ..experiments.depth import kept_layers
from ..experiments.gaussian import run_gaussian
from ..experiments.simulate import reached
from ..experiments.sweep import Kind, Variable
from ..flows.evolve import times_of
from ..geometry import Sphere, normalize
from ..interpolation.interpolate import STRATEGIES, interpolate
from ..measures import Clouds, read_clouds
from .config import Config, MeasureTable, Table, simulation_of, validated
from .gaussian import gaussian_of

Tables = dict[str, Any]
# Names as sweep.kind has them.
KINDS = {name: f"{__name__}:{name.upper().replace('-', '_')}" for name in ("simulate", "gaussian", "interpolate", "phase-diagram")}


def _simulate(tables: Tables, origin: str) -> dict[str, Any]:
    _, simulation = simulation_of(tables, origin)
    result, summary = simulate(simulation)
    names = (
        "energy_initial",
        "energy_final",
        "energy_monotone",
        "clusters",
        "max_norm_error",
        "steps",
        "rejected",
        "drift",
        "stop",
        "kernel",
    )
    found = {name: summary[name] for name in names}
    energy = result.quantities["energy"].mean(axis=0)
    found |= {"end": summary["time"], "passed": reached(result), "energy": np.where(np.isfinite(energy), energy, np.nan)}
    if isinstance(simulation.field.space, Sphere):
        found["gathered"] = np.mean([_gathered(path, simulation.angle) for path in result.points], axis=0)
        found["gathered_final"] = found["gathered"][-1]
    return found


def _gathered(path: np.ndarray, angle: float) -> np.ndarray:
    """The share of pairs i != j whose directions are closer than the angle, at each time: (T, n, d) to (T,)."""
    n, x = path.shape[1], normalize(path.astype(np.float64))
    return np.array([((y @ y.T > np.cos(angle)).sum() - n) / max(n * (n - 1), 1) for y in x])


def _simulate_variables(tables: Tables) -> dict[str, Variable]:
    config = validated(Config, tables, "")
    flow = config.flow
    if flow.layers is not None and flow.step is not None:
        times = flow.step * kept_layers(flow.horizon, flow.step, flow.saved(""))
    else:
        times = times_of(flow.saved(""), flow.horizon)
    time = {"time": tuple(times.tolist())}
    forms = dict.fromkeys(("energy_initial", "energy_final", "drift", "end"), "number") | dict.fromkeys(("clusters", "steps"), "integer")
    forms |= {"rejected": "integer", "energy_monotone": "truth", "passed": "truth", "stop": "text", "kernel": "text"}
    forms["max_norm_error"] = "number"
    found = {name: Variable(form) for name, form in forms.items()} | {"energy": Variable(axes=time)}
    if config.field.geometry == "sphere":
        found |= {"gathered": Variable(axes=time), "gathered_final": Variable()}
    return found


def _simulate_front(tables: Tables, times: np.ndarray) -> dict[str, np.ndarray]:
    """Known for softmax without matrices on the sphere."""
    from ..dynamics import gamma_curve

    config = validated(Config, tables, "")
    field = config.field
    own = set(field.model_extra or {}) - {"beta"}
    plain = (
        field.law == "softmax"
        and not own
        and field.geometry == "sphere"
        and field.mask == "none"
        and field.scale == 1.0
        and not config.flow.layers
    )
    if not plain or field.perceptron or config.measure.file or config.measure.n < 2:
        return {}
    delta = float(1 - np.cos(config.output.angle))
    return {"d = ∞, orthogonal tokens": np.asarray(gamma_curve(times, config.measure.n, delta=delta))}


SIMULATE = Kind(
    _simulate, lambda tables, origin: void(simulation_of(tables, origin)), _simulate_variables, _simulate_front,
    ("gathered", "share of pairs that have met"),
)  # fmt: skip


def _gaussian(tables: Tables, origin: str) -> dict[str, Any]:
    found = run_gaussian(gaussian_of(tables, origin)[1]).summary
    values = np.array([np.inf if value is None else value for value in found["eigenvalues"]])
    own = {name: found[name] for name in ("rank", "steps")}
    answer = (found["classification"] or {"answer": ""})["answer"]
    return {
        "outcome": found["status"],
        "end": found["time"],
        **own,
        "answer": answer,
        "variance": values.sum(),
        "largest": values.max(),
        "smallest": values.min(),
    }


def _gaussian_variables(tables: Tables) -> dict[str, Variable]:
    forms = {"outcome": "text", "end": "number", "rank": "integer", "steps": "integer", "answer": "text"}
    forms |= dict.fromkeys(("variance", "largest", "smallest"), "number")
    return {name: Variable(form) for name, form in forms.items()}


GAUSSIAN = Kind(_gaussian, lambda tables, origin: void(gaussian_of(tables, origin)), _gaussian_variables)


class CloudsTable(MeasureTable):
    """[sources], [targets]: ``file``, or ``measures`` clouds of a kind, each with its own draw."""

    measures: int = Field(default=2, ge=1)


class PlanTable(Table):
    """[plan]: the options of ``interpolate``; ``certify`` executes the schedule independently."""

    eps: float = Field(gt=0)
    strategy: Literal["auto", "compact", "cells", "paper"] = STRATEGIES[0]  # type: ignore[assignment]
    width: int | None = None
    horizon: float = Field(default=1.0, gt=0)
    seed: int = Field(default=0, ge=0)
    certify: bool = True


class InterpolateConfig(Table):
    """A job of the kind "interpolate"."""

    sources: CloudsTable = Field(default_factory=lambda: CloudsTable())
    targets: CloudsTable = Field(default_factory=lambda: CloudsTable(seed=1))
    plan: PlanTable


def _clouds(table: CloudsTable, name: str, origin: str) -> Clouds:
    if table.file is not None:
        return read_clouds(Path(origin).parent / table.file, normalize=table.normalize)
    measures = {}
    for i in range(table.measures):
        seed = int(np.random.SeedSequence([table.seed, i]).generate_state(1)[0])
        measures[i] = initial_measure(table.kind, table.n, table.d, seed=seed, scale=table.scale)
    return Clouds.from_measures(measures, origin=name)


def _interpolation(tables: Tables, origin: str) -> tuple[Clouds, Clouds, PlanTable]:
    config = validated(InterpolateConfig, tables, origin)
    return _clouds(config.sources, "sources", origin), _clouds(config.targets, "targets", origin), config.plan


def _interpolate(tables: Tables, origin: str) -> dict[str, Any]:
    sources, targets, plan = _interpolation(tables, origin)
    options = {"eps": plan.eps, "strategy": plan.strategy, "width": plan.width, "horizon": plan.horizon, "seed": plan.seed}
    result = interpolate(sources, targets, **options)
    schedule = result.schedule
    found = {"strategy": result.strategy, "segments": len(schedule), "gap": result.plan.smallest_gap}
    if not plan.certify:
        return found
    with tempfile.TemporaryDirectory() as folder:
        certificate = result.save(folder)
    pairs, network = certificate["pairs"], certificate["network"]
    largest = {f"{name}_largest": max(pair[name] for pair in pairs) for name in ("w2_before", "w2_after", "winf_after")}
    own = {"switches": certificate["schedule"]["switches"], "sup_norm": certificate["schedule"]["sup_norm"]}
    layers = network["layers"] if network else None
    stretch = certificate["conditioning"]["largest_stretch"]
    return {**found, **largest, **own, "layers": layers, "largest_stretch": stretch, "passed": certificate["passed"]}


def _interpolate_variables(tables: Tables) -> dict[str, Variable]:
    config = validated(InterpolateConfig, tables, "")
    forms = {"strategy": "text", "segments": "integer", "gap": "number"}
    if config.plan.certify:
        forms |= dict.fromkeys(("w2_before_largest", "w2_after_largest", "winf_after_largest", "sup_norm", "largest_stretch"), "number")
        forms |= {"switches": "integer", "layers": "integer", "passed": "truth"}
    return {name: Variable(form) for name, form in forms.items()}


INTERPOLATE = Kind(_interpolate, lambda tables, origin: void(_interpolation(tables, origin)), _interpolate_variables)


class SamplesTable(Table):
    """[measure] of a phase diagram: ``samples`` times n iid uniform tokens."""

    n: int = Field(default=32, ge=2)
    d: int = Field(default=2, ge=2)
    samples: int = Field(default=2048, ge=1)
    seed: int = Field(default=0, ge=0)


class BetaTable(Table):
    """[field] of a phase diagram."""

    beta: float = Field(ge=0)


class LayersTable(Table):
    """[flow] of a phase diagram: layers x <- N(x + step A(x)), saved at the multiples of ``step`` next to equal intervals."""

    horizon: float = Field(default=30.0, gt=0)
    step: float = Field(default=0.1, gt=0)
    saves: int = Field(default=60, ge=1)
    delta: float = Field(default=1e-3, gt=0, lt=1)

    def times(self) -> np.ndarray:
        """The saved times, each once."""
        return np.unique(np.rint(np.linspace(0, self.horizon, self.saves + 1) / self.step)) * self.step


class PhaseDiagramConfig(Table):
    """A job of the kind "phase-diagram": a column of Figure 3 of 2312.10794."""

    measure: SamplesTable = Field(default_factory=lambda: SamplesTable())
    field: BetaTable
    flow: LayersTable = Field(default_factory=lambda: LayersTable())


def _phase_diagram(tables: Tables, origin: str) -> dict[str, Any]:
    from ..experiments.literature.phase_diagram import gathered_pairs

    config = validated(PhaseDiagramConfig, tables, origin)
    measure, flow = config.measure, config.flow
    mean, error, counts = gathered_pairs(
        np.random.default_rng(measure.seed), measure.d, np.array([config.field.beta]), flow.times(), measure.samples, n=measure.n,
        eta=flow.step, delta=flow.delta,
    )  # fmt: skip
    return {"gathered": mean[:, 0], "gathered_error": error[:, 0], "gathered_final": mean[-1, 0], "clusters": counts[0].mean()}


def _phase_diagram_variables(tables: Tables) -> dict[str, Variable]:
    time = {"time": tuple(validated(PhaseDiagramConfig, tables, "").flow.times().tolist())}
    arrays = {name: Variable(axes=time) for name in ("gathered", "gathered_error")}
    return {**arrays, "gathered_final": Variable(), "clusters": Variable()}


def _phase_diagram_front(tables: Tables, times: np.ndarray) -> dict[str, np.ndarray]:
    from ..dynamics import discrete_front, gamma_curve

    config = validated(PhaseDiagramConfig, tables, "")
    n, step, delta = config.measure.n, config.flow.step, config.flow.delta
    coarse = np.linspace(0, len(times) - 1, min(len(times), 20)).round().astype(int)
    layers = np.array([discrete_front(float(t), n, step, delta=delta) if t >= step else np.nan for t in times[coarse]])
    return {
        "d = ∞, flow": np.asarray(gamma_curve(times, n, delta=delta)),
        f"d = ∞, steps of {step:g}": np.interp(times, times[coarse], layers),
    }


PHASE_DIAGRAM = Kind(
    _phase_diagram, lambda tables, origin: void(validated(PhaseDiagramConfig, tables, origin)), _phase_diagram_variables,
    _phase_diagram_front, ("gathered", "share of pairs that have met"),
)  # fmt: skip


def void(_: object) -> None:
    """Nothing: of a check, only the errors count."""
