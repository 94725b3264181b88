"""``measureformer simulate``: what it writes, what it refuses, when it is not content."""

import json
import re

import numpy as np
import pytest
from scipy.special import exp1

from measureformer import Clouds, flow, read_clouds, write_clouds
from measureformer.cli.simulate import run_simulate
from measureformer.experiments import Parts, TrajectoryStore, initial_measure, open_trajectory
from measureformer.fields import LAWS, ParticleField, Softmax
from measureformer.fields.layers import SCHEMES, MixLN, run_layers
from pages import data_of, unpacked

KEYS = {"energy_initial", "energy_final", "energy_monotone", "clusters", "max_norm_error", "steps", "kernel", "wall_s", "versions"}
MINIMAL = """
[measure]
kind = "uniform"
n = 16
d = 3
seed = 0
[field]
law = "softmax"
beta = 4.0
geometry = "sphere"
[flow]
horizon = 2.0
saves = 5
"""
QUIET = "[output]\nfigures = false\nreport = false\n"
LINE = """
[measure]
file = "line.csv"
[field]
law = "linear"
beta = 2.0
V = [[0.5]]
geometry = "euclidean"
[flow]
horizon = 1.5
saves = 15
"""


@pytest.fixture
def simulate(cli, tmp_path):
    """Writes a configuration and runs it; the run is in ``tmp_path / "run"``."""

    def run(text: str, *more: object, out="run"):
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return cli("simulate", path, "--out", tmp_path / out, *more)

    return run


def summary(tmp_path, out="run"):
    return json.loads((tmp_path / out / "summary.json").read_text())


def test_the_contract(simulate, tmp_path):
    done = simulate(MINIMAL, "--json")
    assert (done.code, done.err) == (0, ""), done
    found = summary(tmp_path)
    assert KEYS <= set(found) and KEYS <= set(json.loads(done.out))
    assert found["energy_monotone"] is True and found["energy_final"] > found["energy_initial"]
    assert found["max_norm_error"] <= 4e-16 and found["steps"] > 0 and isinstance(found["clusters"], int)
    mu = initial_measure("uniform", 16, 3, seed=0)
    x = mu.points
    assert abs(found["energy_initial"] - np.exp(4 * x @ x.T).mean() / 8) < 1e-12
    expected = flow(ParticleField(Softmax(4.0)), mu, 2.0, saveat=5)
    final = read_clouds(tmp_path / "run" / "final.npz")
    np.testing.assert_allclose(final.points, expected.points[0][-1], atol=1e-12)
    with np.load(tmp_path / "run" / "trajectory.npz") as saved:
        np.testing.assert_allclose(saved["times"], np.linspace(0, 2, 6))
        np.testing.assert_allclose(saved["points"], expected.points[0], atol=1e-12)
    assert {p.name for p in (tmp_path / "run" / "figures").iterdir()} == {"tokens.png", "energy.png", "cosines.png"}
    data = data_of(tmp_path / "run" / "report.html")
    assert data["labels"] == ["t = 0", "t = 0.4", "t = 0.8", "t = 1.2", "t = 1.6", "t = 2"]
    np.testing.assert_allclose(unpacked(data["measures"][0]["points"], 6, 16)[-1], final.points, atol=2e-5)
    curve = data["curves"][0]["y"][0]
    np.testing.assert_allclose([curve[0], curve[-1]], [found["energy_initial"], found["energy_final"]], rtol=1e-5)


def test_a_run_is_not_overwritten_and_the_seed_decides(simulate, tmp_path):
    assert simulate(MINIMAL + QUIET, "--seed", 3).code == 0
    first = read_clouds(tmp_path / "run" / "final.npz").points
    done = simulate(MINIMAL + QUIET)
    assert done.code == 2 and "holds another run" in done.err and "--force" in done.err
    assert simulate(MINIMAL + QUIET, "--seed", 3, "--force").code == 0
    np.testing.assert_array_equal(read_clouds(tmp_path / "run" / "final.npz").points, first)
    assert summary(tmp_path)["seed"] == 3
    assert simulate(MINIMAL.replace("seed = 0", "seed = 3") + QUIET, out="other").code == 0
    np.testing.assert_array_equal(read_clouds(tmp_path / "other" / "final.npz").points, first)
    assert simulate(MINIMAL + QUIET, "--force").code == 0
    assert abs(read_clouds(tmp_path / "run" / "final.npz").points - first).max() > 1e-3


