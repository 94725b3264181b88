"""``measureformer apply``: any cloud through the schedule of a run; rows, order, labels and weights stay."""

import json

import numpy as np
import pyarrow.parquet as pq
import pytest

from instances import cap
from measureformer import read_clouds


@pytest.fixture
def probe() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(points, labels, weights) of three measures whose rows are mixed."""
    rng = np.random.default_rng(5)
    points = cap(np.array([0.0, 1, 0]), 1.0, 12, rng)
    return points, np.array(["z", "a", "z", "ü, b"] * 3), rng.uniform(0.5, 2, size=12)


def write(path, points, labels, weights):
    """The cloud in the format that the ending says, written without the library."""
    if path.suffix == ".npz":
        np.savez(path, points=points, measure=labels, weights=weights)
        return
    columns = {"measure": labels, "weight": weights, **{f"x{i}": x for i, x in enumerate(points.T)}}
    if path.suffix == ".parquet":
        import pyarrow as pa

        pq.write_table(pa.table({name: pa.array(column.tolist()) for name, column in columns.items()}), path)
    else:
        rows = [[f'"{label}"', *(repr(float(v)) for v in (w, *x))] for label, w, x in zip(labels, weights, points, strict=True)]
        path.write_text("\n".join(",".join(row) for row in [list(columns), *rows]) + "\n", encoding="utf-8")


def test_rows_order_labels_and_weights_stay_in_every_format(cli, finished, tmp_path, probe):
    points, labels, weights = probe
    moved = {}
    for source, goal in ((".csv", ".npz"), (".npz", ".parquet"), (".parquet", ".csv")):
        write(tmp_path / f"in{source}", *probe)
        out = tmp_path / f"out{goal}"
        done = cli("apply", finished.directory, "--input", tmp_path / f"in{source}", "--output", out)
        assert (done.code, done.err) == (0, "")
        clouds = read_clouds(out)
        assert clouds.labels.tolist() == labels.tolist()
        np.testing.assert_array_equal(clouds.weights, weights)
        np.testing.assert_allclose(np.linalg.norm(clouds.points, axis=1), 1, atol=1e-14)
        moved[goal] = clouds.points
    np.testing.assert_array_equal(moved[".npz"], moved[".csv"])
    np.testing.assert_array_equal(moved[".npz"], moved[".parquet"])
    assert np.linalg.norm(moved[".csv"] - points, axis=1).min() > 1e-3
    header = (tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()[0]
    assert header == "measure,weight,x0,x1,x2"
    with np.load(tmp_path / "out.npz") as archive:
        assert set(archive.files) == {"points", "measure", "weights"}


def test_each_label_is_a_measure_of_its_own(cli, finished, tmp_path, probe):
    """Attention does not look across labels: a measure alone goes where it goes in company; its weights do matter."""
    points, labels, weights = probe
    everything, alone, other = (tmp_path / f"{name}.npz" for name in ("everything", "alone", "other"))
    write(everything, *probe)
    rows = labels == "z"
    write(alone, points[rows], labels[rows], weights[rows])
    write(other, points[rows], labels[rows], weights[rows][::-1])
    moved = {}
    for path in (everything, alone, other):
        assert cli("apply", finished.directory, "--input", path, "--output", tmp_path / f"{path.stem}.parquet").code == 0
        moved[path.stem] = read_clouds(tmp_path / f"{path.stem}.parquet").points
    np.testing.assert_allclose(moved["everything"][rows], moved["alone"], atol=1e-9)
    assert np.abs(moved["other"] - moved["alone"]).max() > 1e-3


def test_the_sources_arrive_at_the_targets(process, finished, task, tmp_path):
    """By a real process: every source atom is within 1e-8 of an atom of its target, and every target atom is reached."""
    done = process("apply", finished.directory, "--input", task[0], "--output", "moved.csv", "--json", cwd=tmp_path)
    assert done.code == 0 and done.err == ""
    result = json.loads(done.out)
    assert (result["output"], result["rows"], result["measures"]) == ("moved.csv", 16, 2)
    moved, targets = read_clouds(tmp_path / "moved.csv").measures(), read_clouds(task[1]).measures()
    for label in ("north", "south"):
        gaps = np.linalg.norm(moved[label].points[:, None] - targets[label].points[None], axis=2)
        assert gaps.min(axis=0).max() <= 1e-8 and gaps.min(axis=1).max() <= 1e-8


def test_latitudes_become_points(cli, finished, tmp_path):
    (tmp_path / "in.csv").write_text("measure,latitude_deg,longitude_deg\n1,0,0\n1,0,90\n")
    assert cli("apply", finished.directory, "--input", tmp_path / "in.csv", "--output", tmp_path / "out.csv").code == 0
    assert (tmp_path / "out.csv").read_text().startswith("measure,x0,x1,x2\n1,")


def refuses(done, *words):
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ") and done.err.count("\n") == 1
    assert [word for word in words if word not in done.err] == []


def test_bad_input(cli, finished, table, tmp_path):
    run, out = finished.directory, tmp_path / "out.csv"
    four = table(tmp_path / "four.csv", [np.eye(4)], ("a",))
    long = table(tmp_path / "long.csv", [2 * np.eye(3)], ("a",))
    good = table(tmp_path / "good.csv", [np.eye(3)], ("a",))
    refuses(cli("apply", run, "--input", four, "--output", out), "four.csv", "dimension 4", "dimension 3")
    refuses(cli("apply", run, "--input", long, "--output", out), "long.csv", "measure a", "--normalize")
    refuses(cli("apply", run, "--input", tmp_path / "none.csv", "--output", out), "none.csv", "no such file")
    refuses(cli("apply", run, "--input", good, "--output", tmp_path / "out.txt"), "out.txt", ".csv, .parquet or .npz")
    refuses(cli("apply", run, "--input", good, "--output", tmp_path / "no" / "out.csv"), "out.csv", "folder")
    refuses(cli("apply", tmp_path / "no", "--input", good, "--output", out), str(tmp_path / "no"), "measureformer interpolate")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["four.csv", "good.csv", "long.csv"]
    assert cli("apply", run, "--input", long, "--output", out, "--normalize").code == 0
    assert cli("apply", run, "--input", good, "--output", tmp_path / "same.csv").code == 0
    assert out.read_bytes() == (tmp_path / "same.csv").read_bytes()


def test_a_damaged_schedule(cli, copy_of_run, task, tmp_path):
    path = copy_of_run / "schedule.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    done = cli("apply", copy_of_run, "--input", task[0], "--output", tmp_path / "out.csv")
    refuses(done, "schedule.safetensors", "cannot be read")
    assert not (tmp_path / "out.csv").exists()
