"""``measureformer simulate`` on several devices and in several processes."""

import json
import socket
import subprocess
import sys

import numpy as np
import pytest

CONFIG = """
[measure]
n = 17
d = 3
[field]
beta = 4.0
[flow]
horizon = 1.0
saves = 2
[output]
figures = false
animation = false
"""


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(CONFIG, encoding="utf-8")
    return path


def in_processes(configs, out, *words: str) -> list[tuple[int, str, str]]:
    """Exit code, stdout and stderr of the command in a process for each configuration, none of which outlives the test."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    options = ["--out", str(out), "--coordinator", address, "--num-processes", str(len(configs)), "--json", *words]
    command = [sys.executable, "-m", "measureformer", "simulate"]
    started = [
        subprocess.Popen(
            [*command, str(config), "--process-id", str(i), *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for i, config in enumerate(configs)
    ]
    try:
        said = [process.communicate(timeout=400) for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    return [(process.returncode, *texts) for process, texts in zip(started, said, strict=True)]


@pytest.mark.slow
def test_two_processes_write_what_one_does(cli, config, tmp_path):
    first, second = in_processes([config, config], tmp_path / "two", "--devices", "2")
    assert first[0] == second[0] == 0, first[2] + second[2]
    assert second[1] == ""
    assert json.loads(first[1])["devices"] == 4
    assert cli("simulate", config, "--out", tmp_path / "one").code == 0
    with np.load(tmp_path / "one/trajectory.npz") as one, np.load(tmp_path / "two/trajectory.npz") as two:
        assert one.files == two.files
        np.testing.assert_allclose(one["points"], two["points"], rtol=0, atol=1e-13)


@pytest.mark.slow
def test_what_one_process_finds_wrong_all_of_them_say(config, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/summary.json").write_text("{}", encoding="utf-8")
    for code, out, err in in_processes([config, config], tmp_path / "run"):
        assert code == 2 and out == "" and "holds another run" in err
    other = tmp_path / "other.toml"
    other.write_text(CONFIG.replace("n = 17", "n = 18"), encoding="utf-8")
    for code, _, err in in_processes([config, other], tmp_path / "new"):
        assert code == 2 and "different configurations" in err
    other.write_text(CONFIG.replace("beta", "gamma"), encoding="utf-8")
    for code, _, err in in_processes([config, other], tmp_path / "new"):
        assert code == 2 and "gamma" in err
    assert not (tmp_path / "new").exists()


def test_options_that_belong_together(cli, config, tmp_path):
    for words, message in (
        (["--coordinator", "127.0.0.1:5000"], "belong together"),
        (["--process-id", "0", "--num-processes", "2"], "belong together"),
        (["--coordinator", "127.0.0.1", "--process-id", "0", "--num-processes", "2"], "HOST:PORT"),
        (["--coordinator", "127.0.0.1:5000", "--process-id", "2", "--num-processes", "2"], "process_id = 2"),
    ):
        outcome = cli("simulate", config, "--out", tmp_path / "run", *words)
        assert outcome.code == 2 and message in outcome.err
    assert not (tmp_path / "run").exists()


def test_layers_are_not_spread(cli, config, tmp_path):
    config.write_text(CONFIG.replace("saves = 2", 'saves = 2\nlayers = "post"\nstep = 0.1'), encoding="utf-8")
    outcome = cli("simulate", config, "--out", tmp_path / "run", "--devices", "1")
    assert outcome.code == 2 and "flow.layers" in outcome.err
