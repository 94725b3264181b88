"""The commands. Only their options live here; what they do is imported when they run, so that ``--help`` is instant."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .console import NOT_CERTIFIED, exit_codes, show_json

app = typer.Typer(help="Transformers as flows of probability measures.", no_args_is_help=True, pretty_exceptions_enable=False)


class Strategy(StrEnum):
    """How to build the schedule."""

    auto = "auto"
    compact = "compact"
    cells = "cells"
    paper = "paper"


class Format(StrEnum):
    """What an export is for."""

    torch = "torch"
    onnx = "onnx"
    safetensors = "safetensors"


class Precision(StrEnum):
    """Of exported parameters."""

    float64 = "float64"
    float32 = "float32"


class Animation(StrEnum):
    """What shows the tokens in motion."""

    html = "html"
    gif = "gif"
    mp4 = "mp4"
    none = "none"


Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Directory of the run; created.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the run that DIR holds.")]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of all random choices.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")]
Normalize = Annotated[bool, typer.Option("--normalize", help="Divide points by their norm instead of refusing them.")]
Run = Annotated[Path, typer.Argument(metavar="DIR", help="Directory of a run of `interpolate` or `demo`.")]


def _figures(incomplete: str) -> list[tuple[str, str]]:
    """Names that begin so, for the completion of the shell."""
    from ..experiments.literature import FIGURES

    return [(name, shows) for name, (_, shows, _) in FIGURES.items() if name.startswith(incomplete)]


def _laws(incomplete: str) -> list[tuple[str, str]]:
    from ..fields import LAWS

    return [(name, law.about.formula) for name, law in LAWS.items() if name.startswith(incomplete)]


@app.callback(invoke_without_command=True)
def _main(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        from .. import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command()
def demo(out: Out = Path("measureformer-demo"), force: Force = False, seed: Seed = 0, as_json: Json = False) -> None:
    """The main job on real data: one Transformer sends the cities of Europe to South America, and half of the same cities to Africa.

    Example: measureformer demo --out demo
    """
    with exit_codes():
        from .runs import run_demo

        certificate = run_demo(out, force=force, seed=seed, as_json=as_json)
    _finish(certificate, as_json)


@app.command()
def interpolate(
    sources: Annotated[Path, typer.Option("--sources", metavar="FILE", help="Source measures: .csv, .parquet or .npz.")],
    targets: Annotated[Path, typer.Option("--targets", metavar="FILE", help="Target measures, with the same labels.")],
    eps: Annotated[float, typer.Option("--eps", help="W_2 distance allowed for every pair, in radians.")],
    out: Out,
    strategy: Annotated[Strategy, typer.Option("--strategy", help="Construction; auto chooses.")] = Strategy.auto,
    width: Annotated[int | None, typer.Option("--width", metavar="H", help="Neurons of a segment; by default d.")] = None,
    horizon: Annotated[float, typer.Option("--horizon", metavar="T", help="Length of the time interval.")] = 1.0,
    refine: Annotated[
        float | None, typer.Option("--refine", metavar="SECONDS", help="Spend up to so long on fewer segments; by default none.")
    ] = None,
    normalize: Normalize = False,
    seed: Seed = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Plan one Transformer that carries every source measure to its target, execute it independently, and certify it.

    Example: measureformer interpolate --sources a.csv --targets b.csv --eps 1e-6 --out run
    """
    with exit_codes():
        from .runs import run_interpolate

        certificate = run_interpolate(
            sources, targets, eps=eps, out=out, strategy=strategy.value, width=width, horizon=horizon, normalize=normalize, seed=seed,
            refine=refine, force=force, as_json=as_json,
        )  # fmt: skip
    _finish(certificate, as_json)


@app.command()
def verify(run: Run, as_json: Json = False) -> None:
    """Execute a run again, from its files alone, and compare with its certificate.

    Example: measureformer verify run
    """
    with exit_codes():
        from .runs import run_verify

        result = run_verify(run, as_json=as_json)
    _finish(result, as_json)


