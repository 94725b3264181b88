"""``measureformer sweep``: from a configuration to the store, the table and the figure; exit codes."""

import base64
import csv
import json

import numpy as np
import pytest

from measureformer.cli.kinds import GAUSSIAN, INTERPOLATE, KINDS, PHASE_DIAGRAM, SIMULATE
from measureformer.dynamics import gamma_curve
from measureformer.experiments.literature.phase_diagram import REFERENCE, REFERENCE_TIMES, standard_error
from measureformer.experiments.sweep import sweep
from measureformer.experiments.sweep.jobs import find, run_job
from pages import data_of

BASE = "[measure]\nn = 6\nd = 2\n[flow]\nhorizon = 1.0\nsaves = 4\n"


@pytest.fixture
def in_process(monkeypatch):
    """Jobs run in this process: no worker has to load the library."""

    def local(plan, jobs, origin, workers):
        for index in jobs:
            yield index, run_job(plan.kind, plan.tables(index), origin)

    monkeypatch.setattr("measureformer.cli.sweep.local", local)


def written(tmp_path, text):
    path = tmp_path / "sweep.toml"
    path.write_text(text)
    return path


def test_a_sweep_of_flows(cli, tmp_path, in_process):
    xr = pytest.importorskip("xarray")
    pytest.importorskip("plotly")
    path = written(tmp_path, BASE + '[grid]\n"field.beta" = [4.0, 1.0]\n"measure.seed" = [0, 1, 2]\n')
    done = cli("sweep", path, "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert (result["jobs"], result["done"], result["failed"], result["passed"]) == (6, 6, 0, True)
    assert result["files"] == ["store.zarr", "table.csv", "intervals.csv", "figures/phase-diagram.png", "report.html"]
    with (tmp_path / "run" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["field.beta"], row["measure.seed"]) for row in rows] == [(b, s) for b in ("1.0", "4.0") for s in "012"]
    # a row is what simulate says of the same configuration
    single = written(
        tmp_path, BASE.replace("d = 2", "d = 2\nseed = 1") + "[field]\nbeta = 4.0\n[output]\nfigures = false\nreport = false\n"
    )
    alone = json.loads(cli("simulate", single, "--out", tmp_path / "alone", "--json").out)
    for key in ("energy_initial", "energy_final", "max_norm_error", "drift"):
        assert float(rows[4][key]) == alone[key]
    assert (int(rows[4]["clusters"]), int(rows[4]["steps"]), rows[4]["stop"]) == (alone["clusters"], alone["steps"], "horizon")
    store = xr.open_zarr(tmp_path / "run" / "store.zarr")
    assert store["energy"].dims == ("field.beta", "measure.seed", "time")
    np.testing.assert_array_equal(store["energy"].isel({"field.beta": 1, "measure.seed": 1, "time": -1}), alone["energy_final"])
    # Student's interval: for three values t is 4.302652729911275
    with (tmp_path / "run" / "intervals.csv").open() as file:
        means = {(row["field.beta"], row["result"]): row for row in csv.DictReader(file)}
    values = np.array([float(row["energy_final"]) for row in rows[3:]])
    row = means["4.0", "energy_final"]
    half = 4.302652729911275 * values.std(ddof=1) / 3**0.5
    np.testing.assert_allclose(
        [float(row[k]) for k in ("mean", "low", "high")], [values.mean(), values.mean() - half, values.mean() + half]
    )
    page = data_of(tmp_path / "run" / "report.html", "sweep")
    shown = next(q for q in page["quantities"] if q["name"] == "energy_final")
    assert [page["axes"][k] for k in shown["axes"]] == [{"name": "field.beta", "labels": [1.0, 4.0]}]
    for key, value in (("mean", values.mean()), ("half", half), ("number", 3)):
        np.testing.assert_allclose(np.frombuffer(base64.b64decode(shown[key]), "<f4")[1], value, rtol=1e-6)
    over_time = next(q for q in page["quantities"] if q["name"] == "energy")
    assert [page["axes"][k]["name"] for k in over_time["axes"]] == ["field.beta", "time"]
    again = cli("sweep", written(tmp_path, BASE + '[grid]\n"field.beta" = [1.0]\n'), "--out", tmp_path / "run")
    assert again.code == 2 and "holds another sweep: config.grid.field.beta" in again.err
    assert cli("simulate", single, "--out", tmp_path / "run").code == 2


def test_a_job_that_fails_does_not_stop_the_others(cli, tmp_path, in_process):
    path = written(tmp_path, BASE + '[grid]\n"measure.kind" = ["uniform", "orthonormal", "polygon"]\n')
    done = cli("sweep", path, "--out", tmp_path / "run", "--json")
    result = json.loads(done.out)
    assert done.code == 3 and (result["done"], result["failed"]) == (2, 1) and not result["passed"]
    assert result["errors"][0]["parameters"] == {"measure.kind": "orthonormal"} and "orthonormal tokens" in result["errors"][0]["error"]
    table = (tmp_path / "run" / "table.csv").read_text().splitlines()
    assert [",failed," in line for line in table[1:]] == [True, False, False]
    shown = cli("sweep", path, "--out", tmp_path / "run")
    assert shown.code == 3 and "failed: measure.kind = orthonormal" in shown.out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE, "nothing is swept"),
        (BASE + '[grid]\n"field.betta" = [1.0]\n', "did you mean 'beta'"),
        (BASE + '[grid]\n"flow.horizn" = [1.0]\n', "did you mean 'horizon'"),
        (BASE + '[grid]\n"measure.n" = ["many"]\n', "measure.n = 'many'"),
        (BASE + '[sweep]\nkind = "interpolat"\n[grid]\n"plan.eps" = [1.0]\n', "did you mean 'interpolate'"),
        ('[sweep]\nkind = "phase-diagram"\n[grid]\n"field.beta" = [-1.0]\n', "field.beta = -1.0"),
        ('[sweep]\nkind = "interpolate"\n[grid]\n"sources.seed" = [1]\n', "plan is missing"),
    ],
)
def test_what_is_refused(cli, tmp_path, text, message):
    done = cli("sweep", written(tmp_path, text), "--out", tmp_path / "run")
    assert done.code == 2 and message in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", KINDS)
