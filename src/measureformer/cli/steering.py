"""What ``measureformer gaussian`` does with a table [target]: one (V, A)(t) that carries the Gaussians there, and its certificate."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from rich.console import Console

from .._files import write_whole
from ..errors import InputError
from ..experiments.steering import page_of_steering
from ..gaussian.steering import certify, steer
from ..interpolation.interpolate import claim, versions
from ..measures import Gaussian
from .config import Table, validated
from .console import number
from .gaussian import SIMULATION_FILE, CloudsTable, PagesTable, TargetTable, check_free, clear_run


class SourceTable(Table):
    """[measure]: mean and covariance, or lists of as many as [target] has."""

    mean: list[Any]
    cov: list[Any]


class SteeringConfig(Table):
    """A whole configuration; the law is softmax, its V and A are what is sought."""

    measure: SourceTable
    target: TargetTable
    particles: CloudsTable = Field(default_factory=lambda: CloudsTable(n=[100, 400]))
    output: PagesTable = Field(default_factory=lambda: PagesTable())


def run_steering(tables: dict[str, Any], path: Path, out: Path, stage: Any, *, seed: int | None, force: bool, as_json: bool) -> dict:
    """Steer, write schedule, Gaussians, certificate, summary and page; ``passed`` is the certificate's."""
    config = validated(SteeringConfig, tables, str(path))
    start, goal = (_gaussian(getattr(config, name), f"{path}: {name}") for name in ("measure", "target"))
    t = config.target
    try:
        found = steer(start, goal, eps=t.eps, strength=t.strength, attempts=t.attempts, seed=seed or 0, progress=stage)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    check_free(out, force=force)
    stage("certifying")
    clear_run(claim(out, force=force))
    certificate = certify(out, found, sizes=tuple(config.particles.n), seed=config.particles.seeds[0] if seed is None else seed)
    end = None if certificate["schedule"] is None else [pair["w2_after"] for pair in certificate["pairs"]]
    summary = {"status": found.answer, "reason": found.reason, "w2_before": list(found.before), "w2_after": end, "orbit": found.orbit}
    summary = {**summary, "passed": certificate["passed"], "certificate": certificate, "versions": versions()}
    write_whole(out / "config.json", (json.dumps(tables, indent=2, ensure_ascii=False) + "\n").encode())
    if config.output.report:
        from ..report import write_page

        stage("drawing")
        write_page(out, page_of_steering(found, certificate))
    write_whole(out / SIMULATION_FILE, (json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
    if not as_json:
        _show(summary, out)
    return {**summary, "out": str(out)}


def _gaussian(table: Any, where: str) -> Gaussian:
    try:
        return Gaussian(np.array(table.mean, float), np.array(table.cov, float))
    except InputError as error:
        raise InputError(f"{where}: {error}") from None
    except (TypeError, ValueError):
        raise InputError(f"{where}: mean and cov must hold numbers, in rows of equal lengths") from None


def _show(summary: dict, out: Path) -> None:
    certificate = summary["certificate"]
    lines = [f"{summary['status']}: {summary['reason']}."]
    for k, pair in enumerate(certificate["pairs"]):
        lines.append(f"measure {k}: W_2 before {number(pair['w2_before'])}, after {number(pair['w2_after'])}.")
    if (schedule := certificate["schedule"]) is not None:
        lines.append(f"{schedule['segments']} segments {schedule['segments_by_phase']}, largest |(V, A)| {number(schedule['sup_norm'])}.")
    if (clouds := certificate["clouds"]) is not None:
        shown = ", ".join(f"n = {n}: {number(max(row))}" for n, row in zip(clouds["n"], clouds["w2_after"], strict=True))
        lines.append(f"Clouds, W_2 of their mean and covariance from the target: {shown}.")
        lines += [f"warning: {clouds['warning']}"] if clouds["warning"] else []
    for line in [*lines, f"The certificate {'passed' if summary['passed'] else 'did NOT pass'}. Written: {out}"]:
        Console().print(line, markup=False, highlight=False, soft_wrap=True)