@app.command()
def apply(
    run: Run,
    input: Annotated[Path, typer.Option("--input", metavar="FILE", help="Cloud to push; each label is one measure.")],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="Where to write it, rows in the same order.")],
    targets: Annotated[
        Path | None, typer.Option("--targets", metavar="FILE", help="Measures to compare with, same labels: W_2 of each is shown.")
    ] = None,
    normalize: Normalize = False,
    as_json: Json = False,
) -> None:
    """Push any other cloud through the schedule of a run: fresh samples of the sources, say, to see how well the run generalises.

    Example: measureformer apply run --input fresh.csv --output moved.csv --targets fresh-targets.csv
    """
    with exit_codes():
        from .runs import run_apply

        result = run_apply(run, input, output, targets=targets, normalize=normalize, as_json=as_json)
    if as_json:
        show_json(result)


@app.command()
def export(
    run: Run,
    format: Annotated[Format, typer.Option("--format", help="torch: weights and a module of PyTorch; safetensors: schedule and network.")],
    output: Annotated[Path, typer.Option("--output", metavar="FILE", help="Where to write; torch: .safetensors, .pt or .pth.")],
    dtype: Annotated[Precision, typer.Option("--dtype", help="Of the network, for torch and onnx.")] = Precision.float64,
    as_json: Json = False,
) -> None:
    """Write the network of a run for other programs.

    Example: measureformer export run --format onnx --output network.onnx
    """
    with exit_codes():
        from .exporting import run_export

        result = run_export(run, output, format=format.value, dtype=dtype.value, as_json=as_json)
    if as_json:
        show_json(result)


