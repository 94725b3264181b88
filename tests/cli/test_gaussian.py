"""``measureformer gaussian``: what it writes, what it refuses, when it is not content."""

import json

import numpy as np
import pytest

MINIMAL = """
[measure]
mean = [0.0, 0.0]
cov = [[2.0, 1.0], [1.0, 2.0]]
[field]
law = "softmax"
A = [[1.0, 2.0], [0.0, -1.0]]   # K^T Q
V = [[1.0, 0.0], [0.0, 1.0]]
[flow]
horizon = 1.0
"""
QUIET = "[output]\nreport = false\n"
COV = "cov = [[2.0, 1.0], [1.0, 2.0]]"
A = "A = [[1.0, 2.0], [0.0, -1.0]]   # K^T Q"


@pytest.fixture
def gaussian(cli, tmp_path):
    """Writes a configuration and runs it; the run is in ``tmp_path / "run"``."""

    def run(text: str, *more: object):
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return cli("gaussian", path, "--out", tmp_path / "run", *more)

    return run


def test_the_contract_blow_up(gaussian, tmp_path):
    done = gaussian(MINIMAL + "rtol = 1e-9\n", "--json")
    assert (done.code, done.err) == (0, ""), done
    found = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert {"status", "time", "mean", "cov", "rank", "versions"} <= set(found) and found["status"] == json.loads(done.out)["status"]
    assert found["status"] == "blow_up" and found["time"] == pytest.approx(0.1371459425887159, rel=1e-8)
    assert found["rank"] == 1 and found["classification"]["answer"] == "blows up"
    files = {str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*") if p.is_file()}
    assert files == {"summary.json", "config.json", "trajectory.npz", "report.html", "figures/gaussian.png", "tables/outcome.csv"}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Theorems say: blows up" in page and "http" not in page
    with np.load(tmp_path / "run" / "trajectory.npz") as saved:
        assert len(saved["times"]) == 51 and (np.diff(saved["times"]) > 0).all()
        k = 20
        precision = np.linalg.inv([[2, 1], [1, 2]]) - saved["times"][k] * np.array([[2, 2], [2, -2]])
        np.testing.assert_allclose(saved["cov"][k], np.linalg.inv(precision), rtol=1e-6)
    again = gaussian(MINIMAL)
    assert again.code == 2 and "holds another run" in again.err


def test_convergence_and_horizon(gaussian, tmp_path):
    q = "Q = [[0.6, 0.8]]\nK = [[-0.6, -0.8]]"
    text = MINIMAL.replace(A, q).replace("horizon = 1.0", "horizon = 1e6\nrtol = 1e-8")
    assert gaussian(text + QUIET, "--json").code == 0
    found = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (found["status"], found["rank"], found["classification"]["rank"]) == ("converged", 1, 1)
    np.testing.assert_allclose(found["cov"], np.array([[24, -18], [-18, 13.5]]) / 37, atol=1e-4)
    assert found["conserved"]["relative_change"] < 1e-8 and found["conserved"]["rank"] == 1
    done = gaussian(MINIMAL.replace("horizon = 1.0", "horizon = 0.1") + QUIET, "--force")
    assert done.code == 0 and "the horizon was reached" in done.out
    found = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (found["status"], found["time"], found["rank"]) == ("horizon", 0.1, 2)
    np.testing.assert_allclose(found["cov"], np.array([[65, 40], [40, 35]]) / 9, rtol=1e-9)


def test_clouds_beside_it(gaussian, tmp_path):
    text = MINIMAL.replace("horizon = 1.0", "horizon = 0.1") + "[particles]\nn = [50]\n" + QUIET
    done = gaussian(text, "--seed", 3)
    assert done.code == 0 and "warning: |A S| reaches" in done.out, done
    found = json.loads((tmp_path / "run" / "summary.json").read_text())["mean_field"]
    assert found["n"] == [50] and 0 < found["relative_error"][0] < 1 and found["trusted"] is False


@pytest.mark.parametrize(("law", "never"), [("softmax", True), ("linear", False)])
def test_a_blow_up_is_no_prediction_for_clouds_unless_attention_is_linear(gaussian, law, never):
    done = gaussian(MINIMAL.replace("softmax", law) + "rtol = 1e-8\n" + QUIET)
    assert done.code == 0 and ("A finite cloud of tokens never blows up" in done.out) is never


def test_what_ends_early_exits_with_3(gaussian, tmp_path):
    done = gaussian(MINIMAL + "max_steps = 3\n" + QUIET, "--json")
    assert done.code == 3 and json.loads(done.out)["status"] == "steps"


SPLIT = MINIMAL.replace(A, "Q = [[1.0, 2.0], [0.0, 1.0]]\nK = [[1.0, 0.0], [1.0, -1.0]]\nheads = 2").replace("softmax", "multi-head")


def test_heads_by_number(gaussian, tmp_path):
    text = SPLIT.replace("V = [[1.0, 0.0], [0.0, 1.0]]", "V = [[2.0, -1.0], [1.0, 1.0]]").replace("horizon = 1.0", "horizon = 0.03")
    assert gaussian(text + QUIET).code == 0
    found = json.loads((tmp_path / "run" / "summary.json").read_text())["cov"]
    np.testing.assert_allclose([found[0][0], found[0][1], found[1][1]], [3.1320324589, 1.6098611822, 2.0564777307], atol=6e-11)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (COV, "cov = [[1.0, 2.0], [2.0, 1.0]]", "measure: cov is not positive semi-definite: it has the eigenvalue -1"),
        (COV, "cov = [[1.0, 0.5], [0.4, 1.0]]", "measure: cov is not symmetric"),
        (COV, "cov = [[1.0]]", "measure: cov must have shape (2, 2)"),
        (COV, "cov = [[1.0, 2.0], [3.0]]", "rows of lengths [2, 1]"),
        (COV, "", "measure.cov is missing"),
        ('law = "softmax"', 'law = "sigmoid"\nQ = [[1.0, 0.0], [0.0, 1.0]]', "field.A: the law 'sigmoid' depends on Q and K"),
        ('law = "softmax"', 'law = "softmux"', "did you mean 'softmax'?"),
        (A, "A = [[1.0, 2.0, 3.0]]", "Q has shape (1, 3)"),
        (A, A + "\nQ = [[1.0, 0.0]]", "not both"),
        (A, "beta = 1.0\nheads = 2", "splits Q, K and V"),
        ('law = "softmax"', 'law = "sinkhorn"\neps = 0.0', "eps must be positive, got 0.0"),
        ("horizon = 1.0", "horizon = -1.0", "flow.horizon = -1.0"),
        ("horizon = 1.0", 'horizon = 1.0\nmethod = "euler"', "choose one of adaptive, implicit, congruence"),
        ("horizon = 1.0", "horizon = 1.0\nsave = 5", "did you mean 'saves'?"),
        ("horizon = 1.0", "horizon = 1.0\n[particles]\nn = [2]", "more tokens than dimensions"),
    ],
)
def test_refused_in_one_line(gaussian, tmp_path, old, new, message):
    done = gaussian(MINIMAL.replace(old, new))
    assert done.code == 2 and done.out == "" and done.err.count("\n") == 1, done
    assert message in done.err and "config.toml" in done.err
    assert not (tmp_path / "run").exists()


