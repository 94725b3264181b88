"""What ``measureformer gaussian`` does."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from rich.console import Console

from .._files import write_whole
from ..errors import InputError
from ..experiments.gaussian import GaussianResult, GaussianRun, page_of_gaussian, run_gaussian
from ..fields import LAWS, MultiHead, split_heads
from ..gaussian.flow import METHODS
from ..interpolation.interpolate import SIMULATION_FILE, check_free, claim, versions
from ..measures import Gaussian
from .config import Table, law_of, matrix_of, read_config, validated
from .console import number, stages

STATUSES = ("converged", "blow_up", "horizon")
FILES = (
    "config.json",
    "trajectory.npz",
    "gaussians.safetensors",
    "report.html",
    "figures/gaussian.png",
    "tables/outcome.csv",
    "tables/clouds.csv",
    "figures/steering.png",
    "tables/pairs.csv",
    "tables/schedule.csv",
)
_WITH_SCORES = ("softmax", "sinkhorn", "linear")  # these know Q and K through A = K^T Q only


class GaussianTable(Table):
    """[measure]: mean and covariance."""

    mean: list[float]
    cov: list[list[float]]


class TargetTable(Table):
    """[target]: where to steer the measure, or each of several."""

    mean: list[Any]
    cov: list[Any]
    eps: float = Field(default=1e-6, gt=0)
    strength: float | None = Field(default=None, gt=0)
    attempts: int = Field(default=24, ge=1)


class LawTable(Table):
    """[field]: the law with its parameters; ``A`` in place of Q and K; ``heads`` a number (Q, K and V are split), or a list of laws."""

    model_config = {**Table.model_config, "extra": "allow"}

    law: str = "softmax"
    A: list[list[float]] | str | None = None
    heads: int | list[dict[str, Any]] | None = None
    outputs: list[Any] | None = None


class GaussianFlowTable(Table):
    """[flow]: how long and how precisely."""

    horizon: float = Field(gt=0)
    saves: int = Field(default=50, ge=2)
    method: str = "adaptive"
    rtol: float = Field(default=1e-11, gt=0)
    atol: float = Field(default=1e-14, gt=0)
    step: float | None = Field(default=None, gt=0)
    converged: float = Field(default=1e-8, gt=0)
    max_steps: int = Field(default=100_000, ge=1)


class CloudsTable(Table):
    """[particles]: clouds to compare with."""

    n: list[int] = Field(default_factory=list)
    seeds: list[int] = Field(default_factory=lambda: [0], min_length=1)


class PagesTable(Table):
    """[output]: what is written beside the summary."""

    report: bool = True


class GaussianConfig(Table):
    """A whole configuration."""

    measure: GaussianTable
    field: LawTable = Field(default_factory=lambda: LawTable())
    flow: GaussianFlowTable
    particles: CloudsTable = Field(default_factory=lambda: CloudsTable())
    output: PagesTable = Field(default_factory=lambda: PagesTable())


def gaussian_of(tables: dict[str, Any], origin: str, *, seed: int | None = None) -> tuple[GaussianConfig, GaussianRun]:
    """The run that a configuration describes.

    Args:
        tables: as ``read_config`` returns them.
        origin: the path of the file, for messages; files that it names are looked up beside it.
        seed: in place of ``particles.seeds``.

    Raises:
        InputError: about one key, by its path.
    """
    config = validated(GaussianConfig, tables, origin)
    table, flow = config.field, config.flow
    if flow.method not in METHODS:
        raise InputError(f"{origin}: flow.method = {flow.method!r}: choose one of {', '.join(METHODS)}")
    try:
        gaussian = Gaussian(np.array(config.measure.mean, float), _rows(config.measure.cov))
    except InputError as error:
        raise InputError(f"{origin}: measure: {error}") from None
    if any(n <= gaussian.dimension for n in config.particles.n):
        raise InputError(f"{origin}: particles.n = {config.particles.n}: clouds need more tokens than dimensions ({gaussian.dimension})")
    law = _law(table, origin, Path(origin).parent)
    options: dict[str, Any] = {name: getattr(flow, name) for name in ("method", "rtol", "atol", "step", "converged", "max_steps")}
    seeds = config.particles.seeds if seed is None else [seed]
    return config, GaussianRun(law, gaussian, flow.horizon, flow.saves, options, tuple(config.particles.n), tuple(seeds))


def _rows(cov: list[list[float]]) -> np.ndarray:
    if len({len(row) for row in cov}) != 1:
        raise InputError(f"cov has rows of lengths {[len(row) for row in cov]}; a covariance is square")
    return np.array(cov, float)


def _law(table: LawTable, origin: str, folder: Path) -> Any:
    keys = dict(table.model_extra or {})
    if table.A is not None:
        keys["A"] = table.A
    try:
        if isinstance(table.heads, int):
            return _split(keys, table, origin, folder)
        heads = None if table.heads is None else [_with_scores(dict(h), str(h.get("law", "softmax")), origin) for h in table.heads]
        return law_of(table.law, _with_scores(keys, table.law, origin), "field", origin, folder, heads=heads, outputs=table.outputs)
    except InputError as error:
        raise InputError(str(error) if str(error).startswith(origin) else f"{origin}: field: {error}") from None


def _with_scores(keys: dict[str, Any], law: str, origin: str) -> dict[str, Any]:
    """A = K^T Q stands for Q = A without K."""
    if "A" not in keys:
        return keys
    if law in LAWS and law not in _WITH_SCORES:
        raise InputError(f"{origin}: field.A: the law {law!r} depends on Q and K, not only on A = K^T Q; give Q and K")
    if "Q" in keys or "K" in keys:
        raise InputError(f"{origin}: field.A is K^T Q; give it, or Q and K, not both")
    return {**{key: value for key, value in keys.items() if key != "A"}, "Q": keys["A"]}


def _split(keys: dict[str, Any], table: LawTable, origin: str, folder: Path) -> MultiHead:
    missing = [name for name in "QKV" if name not in keys]
    if table.law not in (MultiHead.about.name, "softmax") or table.outputs is not None or missing or len(keys) > 3:
        raise InputError(
            f"{origin}: field.heads = {table.heads} splits Q, K and V of a softmax law into heads; give these three and law = 'multi-head'"
        )
    return split_heads(*(matrix_of(keys[name], f"field.{name}", origin, folder) for name in "QKV"), heads=int(table.heads))  # type: ignore[arg-type]


def run_gaussian_command(path: Path, out: Path, *, seed: int | None, force: bool, as_json: bool) -> dict:
    """``measureformer gaussian``: the summary; ``passed`` says whether the flow came to one of its ends."""
    check_free(out, force=force)
    with stages() as stage:
        stage("reading the configuration")
        tables = read_config(path)
        if "target" in tables:
            from .steering import run_steering

            return run_steering(tables, path, out, stage, seed=seed, force=force, as_json=as_json)
        config, run = gaussian_of(tables, str(path), seed=seed)
        try:
            result = run_gaussian(run, stage)
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        summary = {**result.summary, "versions": versions()}
        stage("writing")
        clear_run(claim(out, force=force))
        write_whole(out / "config.json", (json.dumps(tables, indent=2, ensure_ascii=False) + "\n").encode())
        _write_trajectory(out, result)
        if config.output.report:
            from ..report import write_page

            stage("drawing")
            write_page(out, page_of_gaussian(result, run.law.about.formula))
        write_whole(out / SIMULATION_FILE, (json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
    if not as_json:
        _show(summary, out)
    return {**summary, "out": str(out), "passed": summary["status"] in STATUSES}


def clear_run(out: Path) -> None:
    """No file of another run stays."""
    for name in FILES:
        (out / name).unlink(missing_ok=True)


def _write_trajectory(out: Path, result: GaussianResult) -> None:
    """Times (T,), means (T, d) and covariances (T, d, d), as far as the flow went."""
    flow, buffer = result.flow, io.BytesIO()
    there = np.isfinite(flow.cov).all((1, 2))
    np.savez_compressed(buffer, times=flow.times[there], mean=flow.mean[there], cov=flow.cov[there])
    write_whole(out / "trajectory.npz", buffer.getvalue())


def _show(summary: dict, out: Path) -> None:
    console = Console()
    values = ", ".join(number(v) for v in summary["eigenvalues"])
    lines = [
        f"t = {summary['time']:.10g}: {summary['reason']}.",
        f"{summary['steps']} steps ({summary['rejected']} rejected). Eigenvalues of the covariance: {values}; rank {summary['rank']}.",
    ]
    if (said := summary["classification"]) is not None:
        lines.append(f"Theorems say: {said['answer']} ({said['reason']}).")
    if (clouds := summary["mean_field"]) is not None:
        errors = ", ".join(f"n = {n}: {number(e)}" for n, e in zip(clouds["n"], clouds["relative_error"], strict=True))
        lines.append(f"Clouds, relative error of the covariance: {errors}.")
    if summary["status"] == "blow_up" and not summary["clouds_blow_up_too"]:
        lines.append("A finite cloud of tokens never blows up; this time is no prediction for one.")
    if summary["warning"]:
        lines.append(f"warning: {summary['warning']}")
    for line in [*lines, f"Written: {out}"]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