@pytest.mark.parametrize("law", [name for name in LAWS if name != "multi-head"])
def test_every_law_of_the_table_runs(simulate, tmp_path, law):
    text = MINIMAL.replace('"softmax"', f'"{law}"').replace("horizon = 2.0", "horizon = 0.5") + QUIET
    if law == "hardmax":
        text = text.replace("beta = 4.0\n", "").replace("saves = 5", "saves = 5\nstep = 0.05")
    done = simulate(text)
    assert done.code == 0, done
    assert summary(tmp_path)["time"] == 0.5 and summary(tmp_path)["max_norm_error"] <= 4e-16


def test_heads_masks_perceptron_and_matrices(simulate, tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "Q.npy", rng.normal(size=(2, 3)))
    text = """
[measure]
n = 8
[field]
law = "multi-head"
mask = "causal"
scale = -0.5
heads = [{law = "softmax", beta = 2.0, Q = "Q.npy", K = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]}, {law = "unnormalised", time = "peak"}]
perceptron = {W = [[1.0], [0.0], [0.0]], b = [0.3]}
[flow]
horizon = 1.0
"""
    assert simulate(text + QUIET).code == 0
    assert not summary(tmp_path)["energy"]["gradient_flow"]


@pytest.mark.parametrize(("n", "d", "kind", "geometry"), [
    (1, 3, "uniform", "sphere"), (5, 1, "normal", "euclidean"), (6, 2, "polygon", "sphere"), (5, 7, "uniform", "sphere"),
])  # fmt: skip
def test_small_and_odd_sizes_are_drawn_too(simulate, tmp_path, n, d, kind, geometry):
    text = MINIMAL.replace("n = 16\nd = 3", f"n = {n}\nd = {d}").replace("uniform", kind).replace('"sphere"', f'"{geometry}"')
    assert simulate(text.replace("horizon = 2.0", "horizon = 1")).code == 0
    assert len(list((tmp_path / "run" / "figures").iterdir())) == 3 and (tmp_path / "run" / "report.html").exists()


def test_rescaled_coordinates(simulate, tmp_path):
    text = """
[measure]
kind = "cube"
scale = 5.0
n = 20
d = 2
[field]
law = "softmax"
geometry = "rescaled"
V = [[1.0, 0.2], [0.0, 0.6]]
[flow]
horizon = 3.0
"""
    assert simulate(text).code == 0
    found = summary(tmp_path)
    assert found["max_norm_error"] is None and found["time"] == 3.0
    with np.load(tmp_path / "run" / "trajectory.npz") as saved:
        assert abs(saved["points"]).max() < 8  # tokens grow like e^t, their coordinates do not


def test_repulsion_and_the_audit_of_the_energy(simulate, tmp_path):
    text = MINIMAL.replace("beta = 4.0", "beta = 4.0\nscale = -1.0").replace("saves = 5", "saves = 5\naudit = true")
    assert simulate(text + QUIET).code == 0
    found = summary(tmp_path)
    assert found["energy_monotone"] and found["energy"]["direction"] == "falls"
    assert found["energy_final"] < found["energy_initial"] and found["energy"]["identity_defect"] < 1e-7


def test_several_measures_from_a_file_merges_and_parquet(simulate, tmp_path):
    import pyarrow.parquet as pq

    mus = {"a": initial_measure("uniform", 6, 3, seed=1), "b": initial_measure("cap", 9, 3, seed=2, scale=0.3)}
    write_clouds(tmp_path / "clouds.csv", Clouds.from_measures(mus))
    text = '[measure]\nfile = "clouds.csv"\n[field]\nbeta = 1.0\n[flow]\nhorizon = 20.0\nsaves = 4\nmerges = true\nconverged = 1e-6\n'
    done = simulate(text + QUIET + 'trajectory = "parquet"\n')
    assert done.code == 0, done
    found = summary(tmp_path)
    assert [m["label"] for m in found["measures"]] == ["a", "b"] and found["clusters"] == 2
    assert {e["kind"] for e in found["events"]} >= {"clusters", "converged"}
    table = pq.read_table(tmp_path / "run" / "trajectory.parquet").to_pydict()
    assert len(table["time"]) == 5 * 15 and set(table["measure"]) == {"a", "b"}


def test_noise_is_reproducible(simulate, tmp_path):
    text = MINIMAL.replace("saves = 5", "saves = 5\nkappa = 50.0\nstep = 0.02") + QUIET
    assert simulate(text).code == 0 and simulate(text, out="again").code == 0 and simulate(text, "--seed", 1, out="other").code == 0
    points = [read_clouds(tmp_path / out / "final.npz").points for out in ("run", "again", "other")]
    np.testing.assert_array_equal(points[0], points[1])
    assert abs(points[0] - points[2]).max() > 1e-2


