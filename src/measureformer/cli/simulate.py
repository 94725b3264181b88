"""What ``measureformer simulate`` does."""

import json
from pathlib import Path

import numpy as np
from rich.console import Console

from .._files import write_whole
from ..experiments import Simulation, simulate
from ..experiments.simulate import reached
from ..flows import Trajectory
from ..interpolation.interpolate import SIMULATION_FILE, check_free, claim, versions
from ..measures import Clouds, write_clouds
from .config import OutputTable, read_config, simulation_of
from .console import number, stages

_EVENTS = 20  # lines of them
FILES = (SIMULATION_FILE, "config.json", "final.npz", "trajectory.npz", "trajectory.parquet", "animation.html")
FIGURES = ("tokens.png", "energy.png", "cosines.png")


def run_simulate(path: Path, out: Path, *, seed: int | None, force: bool, as_json: bool) -> dict:
    """``measureformer simulate``: the summary; ``passed`` says whether the flow went as far as it was asked to."""
    check_free(out, force=force)
    with stages() as stage:
        stage("reading the configuration")
        tables = read_config(path)
        config, simulation = simulation_of(tables, str(path), seed=seed)
        parts = 100
        stage("running", 0, parts)
        result, summary = simulate(simulation, lambda t: stage("running", int(parts * t / simulation.horizon), parts))
        summary = {**summary, "seed": config.measure.seed, "versions": versions()}
        stage("writing")
        _clear(claim(out, force=force))
        shown = {**tables, "measure": {**tables.get("measure", {}), "seed": config.measure.seed}}
        write_whole(out / "config.json", (json.dumps(shown, indent=2, ensure_ascii=False) + "\n").encode())
        write_clouds(out / "final.npz", Clouds.from_measures(dict(zip(simulation.measures, result.measures, strict=True))))
        _write_trajectory(out, result, simulation, config.output)
        stage("drawing")
        _draw(out, result, simulation, config.output)
        write_whole(out / SIMULATION_FILE, (json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
    if not as_json:
        _show(summary, out)
    return {**summary, "out": str(out), "passed": reached(result)}


def _sums(sums: dict) -> str:
    """How the sums over tokens were computed."""
    if sums["name"] == "dense":
        return "over all pairs"
    far = f"; up to {sums['far']} tokens over all pairs" if sums["far"] else ""
    return f"harmonics of degree {sums['degree']}, error at most {number(sums['bound'])}{far}"


def _clear(out: Path) -> None:
    """No file of another simulation stays."""
    for name in (*FILES, *(f"figures/{figure}" for figure in FIGURES)):
        (out / name).unlink(missing_ok=True)


def _write_trajectory(out: Path, result: Trajectory, simulation: Simulation, output: OutputTable) -> None:
    """Times (T,), and the tokens of all measures side by side as in ``final.npz``: (T, n, d)."""
    if output.trajectory == "none":
        return
    points = np.concatenate(result.points, axis=1).astype(np.float64)
    labels = np.concatenate([np.full(mu.size, label) for label, mu in simulation.measures.items()])
    weights = np.concatenate([np.asarray(mu.weights, np.float64) for mu in simulation.measures.values()])
    if output.trajectory == "npz":
        import io

        buffer = io.BytesIO()
        energy = result.quantities["energy"]
        np.savez_compressed(buffer, times=result.times, points=points, measure=labels, weights=weights, energy=energy)
        write_whole(out / "trajectory.npz", buffer.getvalue())
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    T, n, d = points.shape
    columns = {
        "time": np.repeat(result.times, n),
        "measure": np.tile(labels, T),
        "token": np.tile(np.arange(n), T),
        "weight": np.tile(weights, T),
        **{f"x{k}": points[:, :, k].ravel() for k in range(d)},
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    write_whole(out / "trajectory.parquet", sink.getvalue().to_pybytes())


def _draw(out: Path, result: Trajectory, simulation: Simulation, output: OutputTable) -> None:
    from ..report import draw_simulation, write_animation

    labels = list(simulation.measures)
    if output.figures:
        draw_simulation(out / "figures", result, labels)
    if output.animation:
        write_animation(out / "animation.html", result, labels)


def _show(summary: dict, out: Path) -> None:
    console = Console()
    energy = summary["energy"]
    lines = [
        f"t = {summary['time']:.6g}: {summary['stop_reason']}.",
        f"{summary['steps']} steps ({summary['rejected']} rejected), {summary['wall_s']:.1f} s.",
        f"Energy {number(summary['energy_initial'])} -> {number(summary['energy_final'])}"
        + (
            f", monotone: {'yes' if summary['energy_monotone'] else 'no'}."
            if energy["gradient_flow"]
            else " (that of softmax; the law has another one, or none)."
        ),
        f"Clusters: {summary['clusters']}.",
        f"Sums: {_sums(summary['sums'])}.",
    ]
    events = [f"{e['kind']} at t = {e['time']:.6g}: {number(e['value'])}" for e in summary["events"]]
    lines += events if len(events) <= _EVENTS else [*events[:_EVENTS], f"... and {len(events) - _EVENTS} more, in {SIMULATION_FILE}"]
    for line in [*lines, f"Written: {out}"]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
