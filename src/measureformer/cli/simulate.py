"""What ``measureformer simulate`` does."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import typer
from rich.console import Console

from .._files import write_whole
from ..errors import InputError
from ..experiments import Parts, Simulation, TrajectoryStore, simulate
from ..experiments.simulate import reached
from ..experiments.trajectory_store import STORE
from ..flows import Checkpoint, Trajectory
from ..flows.processes import agree, from_first, is_first, is_one_of_several, together
from ..interpolation.interpolate import SIMULATION_FILE, UNFINISHED_FILE, check_free, claim, versions
from ..measures import Clouds, write_clouds
from .config import Config, OutputTable, read_config, simulation_of
from .console import number, stages
from .devices import ONE_DEVICE, Devices

_EVENTS = 20  # lines of them
FILMS = {kind: f"animation.{kind}" for kind in ("gif", "mp4")}
FILES = (SIMULATION_FILE, "config.json", "final.npz", "trajectory.npz", "trajectory.parquet", *FILMS.values())
FIGURES = ("tokens.png", "energy.png", "cosines.png")


def run_simulate(
    path: Path,
    out: Path,
    *,
    seed: int | None,
    save_every: float | None,
    animation: str | None,
    resume: bool,
    force: bool,
    as_json: bool,
    devices: Devices = ONE_DEVICE,
) -> dict:
    """``measureformer simulate``: the summary; ``passed`` says whether the flow went as far as it was asked to.

    All the processes of a run read the configuration and go through the flow; the first one writes.
    """
    with stages() as stage:
        mesh = devices.mesh()
        stage("reading the configuration")
        tables, config, simulation = together(lambda: _read(path, seed, save_every, animation, mesh))
        identity = _identity(tables, config, simulation)
        agree(identity, "configurations")
        states = _states(out, identity, config, simulation)
        begun = from_first(lambda: _begun(states, out, resume=resume, force=force))
        shown = {**tables, "measure": {**tables.get("measure", {}), "seed": config.measure.seed}}

        def start() -> None:
            _clear(claim(out, force=force))
            write_whole(out / "config.json", (json.dumps(shown, indent=2, ensure_ascii=False) + "\n").encode())

        def keep(checkpoint: Checkpoint) -> None:
            if not states.begun:
                start()
            states.keep(checkpoint)

        total = 100
        stage("running", 0, total)
        try:
            result, summary = simulate(
                simulation, lambda t: stage("running", int(total * t / simulation.horizon), total), keep=keep if is_first() else None,
                resume=begun, into=states if isinstance(states, TrajectoryStore) else None,
            )  # fmt: skip
        except BaseException as error:
            if states.begun:
                states.flush()
            if isinstance(error, KeyboardInterrupt) and states.begun:
                time = states.moments[-1].time
                typer.echo(f"what was computed up to t = {time:.6g} is in {out}; the same command goes on from there", err=True)
            if isinstance(error, InputError) and simulation.scheme is not None:
                raise InputError(f"{path}: flow.step is eta: {error}") from None
            raise
        if not is_first():
            return {"passed": reached(result)}
        if not states.begun:  # layers are too quick to be kept
            start()
            if isinstance(states, TrajectoryStore):
                states.take(result)
        stage("writing")
        states.flush()
        summary |= {"wall_s": states.run.seconds, "restarts": states.run.restarts, "seed": config.measure.seed, "versions": versions()}
        summary["devices"] = 1 if mesh is None else mesh.size
        write_clouds(out / "final.npz", Clouds.from_measures(dict(zip(simulation.measures, result.measures, strict=True))))
        if isinstance(states, TrajectoryStore):
            states.finish()
        else:
            _write_trajectory(out, result, simulation, config.output)
        stage("drawing")
        _draw(out, result, simulation, config.output, summary, shown)
        write_whole(out / SIMULATION_FILE, (json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
        states.run.remove()
    if not as_json:
        _show(summary, out)
    return {**summary, "out": str(out), "passed": reached(result)}


def _read(
    path: Path, seed: int | None, save_every: float | None, animation: str | None, mesh: Any
) -> tuple[dict[str, Any], Config, Simulation]:
    """The tables, what they say, and the simulation on the mesh.

    Raises:
        InputError: about one key; layers on a mesh; a trajectory that several processes would write.
    """
    tables = _saving(read_config(path), save_every)
    config, simulation = simulation_of(tables, str(path), seed=seed)
    config.output = _choose_animation(config.output, animation)
    if mesh is not None:
        if simulation.scheme is not None:
            raise InputError(f"{path}: flow.layers are run on one device; leave --devices and --coordinator out")
        if is_one_of_several() and config.output.trajectory == "zarr":
            raise InputError(
                f'{path}: output.trajectory = "zarr" is written by one process; take "npz", or --devices without --coordinator'
            )
        simulation.options["mesh"] = mesh
    return tables, config, simulation


def _saving(tables: dict[str, Any], every: float | None) -> dict[str, Any]:
    """The configuration with the option in place of its keys."""
    if every is None:
        return tables
    flow = {key: value for key, value in dict(tables.get("flow", {})).items() if key != "saves"}
    return {**tables, "flow": {**flow, "save_every": every}}


def _states(out: Path, identity: Any, config: Config, simulation: Simulation) -> Parts | TrajectoryStore:
    """Where saved states go while it runs: into the trajectory itself if that is a Zarr store, otherwise into parts."""
    if config.output.trajectory != "zarr":
        return Parts(out / Path(UNFINISHED_FILE).parent, identity)
    return TrajectoryStore(
        out, simulation.measures, len(simulation.times), identity=identity, probes=simulation.probes, dtype=config.output.dtype
    )


def _choose_animation(output: OutputTable, option: str | None) -> OutputTable:
    """The option goes before the key, whose true and false are "html" and "none".

    Raises:
        InputError: a film that cannot be written here.
    """
    chosen: Any = output.animation if option is None else option
    chosen = chosen if isinstance(chosen, str) else ("html" if chosen else "none")
    if chosen in ("gif", "mp4"):
        from ..report import check_film

        check_film(chosen)
    return output.model_copy(update={"animation": chosen})


def _identity(tables: dict[str, Any], config: Config, simulation: Simulation) -> str:
    """A digest of what the trajectory depends on: the configuration without its output, and the numbers of the files that it names."""
    import jax

    merges = {"angle": config.output.angle} if config.flow.merges else {}
    words = {**{name: table for name, table in tables.items() if name != "output"}, **merges, "seed": config.measure.seed}
    digest = hashlib.sha256(json.dumps(words, sort_keys=True, default=str).encode())
    for mu in simulation.measures.values():
        digest.update(np.asarray(mu.points).tobytes() + np.asarray(mu.weights).tobytes())
    arrays = [simulation.probes, *jax.tree.leaves(simulation.field)]
    for array in arrays:
        digest.update(np.asarray(array).tobytes() if isinstance(array, np.ndarray) else repr(array).encode())
    return digest.hexdigest()


def _begun(states: Parts | TrajectoryStore, out: Path, *, resume: bool, force: bool) -> Checkpoint | None:
    """What an unfinished run in the directory left, if this one goes on with it.

    Raises:
        InputError: the directory holds another run, or none to go on with.
    """
    if resume and force:
        raise InputError("--resume goes on with the run in --out, --force replaces it; give one of the two")
    unfinished = states.run.exists and not (out / SIMULATION_FILE).exists()
    if unfinished and not force:
        return states.load()
    check_free(out, force=force)
    if resume:
        raise InputError(f"{out} holds no unfinished run to go on with; leave --resume out to start one")
    return None


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
    shutil.rmtree(out / STORE, ignore_errors=True)


def _write_trajectory(out: Path, result: Trajectory, simulation: Simulation, output: OutputTable) -> None:
    """Times (T,), and the tokens of all measures side by side as in ``final.npz``: (T, n, d). Probes of each measure follow, if any."""
    if output.trajectory == "none":
        return
    points = np.concatenate(result.points, axis=1).astype(output.dtype)
    labels = np.concatenate([np.full(mu.size, label) for label, mu in simulation.measures.items()])
    weights = np.concatenate([np.asarray(mu.weights, np.float64) for mu in simulation.measures.values()])
    probes = np.concatenate(result.probes, axis=1).astype(output.dtype)
    owners = np.concatenate([np.full(p.shape[1], label, labels.dtype) for label, p in zip(simulation.measures, result.probes, strict=True)])
    if output.trajectory == "npz":
        import io

        buffer = io.BytesIO()
        energy = result.quantities["energy"]
        passive = {"probes": probes, "probe_measure": owners} if probes.shape[1] else {}
        np.savez_compressed(buffer, times=result.times, points=points, measure=labels, weights=weights, energy=energy, **passive)  # type: ignore[arg-type]
        write_whole(out / "trajectory.npz", buffer.getvalue())
        return
    import pyarrow as pa
    import pyarrow.parquet as pq

    points = np.concatenate([points, probes], axis=1)
    T, n, d = points.shape
    columns = {
        "time": np.repeat(result.times, n),
        "measure": np.tile(np.concatenate([labels, owners]), T),
        "token": np.tile(np.arange(n), T),
        "weight": np.tile(np.concatenate([weights, np.zeros(len(owners))]), T),
        **{f"x{k}": points[:, :, k].ravel() for k in range(d)},
    }
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    write_whole(out / "trajectory.parquet", sink.getvalue().to_pybytes())


def _draw(out: Path, result: Trajectory, simulation: Simulation, output: OutputTable, summary: dict, shown: dict) -> None:
    from ..report import draw_simulation, write_film, write_simulation

    labels = list(simulation.measures)
    if output.report:
        moving = output.animation == "html"
        write_simulation(out, result, labels, summary=summary, settings=shown, figures=output.figures, moving=moving)
    elif output.figures:
        draw_simulation(out / "figures", result, labels)
    if output.animation in FILMS:
        write_film(out / FILMS[str(output.animation)], result, labels)


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
            else " (that of softmax: no functional of this field is known)."
        ),
        f"Clusters: {summary['clusters']}.",
        f"Sums: {_sums(summary['sums'])}.",
    ]
    names = [f" of {m['label']!r}" if len(summary["measures"]) > 1 else "" for m in summary["measures"]]
    events = [f"{e['kind']}{names[e['measure']]} at t = {e['time']:.6g}: {number(e['value'])}" for e in summary["events"]]
    lines += events if len(events) <= _EVENTS else [*events[:_EVENTS], f"... and {len(events) - _EVENTS} more, in {SIMULATION_FILE}"]
    for line in [*lines, f"Written: {out}"]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