@pytest.mark.parametrize(("law", "time"), [("linear", lambda x: 1 / (2 * x**2)), ("unnormalised", lambda x: exp1(2 * x**2))])
def test_one_measure_blows_up_and_the_other_goes_on(simulate, table, tmp_path, law, time):
    """Tokens on the line: T = 1/(2 V A x0^2) for linear, E_1(A x0^2)/(2 V) for unnormalised attention, here V = 1/2, A = 2."""
    table(tmp_path / "line.csv", [[[0.8]], [[0.05]]])
    done = simulate(LINE.replace('"linear"', f'"{law}"').replace("horizon = 1.5", f"horizon = {1.2 * time(0.8)}") + QUIET)
    assert done.code == 0, done
    assert "1 of 2 measures ended before: tokens escape" in done.out and "blow-up of 'north'" in done.out
    found = summary(tmp_path)
    assert (found["status"], found["stop"]) == ("blow_up", "horizon")
    assert [m["status"] for m in found["measures"]] == ["blow_up", "horizon"]
    (event,) = found["events"]
    assert abs(event["value"] / time(0.8) - 1) < 1e-6 and abs(found["measures"][0]["time"] / time(0.8) - 1) < 1e-6
    with np.load(tmp_path / "run" / "trajectory.npz") as saved:
        assert len(saved["times"]) == 16 and np.isfinite(saved["points"]).all()


def test_blow_up_is_a_result_and_keeps_what_was_computed(simulate, tmp_path):
    text = """
[measure]
kind = "normal"
n = 5
d = 2
[field]
law = "linear"
geometry = "euclidean"
[flow]
horizon = 50.0
saves = 500
"""
    done = simulate(text)
    assert done.code == 0
    assert "infinity in finite time" in done.out and "blow-up at t =" in done.out
    found = summary(tmp_path)
    (event,) = found["events"]
    assert found["status"] == found["stop"] == "blow_up" and event["kind"] == "blow-up" and abs(event["value"] / found["time"] - 1) < 1e-3
    with np.load(tmp_path / "run" / "trajectory.npz") as saved:
        assert 2 <= len(saved["times"]) < 501 and np.isfinite(saved["points"]).all()


def interrupted_after(saves, monkeypatch, tmp_path, text):
    """``run_simulate`` with Ctrl-C while the given save is kept."""
    kind = TrajectoryStore if "zarr" in text else Parts
    keep = kind.keep

    def ctrl_c(self, checkpoint):
        keep(self, checkpoint)
        if len(checkpoint.moments) == saves:
            raise KeyboardInterrupt

    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(kind, "keep", ctrl_c)
        run_simulate(
            tmp_path / "config.toml", tmp_path / "run", seed=None, save_every=None, animation=None, resume=False, force=False, as_json=True
        )  # fmt: skip


