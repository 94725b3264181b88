"""``measureformer check``: its files, its exit codes, and what it says of functions that misbehave."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import incontext_samples

FUNCTIONS = """
import os, sys, time
import numpy as np

def moved(x, a):
    print("noise on stdout")
    return x + 0.5 * (a @ x), a

def heat(x, a):
    return np.concatenate([x - 0.1, x + 0.1]), np.concatenate([a, a]) / 2

def mid_rank(x, a):
    less, same = x[None, :, 0] < x[:, None, 0], x[None, :, 0] == x[:, None, 0]
    return ((less + 0.5 * same) @ a)[:, None], a

def crashes(x, a):
    raise KeyError("oops")

def dies(x, a):
    os._exit(7)

def one(x, a):
    return x

def sleeps(x, a):
    time.sleep(60)
"""


@pytest.fixture
def check(cli, tmp_path, monkeypatch):
    """Runs the command where ``mymaps`` can be imported."""
    (tmp_path / "mymaps.py").write_text(FUNCTIONS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def run(name, *more, out="run"):
        return cli("check", f"mymaps:{name}", "--out", tmp_path / out, "--rounds", 1, *more)

    return run


def test_the_contract(check, tmp_path):
    done = check("mid_rank", "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads((tmp_path / "run" / "verdict.json").read_text())
    assert found["verdict"] == json.loads(done.out)["verdict"] == "discontinuous"
    evidence = found["evidence"]
    assert evidence["certainty"] == "proof" and "proves" in evidence["says"]
    mu, nu = evidence["witness"]["measures"]
    assert len(mu["points"]) and len(nu["weights"]) and evidence["witness"]["numbers"]["omega"] > 0.1
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "mid_rank" in page and evidence["witness"]["says"] in page.replace("&#x27;", "'")
    assert {p.name for p in (tmp_path / "run" / "figures").iterdir()} == {"witness.png"}
    done = check("mid_rank")
    assert done.code == 2 and "holds another run" in done.err


def test_a_pass_in_more_dimensions_and_a_quiet_stdout(check, tmp_path):
    done = check("moved", "--dim", 2, "--json", "--seed", 3)
    assert done.code == 0 and "noise" not in done.out
    found = json.loads(done.out)
    assert found["verdict"] == "representable" and found["evidence"]["certainty"] == "evidence"
    for row in found["evidence"]["recovered"]:
        G = np.array(row["x"]) + 0.5 * np.array(row["weights"]) @ np.array(row["points"])
        np.testing.assert_allclose(row["G"], G, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("crashes", "KeyError: 'oops' (mymaps.py, line 17)"),
        ("dies", "ended with exit code 7"),
        ("one", "must return a pair"),
        ("nothing", "has no function nothing"),
    ],
)
def test_what_misbehaves_ends_with_2(check, tmp_path, name, message):
    done = check(name)
    assert (done.code, done.out) == (2, "") and message in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_the_time_limit(check, tmp_path):
    done = check("sleeps", "--time-limit", 6)
    assert done.code == 2 and "no verdict within 6 seconds" in done.err
    assert not (tmp_path / "run").exists()


def test_bad_options(cli, check, tmp_path):
    assert "--dim must be" in check("moved", "--dim", 0).err
    assert "--time-limit must be" in check("moved", "--time-limit", 0).err
    done = cli("check", "mymaps", "--out", tmp_path / "x")
    assert done.code == 2 and "MODULE:FUNCTION" in done.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "verdict"),
    [("e1", "no_regular_part"), ("e2", "not_uniformly_continuous"), ("heat", "not_support_preserving"), ("batch_norm", "discontinuous")],
)
def test_counterexamples(check, tmp_path, cli, name, verdict):
    shutil.copy(Path(incontext_samples.__file__), tmp_path / "samples.py")
    done = cli("check", f"samples.py:{name}", "--out", tmp_path / "run", "--json")
    assert done.code == 0 and json.loads(done.out)["verdict"] == verdict
