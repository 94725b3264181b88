"""What ``measureformer sweep`` does."""

import errno
import os
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import typer
from rich.console import Console

from ..errors import InputError
from ..experiments.sweep import Plan, Summary, read_plan, sweep
from ..experiments.sweep.cluster import cluster
from ..experiments.sweep.jobs import FAILED, Outcomes, file_digests
from ..experiments.sweep.local import local
from .config import read_config
from .console import stages
from .kinds import KINDS

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NEWS = 15.0  # seconds between lines where there is no terminal for a bar


def run_sweep(
    path: Path, out: Path, *, scheduler: str | None, workers: int | None, seed: int | None, retry: bool, force: bool, as_json: bool
) -> dict:
    """``measureformer sweep``: how many jobs are done, and where the results are; ``passed`` says whether all were done as asked."""
    tables, origin = read_config(path), str(path.absolute())
    plan = read_plan(tables, KINDS, str(path), file_digests(tables, path.parent), seed=seed)
    count = workers or (1 if scheduler else min(plan.size, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2))

    def execute(plan: Plan, jobs: Iterable[int]) -> Outcomes:
        return cluster(plan, jobs, origin, scheduler, count) if scheduler else local(plan, jobs, origin, count)

    console = Console(stderr=True)
    with stages() as stage:
        said = time.monotonic()

        def progress(done: int, total: int, note: str) -> None:
            nonlocal said
            stage("jobs", done, total, note)
            if not console.is_terminal and time.monotonic() - said > _NEWS:
                said = time.monotonic()
                typer.echo(f"{done} of {total} jobs, {note}", err=True)

        stage("reading the configuration")
        try:
            summary = sweep(plan, out, execute, origin=origin, force=force, retry=retry, progress=progress)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            raise InputError(f"{out}: {error.strerror}; what was finished is kept: make room, and give the same command") from None
        stage("drawing")
        drawn = _draw(summary, out, plan)
    result = _result(summary, out, drawn)
    if not as_json:
        _show(result)
    return result


def _draw(summary: Summary, out: Path, plan: Plan) -> list[str]:
    from ..report import write_sweep

    kind = next(name for name, where in KINDS.items() if where == plan.kind)
    return write_sweep(out, summary, f"{kind} over {', '.join(axis.key for axis in plan.axes)}")


def _result(summary: Summary, out: Path, drawn: list[str]) -> dict:
    unmet = 0
    if "passed" in summary.store.arrays:
        unmet = int((np.asarray(summary.store.arrays["passed"][...]) == 0).sum())
    files = ["store.zarr", "table.csv", *(["intervals.csv"] if (out / "intervals.csv").exists() else []), *drawn]
    return {
        "jobs": summary.jobs,
        "done": summary.done,
        "failed": summary.failed,
        "not_passed": unmet,
        "ran": summary.ran,
        "damaged_chunks": summary.damaged,
        "errors": [{"parameters": parameters, "error": error} for parameters, error in summary.errors],
        "files": files,
        "wall_s": summary.seconds,
        "out": str(out),
        "passed": summary.done == summary.jobs and not unmet,
    }


def _show(result: dict) -> None:
    lines = [f"{result['done']} of {result['jobs']} jobs done ({result['ran']} now, in {result['wall_s']:.1f} s)."]
    if result["damaged_chunks"]:
        lines.append(f"{result['damaged_chunks']} chunks of the store were damaged, and were done again.")
    if result["not_passed"]:
        lines.append(f"{result['not_passed']} jobs did not go as far as they were asked to; see the column passed.")
    for found in result["errors"]:
        where = ", ".join(f"{key} = {value}" for key, value in found["parameters"].items())
        lines.append(f"failed: {where}: {found['error']}")
    if result["failed"] > len(result["errors"]):
        lines.append(f"... {result['failed']} have failed in all.")
    if result["failed"]:
        lines.append(f"The variable trace of the store has the tracebacks (status {FAILED}); --retry runs the failed jobs again.")
    console = Console()
    for line in [*lines, f"Written: {result['out']}: {', '.join(result['files'])}"]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