def test_an_interrupted_run_goes_on_and_ends_the_same(simulate, monkeypatch, tmp_path, capfd):
    assert simulate(MINIMAL + QUIET, out="whole").code == 0
    interrupted_after(3, monkeypatch, tmp_path, MINIMAL + QUIET)
    assert "up to t = 0.8" in capfd.readouterr().err
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"config.json", "parts"}
    other = simulate(MINIMAL.replace("beta = 4.0", "beta = 4.5") + QUIET)
    assert other.code == 2 and "unfinished run of another configuration" in other.err
    looks = MINIMAL + QUIET.replace("figures = false", "angle = 0.5\nfigures = false")  # the output is no part of what is run
    assert simulate(looks, "--resume").code == 0
    found, whole = summary(tmp_path), summary(tmp_path, "whole")
    assert found["restarts"] == 1 and found["steps"] == whole["steps"] and found["energy_final"] == whole["energy_final"]
    for name in ("final.npz", "trajectory.npz"):
        with np.load(tmp_path / "run" / name) as ours, np.load(tmp_path / "whole" / name) as theirs:
            assert ours.files == theirs.files
            for key in ours.files:
                np.testing.assert_array_equal(ours[key], theirs[key])
    assert not (tmp_path / "run" / "parts").exists()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_trajectory_in_zarr_goes_on_and_ends_the_same(simulate, monkeypatch, tmp_path, capfd, dtype):
    xr = pytest.importorskip("xarray")
    text = MINIMAL + QUIET + f'trajectory = "zarr"\ndtype = "{dtype}"\n'
    assert simulate(text, out="whole").code == 0 and simulate(MINIMAL + QUIET, out="npz").code == 0
    interrupted_after(3, monkeypatch, tmp_path, text)
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"config.json", "parts", "trajectory.zarr"}
    assert len(open_trajectory(tmp_path / "run").times) == 3
    other = simulate(text.replace("beta = 4.0", "beta = 4.5"))
    assert other.code == 2 and "unfinished run of another configuration" in other.err
    assert simulate(text.replace('"zarr"', '"npz"')).code == 2
    assert simulate(text, "--resume").code == 0
    found, whole = summary(tmp_path), summary(tmp_path, "whole")
    same = ("steps", "energy_final", "max_norm_error", "energy_monotone", "clusters")
    assert found["restarts"] == 1 and [found[name] for name in same] == [whole[name] for name in same]
    assert found["max_norm_error"] <= 4e-16  # of the flow, not of the numbers in the store
    assert {p.name for p in (tmp_path / "run").iterdir()} == {"config.json", "final.npz", "summary.json", "trajectory.zarr"}
    ours, theirs = (
        {p.relative_to(tmp_path / out): p.read_bytes() for p in (tmp_path / out / "trajectory.zarr").rglob("*") if p.is_file()}
        for out in ("run", "whole")
    )
    assert ours == theirs
    with np.load(tmp_path / "npz" / "trajectory.npz") as npz, xr.open_zarr(tmp_path / "run" / "trajectory.zarr") as opened:
        np.testing.assert_array_equal(opened.points, npz["points"].astype(dtype))
        np.testing.assert_array_equal(opened.energy.T, npz["energy"])
        np.testing.assert_array_equal(read_clouds(tmp_path / "run" / "final.npz").points, npz["points"][-1])


def test_states_are_saved_every_so_often(simulate, tmp_path):
    assert simulate(MINIMAL.replace("saves = 5", "save_every = 0.3") + QUIET).code == 0
    assert simulate(MINIMAL + QUIET, "--save-every", 0.3, out="option").code == 0
    for out in ("run", "option"):
        with np.load(tmp_path / out / "trajectory.npz") as saved:
            np.testing.assert_allclose(saved["times"], [0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.0], rtol=1e-15)
    assert json.loads((tmp_path / "option" / "config.json").read_text())["flow"] == {"horizon": 2.0, "save_every": 0.3}
    layers = MINIMAL.replace("saves = 5", 'save_every = 0.5\nlayers = "post"\nstep = 0.2') + QUIET
    assert simulate(layers + 'trajectory = "zarr"\n', out="layers").code == 0
    np.testing.assert_allclose(open_trajectory(tmp_path / "layers").times, [0, 0.4, 1.0, 1.6, 2.0])


def test_resume_and_force(simulate, monkeypatch, tmp_path):
    assert "no unfinished run to go on with" in (none := simulate(MINIMAL + QUIET, "--resume")).err and none.code == 2
    assert not (tmp_path / "run").exists()
    interrupted_after(2, monkeypatch, tmp_path, MINIMAL + QUIET)
    assert "give one of the two" in simulate(MINIMAL + QUIET, "--resume", "--force").err
    assert simulate(MINIMAL.replace("beta = 4.0", "beta = 4.5") + QUIET, "--force").code == 0
    assert summary(tmp_path)["restarts"] == 0 and not (tmp_path / "run" / "parts").exists()


def test_probes_follow_and_are_drawn(simulate, tmp_path):
    text = MINIMAL + "[probes]\nn = 5\nseed = 4\n[output]\nfigures = true\n"
    assert simulate(text).code == 0
    assert simulate(MINIMAL + QUIET, out="without").code == 0
    probes = initial_measure("uniform", 5, 3, seed=4).points
    expected = flow(ParticleField(Softmax(4.0)), initial_measure("uniform", 16, 3, seed=0), 2.0, saveat=5, probes=probes)
    with np.load(tmp_path / "run" / "trajectory.npz") as ours, np.load(tmp_path / "without" / "trajectory.npz") as theirs:
        np.testing.assert_allclose(ours["points"], theirs["points"], atol=1e-8)
        np.testing.assert_allclose(ours["probes"][0], probes, atol=1e-15)
        np.testing.assert_allclose(ours["probes"], expected.probes[0], atol=1e-12)
        assert ours["probe_measure"].tolist() == [0] * 5 and "probes" not in theirs.files
    (measure,) = data_of(tmp_path / "run" / "report.html")["measures"]
    np.testing.assert_allclose(unpacked(measure["probes"], 6, 5), expected.probes[0], atol=2e-5)
    bad = simulate(text.replace("n = 5\nseed", "n = 5\nd = 4\nseed"), "--force")
    assert bad.code == 2 and "probes have dimension 4, the measures 3" in bad.err