def test_workers_find_the_kinds(name):
    known = {"simulate": SIMULATE, "gaussian": GAUSSIAN, "interpolate": INTERPOLATE, "phase-diagram": PHASE_DIAGRAM}
    assert find(KINDS[name]) is known[name]


def test_a_sweep_of_gaussians(cli, tmp_path, in_process):
    """V = I, A = a I: blow-up at T = 1/(2 a s), or decay s/(1 - 2 a s t)."""
    text = '[sweep]\nkind = "gaussian"\n[measure]\nmean = [0.0]\ncov = [[2.0]]\n[field]\nA = [[0.5]]\n[flow]\nhorizon = 3.0\n'
    done = cli("sweep", written(tmp_path, text + '[grid]\n"field.A" = [[[0.5]], [[-0.5]]]\n'), "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err
    with (tmp_path / "run" / "table.csv").open() as file:
        rows = {row["field.A"]: row for row in csv.DictReader(file)}
    up, down = rows["[[0.5]]"], rows["[[-0.5]]"]
    assert up["outcome"] == "blow_up" and float(up["end"]) == pytest.approx(0.5, rel=1e-6)
    assert down["outcome"] == "horizon" and float(down["largest"]) == pytest.approx(2 / 7, rel=1e-8)


def test_interpolations(cli, tmp_path, in_process):
    text = '[sweep]\nkind = "interpolate"\n[sources]\nn = 3\n[targets]\nn = 3\nseed = 9\n[plan]\neps = 1e-6\ncertify = false\n'
    done = cli(
        "sweep", written(tmp_path, text + '[grid]\n"sources.seed" = [0, 1]\n"sources.d" = [3]\n'), "--out", tmp_path / "run", "--json"
    )
    assert done.code == 0, done.err + done.out
    with (tmp_path / "run" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert all(row["strategy"] == "compact" and int(row["segments"]) > 3 for row in rows)


@pytest.mark.slow
def test_certified_interpolations(cli, tmp_path, in_process):
    text = '[sweep]\nkind = "interpolate"\n[sources]\nn = 3\n[targets]\nn = 3\nseed = 9\n[plan]\neps = 1e-6\n'
    done = cli("sweep", written(tmp_path, text + '[grid]\n"sources.seed" = [0, 1]\n'), "--out", tmp_path / "run", "--json")
    assert done.code == 0, done.err + done.out
    with (tmp_path / "run" / "table.csv").open() as file:
        assert all(
            row["passed"] == "true" and float(row["w2_after_largest"]) < 1e-6 < float(row["w2_before_largest"])
            for row in csv.DictReader(file)
        )


def test_a_phase_diagram_agrees_with_an_independent_program(cli, tmp_path, in_process):
    """Figure 3 of 2312.10794 for d = 2, thinly."""
    text = (
        '[sweep]\nkind = "phase-diagram"\n[measure]\nsamples = 64\n[flow]\nhorizon = 10.0\nsaves = 2\n[grid]\n"field.beta" = [1.0, 4.0]\n'
    )
    done = cli("sweep", written(tmp_path, text), "--out", tmp_path / "run", "--json")
    assert done.code == 0 and "figures/phase-diagram.png" in json.loads(done.out)["files"]
    import zarr

    group = zarr.open_group(tmp_path / "run" / "store.zarr", mode="r")
    np.testing.assert_allclose(group["time"][:], [0, 5, 10])
    for beta, found in zip((1.0, 4.0), group["gathered"][:], strict=True):
        for t, known in zip(REFERENCE_TIMES, REFERENCE[2, beta], strict=True):
            if t in (5, 10):
                assert abs(found[int(t / 5)] - known) < 4 * standard_error(known, 64)


def test_theory_is_laid_over(cli, tmp_path, in_process, monkeypatch):
    """The picture has a panel for each n, the mean over the seeds, and the curve of the theory where it is known."""
    from measureformer.cli import sweep as command
    from measureformer.experiments.sweep.figure import phase_diagram

    kept = []
    monkeypatch.setattr(command, "sweep", lambda *args, **more: kept.append(sweep(*args, **more)) or kept[-1])
    grid = '[grid]\n"measure.n" = [4, 8]\n"field.beta" = [0.0, 2.0, 4.0]\n"measure.seed" = [0, 1]\n'
    assert cli("sweep", written(tmp_path, BASE.replace("1.0", "8.0") + grid), "--out", tmp_path / "run").code == 0
    picture = phase_diagram(kept[0].store)
    assert [panel.title for panel in picture.panels] == ["measure.n = 4", "measure.n = 8"]
    values = kept[0].store.arrays["gathered"][...]
    image = picture.panels[1].image
    np.testing.assert_allclose(np.interp(8.0, image.x, image.z[0]), values[1, 0, :, -1].mean())
    series = picture.panels[1].series[0]
    np.testing.assert_allclose(series.y, gamma_curve(series.x, 8))
    assert len(series.x) >= 1
