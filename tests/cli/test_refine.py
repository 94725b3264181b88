"""`interpolate --refine`: fewer segments, certified and verified like any other run; refused where it makes no sense."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest


@pytest.mark.slow
def test_a_refined_run(process, finished, task, tmp_path):
    run = tmp_path / "run"
    words = ("--sources", task[0], "--targets", task[1], "--eps", "1e-6", "--out", run, "--seed", 7, "--json")
    done = process("interpolate", *words, "--refine", 0.5, cwd=tmp_path)
    assert done.code == 0, done.err
    certificate, plain = json.loads(done.out), json.loads(finished.stdout)
    assert certificate["passed"] and certificate["schedule"]["segments"] <= 0.6 * plain["schedule"]["segments"]
    assert certificate["network"]["layers"] <= 0.6 * plain["network"]["layers"]
    assert any(f"instead of {plain['schedule']['segments']}" in note and "counting parameters" in note for note in certificate["notes"])
    assert process("verify", run, cwd=tmp_path).code == 0


def test_refused(refused, task):
    for value in ("0", "-1", "nan", "inf"):
        assert "refine" in refused(*task, "--refine", value)
    assert "leave refine out" in refused(*task, "--strategy", "paper", "--refine", "1")


@pytest.mark.slow
def test_interrupted_while_refining(task, tmp_path):
    """Nothing is written before the refinement is over, and Ctrl-C ends it at once."""
    words = ("interpolate", "--sources", task[0], "--targets", task[1], "--eps", "1e-6", "--out", tmp_path / "run", "--refine", "1000")
    command = subprocess.Popen([sys.executable, "-m", "measureformer", *map(str, words)], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    try:
        time.sleep(12)  # planning is long over; refinement would go on for minutes
        assert command.poll() is None
        os.kill(command.pid, signal.SIGINT)
        _, err = command.communicate(timeout=30)
    finally:
        command.kill()
    assert command.returncode == 130, err
    assert "interrupted" in err and "Traceback" not in err
    assert not (tmp_path / "run").exists()
