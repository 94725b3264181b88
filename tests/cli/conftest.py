"""Fixtures: commands in this process (fast, and with every shape checked) or as real ones, and one finished run for all tests."""

import fcntl
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from instances import overlapping_caps
from measureformer.cli import main

LABELS = ("north", "south")


@dataclass(frozen=True)
class Outcome:
    """What a command left: exit code, stdout, stderr."""

    code: int
    out: str
    err: str


def write_csv(path: Path, clouds, labels=LABELS, *, weights=None) -> Path:
    """A table in the format of the contract, written without the library: points (n_i, d) of each label, any numbers at all."""
    lines = [",".join(["measure", *(["weight"] if weights else []), *(f"x{i}" for i in range(np.shape(clouds[0])[1]))])]
    for i, (label, points) in enumerate(zip(labels, clouds, strict=True)):
        for j, x in enumerate(points):
            lines.append(",".join([str(label), *([repr(float(weights[i][j]))] if weights else []), *(repr(float(v)) for v in x)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def in_subprocess(*args: object, cwd: Path, timeout: float = 300) -> Outcome:
    """``python -m measureformer ...`` as a user would start it."""
    done = subprocess.run(
        [sys.executable, "-m", "measureformer", *map(str, args)], capture_output=True, text=True, encoding="utf-8", cwd=cwd, timeout=timeout
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def cli(capfd, monkeypatch):
    """Runs a command in this process. An exception that is not an exit is an error of the test: a user would have seen a traceback."""

    def run(*args: object) -> Outcome:
        capfd.readouterr()
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as end:
            patch.setattr(sys, "argv", ["measureformer", *map(str, args)])
            main()
        code = end.value.code
        return Outcome(0 if code is None else int(code), *capfd.readouterr())

    return run


@pytest.fixture
def no_report(monkeypatch):
    """Figures take seconds; where a test is not about them, a stub of the report stands in."""

    def write_report(directory, **_):
        path = Path(directory) / "report.html"
        path.write_text("<!doctype html>")
        return path

    monkeypatch.setattr("measureformer.report.write_report", write_report)


@pytest.fixture(scope="session")
def task(tmp_path_factory) -> tuple[Path, Path]:
    """(sources, targets) as CSV: two measures of eight atoms in d = 3 that share two of them."""
    folder = tmp_path_factory.mktemp("task")
    sources, targets = overlapping_caps(3, 2, 8, seed=0)
    return tuple(
        write_csv(folder / name, [mu.points for mu in side]) for name, side in (("sources.csv", sources), ("targets.csv", targets))
    )


@dataclass(frozen=True)
class FinishedRun:
    """A run of ``interpolate --json`` by a real process: its directory (to be copied, not changed), its stdout and stderr."""

    directory: Path
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def finished(task, tmp_path_factory) -> FinishedRun:
    """The run that most tests look at; test processes that work side by side share it."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    run, stdout, stderr = folder / "finished-run", folder / "finished-stdout", folder / "finished-stderr"
    with (folder / "finished-lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stdout.exists():
            done = in_subprocess(
                *("interpolate", "--sources", task[0], "--targets", task[1], "--eps", "1e-6", "--out", run, "--seed", 7, "--json"),
                cwd=folder,
            )
            assert done.code == 0, done.err
            stderr.write_text(done.err, encoding="utf-8")
            stdout.write_text(done.out, encoding="utf-8")
    return FinishedRun(run, stdout.read_text(encoding="utf-8"), stderr.read_text(encoding="utf-8"))


@pytest.fixture
def copy_of_run(finished, tmp_path) -> Path:
    """A copy of the finished run that a test may damage."""
    return Path(shutil.copytree(finished.directory, tmp_path / "copy"))


@pytest.fixture
def refused(cli, tmp_path):
    """Runs ``interpolate`` on files that it must refuse: exit code 2, one line on stderr, nothing written. Returns the message."""

    def run(sources: Path, targets: Path, *more: object) -> str:
        before = sorted(tmp_path.rglob("*"))
        done = cli("interpolate", "--sources", sources, "--targets", targets, "--eps", "1e-6", "--out", tmp_path / "new" / "run", *more)
        assert done.code == 2, done
        assert done.out == ""
        assert done.err.startswith("error: ")
        assert done.err.count("\n") == 1 and done.err.endswith("\n")
        assert sorted(tmp_path.rglob("*")) == before
        return done.err.removeprefix("error: ").rstrip()

    return run


@pytest.fixture(scope="session")
def table():
    """``table(path, clouds, labels, weights=...)``: see ``write_csv``."""
    return write_csv


@pytest.fixture(scope="session")
def process():
    """``process(*arguments, cwd=...)``: see ``in_subprocess``."""
    return in_subprocess