def test_a_film(simulate, tmp_path):
    from PIL import Image

    assert simulate(MINIMAL + "[output]\nfigures = false\n", "--animation", "gif").code == 0
    assert {p.name for p in (tmp_path / "run").iterdir()} >= {"animation.gif", "report.html"}
    assert "id='stage'" not in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    with Image.open(tmp_path / "run" / "animation.gif") as film:
        frames = []
        for k in range(film.n_frames):
            film.seek(k)
            frames.append(np.asarray(film.convert("RGB"), int))
    assert len(frames) == 6 and abs(frames[0] - frames[-1]).max() > 50 and frames[0].mean() > 200


def test_a_film_without_its_writer(simulate, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    done = simulate(MINIMAL + '[output]\nanimation = "mp4"\n')
    assert done.code == 2 and "needs the program ffmpeg" in done.err and not (tmp_path / "run").exists()


@pytest.mark.parametrize("layers", ["post", "pre", "mix", "peri", "ngpt", "sqrt"])
def test_layers_in_place_of_a_flow(simulate, tmp_path, layers):
    text = MINIMAL.replace("saves = 5", f'saves = 5\nlayers = "{layers}"\nstep = 0.05\nswitch = 0.5') + QUIET
    assert simulate(text).code == 0
    found = summary(tmp_path)
    assert found["steps"] == 40 and (found["max_norm_error"] is None) == (layers in ("pre", "mix", "peri"))
    scheme = MixLN(0.05, 0.5) if layers == "mix" else SCHEMES[layers](0.05)
    states = run_layers(Softmax(4.0), scheme, initial_measure("uniform", 16, 3, seed=0), 40)
    with np.load(tmp_path / "run" / "trajectory.npz") as saved:
        np.testing.assert_allclose(saved["times"], np.linspace(0, 2, 6))
        np.testing.assert_array_equal(saved["points"], states[::8])


def test_the_functional_is_the_laws_own(simulate, tmp_path):
    x = initial_measure("uniform", 16, 3, seed=0).points
    assert simulate(MINIMAL.replace('"softmax"', '"linear"') + QUIET).code == 0
    found = summary(tmp_path)
    assert abs(found["energy_initial"] - ((x @ x.T) ** 2).mean()) < 1e-12 and found["energy_monotone"]
    assert found["energy"]["functional"].startswith("(β/4)") and "note" not in found["energy"]
    masked = simulate(MINIMAL.replace("beta = 4.0", 'beta = 4.0\nmask = "causal"') + QUIET, out="masked")
    assert masked.code == 0 and "no functional of this field is known" in masked.out
    assert "no Lyapunov functional is known" in summary(tmp_path, "masked")["energy"]["note"]


def test_hardmax_without_a_step_says_what_to_do(simulate, tmp_path):
    """Q turns by a right angle: tokens slide along ties."""
    Q = "Q = [[0.3, -1.1, 0.4], [0.9, 0.2, -0.7], [-0.5, 0.8, 0.1]]"
    text = MINIMAL.replace('"softmax"\nbeta = 4.0', f'"hardmax"\n{Q}').replace("saves = 5", "saves = 5\nmax_steps = 200") + QUIET
    done = simulate(text)
    assert done.code == 3 and "slide along such a place: give flow.step" in done.out
    assert simulate(text.replace("max_steps = 200", "step = 0.05"), "--force").code == 0


def test_the_limit_of_steps_is_no_success(simulate, tmp_path):
    done = simulate(MINIMAL.replace("saves = 5", "saves = 5\nmax_steps = 3") + QUIET)
    assert done.code == 3 and "limit of steps" in done.out and summary(tmp_path)["stop"] == "steps"


@pytest.mark.parametrize(("change", "message"), [
    (("[flow]", "[flow]\nhorzon = 1.0"), r"no key flow\.horzon; did you mean 'horizon'"),
    (("[measure]", "[mesure]"), r"no key mesure; did you mean 'measure'"),
    (('"softmax"', '"sofmax"'), r"field\.law = 'sofmax': there is no such law; did you mean 'softmax'"),
    (('"softmax"', '"xyz"'), r"field\.law = 'xyz': .*there are softmax, unnormalised"),
    (("beta =", "betta ="), r"field\.betta: the law 'softmax' has no such parameter; did you mean 'beta'"),
    (("beta = 4.0", "beta = 4.0\neps = 1.0"), r"field\.eps: the law 'softmax' has no such parameter"),
    (("beta = 4.0", 'beta = "hot"'), r"field\.beta = 'hot' must be a finite number"),
    (("beta = 4.0", "Q = [[1.0, 2.0], [3.0]]"), r"field\.Q must be a list of rows of equal length"),
    (("beta = 4.0", "Q = [[1.0, 2.0]]"), r"Q has shape \(1, 2\).*dimension 3"),
    (("beta = 4.0", "V = [[1.0, 0.0, 0.0]]"), r"V must be square"),
    (("beta = 4.0", 'Q = "none.npy"'), r"field\.Q = 'none\.npy': the file cannot be read"),
    (('"sphere"', '"spere"'), r"field\.geometry = 'spere': input should be 'sphere', 'euclidean' or 'rescaled'"),
    (("n = 16", "n = 0"), r"measure\.n = 0: input should be greater than or equal to 1"),
    (("n = 16", "n = true"), r"measure\.n = True: input should be a valid integer"),
    (("horizon = 2.0", "horizon = -2.0"), r"flow\.horizon = -2\.0: input should be greater than 0"),
    (("horizon = 2.0\n", ""), r"flow\.horizon is missing"),
    (('"uniform"', '"normal"'), r"measure\.kind = 'normal' is not on the sphere"),
    (('"uniform"', '"orthonormal"'), r"no n = 16 orthonormal tokens in dimension d = 3"),
    (("saves = 5", "saves = 5\nsave_every = 0.1"), r"flow\.save_every = 0\.1 and flow\.saves = 5 exclude each other"),
    (("saves = 5", "save_every = 1e-9"), r"flow\.save_every = 1e-09 saves 2e\+09 states; 10000000 are the most"),
    (("saves = 5", "kappa = 1.0"), r"flow\.kappa \(noise\) needs flow\.step"),
    (('"softmax"\nbeta = 4.0', '"unnormalised"\nbeta = 800.0'), r"overflow at beta = 800; take the time unit TimeUnit\.PEAK"),
    (('"softmax"\nbeta = 4.0', '"unnormalised"\ntime = "pek"'), r"field\.time = 'pek': did you mean 'peak'"),
    (("[flow]", "[flow"), r"is not TOML"),
    (("saves = 5", 'layers = "post"'), r"flow\.layers = 'post' needs flow\.step"),
    (("saves = 5", 'layers = "post"\nstep = 0.1\nrtol = 0.1'), r"flow\.rtol belongs to a flow"),
    (("beta = 4.0", "K = [[1.0, 0.0], [0.0, 1.0]]"), r"K has shape \(2, 2\).*dimension 3"),
    (('"softmax"\nbeta = 4.0\ngeometry = "sphere"\n[flow]', '"unnormalised"\n[flow]\nlayers = "post"\nstep = 2.0'),
     r"flow\.step is eta: layer 0 is unstable.*take eta <= \d\.\d+"),
])  # fmt: skip
def test_bad_configurations_are_refused_by_key(simulate, tmp_path, change, message):
    done = simulate(MINIMAL.replace(*change))
    assert (done.code, done.out) == (2, ""), done
    assert done.err.startswith("error: ") and done.err.count("\n") == 1
    assert re.search(message, done.err), done.err
    assert not (tmp_path / "run").exists()


def test_no_file(cli, tmp_path):
    done = cli("simulate", tmp_path / "none.toml", "--out", tmp_path / "run")
    assert done.code == 2 and "there is no such file" in done.err


@pytest.mark.slow
def test_a_thousand_tokens_in_twenty_seconds(process, tmp_path):
    """n = 1000, d = 3, beta = 4, T = 10, with figures and start-up."""
    import time

    (tmp_path / "config.toml").write_text(MINIMAL.replace("n = 16", "n = 1000").replace("horizon = 2.0", "horizon = 10.0"))
    start = time.perf_counter()
    done = process("simulate", tmp_path / "config.toml", "--out", tmp_path / "run", cwd=tmp_path)
    assert done.code == 0 and time.perf_counter() - start < 20
