"""Ctrl-C: exit code 130, no certificate, no half-written file."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from instances import overlapping_caps


def test_interrupted_while_executing(table, tmp_path, cli):
    """The schedule is there and its execution takes many seconds: then comes SIGINT."""
    run = tmp_path / "run"
    sources, targets = ([mu.points for mu in side] for side in overlapping_caps(3, 2, 400, seed=0))
    paths = table(tmp_path / "s.csv", sources), table(tmp_path / "t.csv", targets)
    words = ("interpolate", "--sources", paths[0], "--targets", paths[1], "--eps", "1e-2", "--out", run, "--json")
    command = subprocess.Popen(
        [sys.executable, "-m", "measureformer", *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        deadline = time.monotonic() + 120
        while not (run / "targets.parquet").exists():  # the last file before execution
            assert command.poll() is None, command.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(command.pid, signal.SIGINT)
        out, err = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == 130, err
    assert out == ""
    assert "interrupted" in err and "Traceback" not in err

    assert sorted(path.name for path in run.iterdir()) == [
        *("network.json", "network.safetensors", "schedule.safetensors", "sources.parquet", "targets.parquet")
    ]
    assert load_file(run / "schedule.safetensors")["duration"].sum() > 0.99
    assert load_file(run / "network.safetensors")
    assert json.loads((run / "network.json").read_text())["layers"]
    assert pq.read_table(run / "sources.parquet").num_rows == pq.read_table(run / "targets.parquet").num_rows == 800

    done = cli("verify", run)
    assert done.code == 2 and "holds no certificate.json" in done.err


def test_interrupted_while_loading(task, tmp_path):
    """In the middle of an import, where libraries have callbacks that lose exceptions: the command still ends, with nothing written."""
    words = ("interpolate", "--sources", task[0], "--targets", task[1], "--eps", "1e-6", "--out", tmp_path / "run")
    command = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "measureformer", *map(str, words)], stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        assert any("jax._src" in line for line in command.stderr)  # reads up to the first module of JAX
        os.kill(command.pid, signal.SIGINT)
        _, err = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == 130, err[-2000:]
    assert "interrupted" in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_interrupted_simulation(tmp_path, process):
    """Ctrl-C while the flow runs: exit code 130, whole files, and the same command goes on to the end of an undisturbed run."""
    (tmp_path / "config.toml").write_text(
        "[measure]\nn = 1500\n[field]\nbeta = 9.0\n[flow]\nhorizon = 4.0\nsaves = 40\n[output]\nfigures = false\nreport = false\n"
    )
    words = ("simulate", "config.toml", "--out", "run")
    command = subprocess.Popen(
        [sys.executable, "-m", "measureformer", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "run" / "parts" / "part-00001.npz").exists():
            assert command.poll() is None and time.monotonic() < deadline
            time.sleep(0.02)
        assert command.poll() is None, command.communicate()
        command.send_signal(signal.SIGINT)
        out, err = command.communicate(timeout=60)
    finally:
        command.kill()
    assert command.returncode == 130 and out == "" and "interrupted" in err and "Traceback" not in err
    assert "the same command goes on from there" in err
    for name in json.loads((tmp_path / "run" / "parts" / "manifest.json").read_text())["parts"]:
        assert np.isfinite(np.load(tmp_path / "run" / "parts" / name)["points"]).all()
    for out in ("run", "whole"):
        done = process("simulate", "config.toml", "--out", out, cwd=tmp_path)
        assert done.code == 0, done
    ours, whole = (np.load(tmp_path / out / "trajectory.npz") for out in ("run", "whole"))
    np.testing.assert_array_equal(ours["points"], whole["points"])


@pytest.mark.slow
def test_killed_simulation_with_a_trajectory_in_zarr(tmp_path, process):
    """SIGKILL at any moment: what is there opens, and the same command ends with the store of an undisturbed run, byte for byte."""
    pytest.importorskip("zarr")
    from measureformer.experiments import open_trajectory

    (tmp_path / "config.toml").write_text(
        "[measure]\nn = 700\n[field]\nbeta = 9.0\n[flow]\nhorizon = 4.0\nsave_every = 0.05\n"
        '[output]\nfigures = false\nanimation = false\ntrajectory = "zarr"\ndtype = "float32"\n'
    )
    words = ("simulate", "config.toml", "--out", "run")
    for states in (1, 10):
        command = subprocess.Popen([sys.executable, "-m", "measureformer", *words], stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        try:
            deadline, manifest = time.monotonic() + 200, tmp_path / "run" / "parts" / "manifest.json"
            while not manifest.exists() or json.loads(manifest.read_text())["states"] <= states:
                assert command.poll() is None and time.monotonic() < deadline
                time.sleep(0.01)
        finally:
            command.kill()
            command.communicate()
        found = open_trajectory(tmp_path / "run")
        assert len(found.times) > states and np.isfinite(found.points[0]).all()
    for out in ("run", "whole"):
        done = process("simulate", "config.toml", "--out", out, cwd=tmp_path)
        assert done.code == 0, done
    ours, whole = (
        {p.relative_to(tmp_path / out): p.read_bytes() for p in (tmp_path / out / "trajectory.zarr").rglob("*") if p.is_file()}
        for out in ("run", "whole")
    )
    assert ours == whole and len(ours) > 10
