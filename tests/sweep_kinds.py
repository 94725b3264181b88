"""Jobs for tests of sweeps: quick, and able to fail, to linger and to die. ``python -m sweep_kinds DIR`` runs a sweep of them."""

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from measureformer import InputError
from measureformer.experiments.sweep import Kind, Plan, Variable, read_plan, sweep

KINDS = {"powers": f"{__name__}:POWERS"}


def _run(tables, origin):
    x, seed = tables["x"], tables.get("seed", 0)
    if "log" in tables:
        with open(tables["log"], "a") as log:
            log.write(f"{x} {seed}\n")
    time.sleep(tables.get("delay", 0.0))
    if x == tables.get("bad"):
        raise ZeroDivisionError(f"x = {x} at {object()}")
    if x == tables.get("deadly"):
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": x**2 / 3 + seed, "even": x % 2 == 0, "word": f"x{x}", "path": (x / 7) ** np.arange(tables["length"]), "none": None}


def _check(tables, origin):
    unknown = tables.keys() - {"x", "seed", "log", "delay", "bad", "deadly", "length"}
    if unknown:
        raise InputError(f"{origin}: there is no key {min(unknown)}")


def _variables(tables):
    forms = {"square": "number", "even": "truth", "word": "text", "none": "number"}
    return {**{k: Variable(v) for k, v in forms.items()}, "path": Variable(axes={"k": tuple(map(float, range(tables["length"])))})}


POWERS = Kind(_run, _check, _variables)


def plan_of(count: int = 12, seeds: int = 4, **more) -> Plan:
    """``count`` values of x times ``seeds``, the axis seed first."""
    tables = {"sweep": {"kind": "powers"}, "length": 3, **more}
    tables["grid"] = {"seed": list(range(seeds)), "x": list(range(count)), **more.get("grid", {})}
    return read_plan(tables, KINDS, "powers.toml", {})


def here(plan, jobs):
    """Runs jobs in this process, in order."""
    from measureformer.experiments.sweep.jobs import run_job

    for index in jobs:
        yield index, run_job(plan.kind, plan.tables(index), "powers.toml")


def contents(directory: Path) -> dict[str, bytes]:
    """Every file below a directory."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


if __name__ == "__main__":
    from measureformer.experiments.sweep.cluster import cluster
    from measureformer.experiments.sweep.local import local

    # the module has another name here than in the workers, which look it up by the name in KINDS
    KINDS["powers"] = "sweep_kinds:POWERS"
    directory, log, delay, *address = sys.argv[1:]
    execute = (lambda plan, jobs: cluster(plan, jobs, "", address[0], 1)) if address else lambda plan, jobs: local(plan, jobs, "", 2)
    try:
        sweep(plan_of(log=log, delay=float(delay)), directory, execute, origin="powers.toml")
    except InputError as error:
        sys.exit(f"error: {error}")