def test_heads_that_do_not_divide_and_laws_that_do_not_close(gaussian):
    done = gaussian(SPLIT.replace("heads = 2", "heads = 3"))
    assert done.code == 2 and "heads = 3 does not divide the dimension d = 2" in done.err
    done = gaussian(MINIMAL.replace(A, "").replace("softmax", "sigmoid"))
    assert done.code == 2 and "sigmoid: Gaussian measures are not preserved" in done.err


STEERED = """
[measure]
mean = [1.0, 0.0]
cov = [[2.0, 1.0], [1.0, 2.0]]
[target]
mean = [0.0, 2.0]
cov = [[1.0, -0.5], [-0.5, 3.0]]
[particles]
n = []
"""


def test_steering(gaussian, cli, tmp_path):
    done = gaussian(STEERED, "--json")
    found = json.loads(done.out)
    assert (done.code, found["status"], found["passed"]) == (0, "reachable", True) and found["w2_after"][0] < 1e-9
    files = {str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*") if p.is_file()}
    made = {"report.html", "figures/steering.png", "tables/pairs.csv", "tables/schedule.csv"}
    assert files == {"schedule.safetensors", "gaussians.safetensors", "certificate.json", "summary.json", "config.json", *made}
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "The certificate passed" in page and "http" not in page
    assert cli("verify", tmp_path / "run").code == 0
    done = gaussian(STEERED.replace("[0.0, 2.0]", "[0.0, 0.0]"), "--force")
    assert done.code == 3 and "obstructed: measure 0: the mean is not zero and its target is" in done.out
    assert "Obstructed: measure 0" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert not (tmp_path / "run" / "schedule.safetensors").exists() and cli("verify", tmp_path / "run").code == 3


def test_steering_refuses_in_one_line(gaussian):
    for old, new, message in (
        ("[0.0, 2.0]", "[0.0]", "target: cov must have shape (1, 1)"),
        ("[target]", "[target]\nep = 1.0", "target.ep"),
    ):
        done = gaussian(STEERED.replace(old, new))
        assert done.code == 2 and done.err.count("\n") == 1 and message in done.err, done
