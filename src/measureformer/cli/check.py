"""What ``measureformer check`` does."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console

from .._files import write_whole
from ..errors import InputError
from ..interpolation.interpolate import VERDICT_FILE, check_free, claim, versions
from .console import stages

_TAIL = 300  # characters of what a process that died left on stderr


def run_check(target: str, out: Path, *, dim: int, seed: int, rounds: int, limit: float, force: bool, as_json: bool) -> dict:
    """``measureformer check``: the verdict, whatever it is.

    Raises:
        InputError: the function cannot be loaded, crashes, returns no measure, or takes longer than the limit; the directory holds a run.
    """
    if dim < 1:
        raise InputError(f"--dim must be at least 1, got {dim}")
    if not limit > 0:
        raise InputError(f"--time-limit must be positive, got {limit} seconds")
    check_free(out, force=force)
    with stages() as stage:
        stage("classifying", 0, int(limit))
        start = time.perf_counter()
        answer = _in_process({"target": target, "dim": dim, "seed": seed, "rounds": rounds}, limit, stage)
        if "error" in answer:
            raise InputError(answer["error"])
        stage("drawing")
        result = {
            "format": 1, "verdict": answer["verdict"], "evidence": answer["evidence"], "function": target, "dimension": dim, "seed": seed,
            "rounds": rounds, "wall_s": time.perf_counter() - start, "versions": versions(),
        }  # fmt: skip
        claim(out, force=force)
        from ..report import write_page
        from ..report.verdict import verdict_page

        for pattern in ("figures/*.png", "tables/*.csv"):
            for path in out.glob(pattern):
                path.unlink()
        write_page(out, verdict_page(result))
        write_whole(out / VERDICT_FILE, (json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
    if not as_json:
        _show(result, out)
    return {**result, "out": str(out)}


def _in_process(task: dict, limit: float, stage) -> dict:
    """The answer of a process of its own; what the user's code prints goes to stderr."""
    with tempfile.TemporaryDirectory() as folder:
        task_file, answer, said = (Path(folder) / name for name in ("task.json", "answer.json", "stderr"))
        task_file.write_text(json.dumps({**task, "answer": str(answer)}), encoding="utf-8")
        environment = {"JAX_ENABLE_X64": "1", **os.environ}
        with said.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, "-m", "measureformer.incontext.worker", str(task_file)],
                stdin=subprocess.DEVNULL, stdout=sink, stderr=sink, env=environment, start_new_session=True,
            )  # fmt: skip
            try:
                _wait(process, limit, stage)
            finally:
                _end(process)
        if answer.exists() and process.returncode == 0:
            return json.loads(answer.read_text(encoding="utf-8"))
        tail = " ".join(said.read_text(encoding="utf-8", errors="replace").split())[-_TAIL:]
    how = f"was ended by signal {-process.returncode}" if process.returncode < 0 else f"ended with exit code {process.returncode}"
    raise InputError(
        f"the process that ran {task['target']} {how} before there was a verdict{': ' + tail if tail else ''}; mend the function"
    )


def _wait(process: subprocess.Popen, limit: float, stage) -> None:
    start = time.monotonic()
    while process.poll() is None:
        passed = time.monotonic() - start
        if passed > limit:
            raise InputError(
                f"no verdict within {limit:g} seconds; make the function faster, raise --time-limit, or lower --rounds (--rounds 1)"
            )
        stage("classifying", int(min(passed, limit)), int(limit))
        time.sleep(0.05)


def _end(process: subprocess.Popen) -> None:
    """The process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()


def _show(result: dict, out: Path) -> None:
    found = result["evidence"]
    lines = [f"{result['function']}: {result['verdict'].replace('_', ' ')} ({found['certainty']})", found["says"]]
    if found["witness"]:
        lines.append(f"Witness: {found['witness']['says']}.")
    if found["lipschitz_f"] is not None:
        lines.append(f"Lipschitz constant of f: at least {found['lipschitz_f']:.3g}.")
    console = Console()
    for line in [*lines, f"Written: {out} ({result['wall_s']:.1f} s); report.html has the witness."]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