@app.command()
def simulate(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run: tables measure, field, flow, output.")],
    out: Out,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="In place of measure.seed; of the noise too.")] = None,
    save_every: Annotated[
        float | None,
        typer.Option("--save-every", metavar="DT", help="A state after every DT in time; in place of flow.saves and flow.save_every."),
    ] = None,
    animation: Annotated[Animation | None, typer.Option("--animation", help="In place of output.animation; mp4 needs ffmpeg.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Only go on with the unfinished run in DIR; never start one.")] = False,
    devices: Annotated[int | None, typer.Option("--devices", min=1, metavar="N", help="Spread the tokens over N devices.")] = None,
    coordinator: Annotated[
        str | None, typer.Option("--coordinator", metavar="HOST:PORT", help="Where process 0 of several listens.")
    ] = None,
    process_id: Annotated[int | None, typer.Option("--process-id", min=0, metavar="I", help="Which of the processes this is.")] = None,
    num_processes: Annotated[int | None, typer.Option("--num-processes", min=1, metavar="P", help="How many there are.")] = None,
    wait: Annotated[float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait for the others.")] = 60.0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Run a flow: tokens under an attention law, their energy, clusters, pictures.

    It writes as it goes. After Ctrl-C, or worse, the same command goes on from the last saved state, and ends with the same result.

    With --coordinator the same command runs in several processes, on one machine or on many; process 0 writes.

    Example: measureformer simulate config.toml --out run
    """
    with exit_codes():
        from .devices import Devices
        from .simulate import run_simulate

        film, spread = None if animation is None else animation.value, Devices(devices, coordinator, process_id, num_processes, wait)
        result = run_simulate(
            config, out, seed=seed, save_every=save_every, animation=film, resume=resume, force=force, as_json=as_json, devices=spread
        )
    _finish(result, as_json and not process_id)


@app.command()
def gaussian(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run: tables measure (mean, cov), field, flow, particles.")],
    out: Out,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="In place of particles.seeds.")] = None,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Run the Gaussian closure: mean and covariance under an attention law, their limit or blow-up, and clouds beside them.

    Example: measureformer gaussian config.toml --out run
    """
    with exit_codes():
        from .gaussian import run_gaussian_command

        result = run_gaussian_command(config, out, seed=seed, force=force, as_json=as_json)
    _finish(result, as_json)


@app.command()
def sweep(
    config: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="What to run, with tables grid and random: what to vary.")],
    out: Out,
    scheduler: Annotated[
        str | None, typer.Option("--scheduler", metavar="ADDRESS", help="Of a Dask scheduler, whose workers run the jobs.")
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", metavar="K", min=1, help="Processes, by default one a core; with --scheduler: wait for so many."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="In place of sweep.seed, of the random ensembles.")] = None,
    retry: Annotated[bool, typer.Option("--retry", help="Run the jobs again that failed.")] = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Run a configuration for many values of its parameters; killed at any moment, the same command goes on.

    Example: measureformer sweep config.toml --out diagram --workers 2
    """
    with exit_codes():
        from .sweep import run_sweep

        result = run_sweep(config, out, scheduler=scheduler, workers=workers, seed=seed, retry=retry, force=force, as_json=as_json)
    _finish(result, as_json)


@app.command()
def check(
    function: Annotated[str, typer.Argument(metavar="MODULE:FUNCTION", help="function(points (n, d), weights (n,)) -> (points, weights).")],
    out: Out,
    dim: Annotated[int, typer.Option("--dim", metavar="D", help="Measures on the unit ball of R^D.")] = 1,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Random measures of each kind.")] = 2,
    limit: Annotated[float, typer.Option("--time-limit", metavar="SECONDS", help="Give up after so long.")] = 300.0,
    seed: Seed = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Is this map of measures a Transformer? Does it keep supports, is it continuous, and what is its in-context map?

    Example: measureformer check mymaps:attention --dim 2 --out verdict
    """
    with exit_codes():
        from .check import run_check

        result = run_check(function, out, dim=dim, seed=seed, rounds=rounds, limit=limit, force=force, as_json=as_json)
    if as_json:
        show_json(result)


@app.command()
def analyze(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A folder, or a name of the Hugging Face hub.")],
    text: Annotated[Path, typer.Option("--text", metavar="FILE", help="Texts, one a line; each is a measure.")],
    out: Out,
    whole: Annotated[bool, typer.Option("--whole", help="The file is one text, not one a line.")] = False,
    layers: Annotated[int | None, typer.Option("--layers", min=1, help="Run so many layers, where all share their weights.")] = None,
    window: Annotated[int | None, typer.Option("--window", min=4, help="Tokens at a time; by default as many as the model takes.")] = None,
    angle: Annotated[float, typer.Option("--angle", help="Tokens so close are one cluster, in radians.")] = 0.45,
    memory: Annotated[float, typer.Option("--memory", metavar="MB", min=1, help="Bound for one batch.")] = 512.0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Follow the tokens of texts through the layers of a trained Transformer. The same command again goes on where it was interrupted.

    Example: measureformer analyze ./all-MiniLM-L6-v2 --text sentences.txt --out analysis
    """
    with exit_codes():
        from .analyze import run_analyze

        result = run_analyze(
            model, text, out, whole=whole, layers=layers, window=window, angle=angle, memory_mb=memory, force=force, as_json=as_json
        )
    if as_json:
        show_json(result)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Is all here that measureformer needs, and does it compute right? Versions, devices, float64, optional extras, memory.

    Exit code 3 if something is wrong.

    Example: measureformer doctor
    """
    with exit_codes():
        from .doctor import run_doctor

        result = run_doctor(as_json=as_json)
    _finish(result, as_json)


@app.command()
def laws(
    law: Annotated[
        str | None, typer.Argument(metavar="LAW", help="One of them, with its parameters.", show_default=False, autocompletion=_laws)
    ] = None,
    as_json: Json = False,
) -> None:
    """The attention laws: formula, gradient structure, Gaussian measures, mean-field limit.

    Example: measureformer laws softmax
    """
    with exit_codes():
        from .laws import law_rows, show_law, show_laws

        rows = law_rows(law)
        if not as_json and law is None:
            show_laws()
        elif not as_json:
            show_law(rows[0])
    if as_json:
        show_json(rows)


@app.command()
def reproduce(
    figure: Annotated[
        str | None, typer.Argument(metavar="FIGURE", help="Which; --list shows all.", show_default=False, autocompletion=_figures)
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Directory of the figure; created.")] = None,
    show_list: Annotated[bool, typer.Option("--list", help="List the figures and stop.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The authors' sizes (up to hours); by default reduced ones (a minute).")] = False,
    seed: Seed = 0,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Make a figure of the literature again: the authors' parameters, theory laid over, known defects beside it.

    Example: measureformer reproduce phase-diagram --out figure
    """
    with exit_codes():
        from .reproduce import figure_rows, run_reproduce, show_figures

        if show_list:
            result = figure_rows()
            if not as_json:
                show_figures()
        else:
            result = run_reproduce(figure, out, full=full, seed=seed, force=force, as_json=as_json)
    if as_json:
        show_json(result)


def _finish(result: dict, as_json: bool) -> None:
    if as_json:
        show_json(result)
    if not result["passed"]:
        raise typer.Exit(NOT_CERTIFIED)
