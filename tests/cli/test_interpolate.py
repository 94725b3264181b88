"""``measureformer interpolate``: files, keys and types of the contract, options, formats, exit codes."""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open

from instances import cap, overlapping_caps

PHASES = {"disentangle", "boost", "match 1", "match 2", "boost back"}
number = (int, float)

# The contract: every key of certificate.json with the type of its value.
CERTIFICATE = {
    "format": int,
    "passed": bool,
    "eps": float,
    "strategy": str,
    "pairs": list,
    "schedule": dict,
    "paper_budget": dict,
    "network": dict,
    "conditioning": dict,
    "independent_execution": dict,
    "timing_s": dict,
    "peak_memory_mb": number,
    "seed": int,
    "versions": dict,
}
PAIR = {
    "label": (int, str),
    "n_source": int,
    "n_target": int,
    "w2_before": float,
    "w2_after": float,
    "w2_attainable": float,
    "winf_after": float,
}
PARTS = {
    "schedule": {
        "dimension": int,
        "segments": int,
        "switches": int,
        "switches_by_phase": dict,
        "width": int,
        "horizon": float,
        "sup_norm": float,
    },
    "paper_budget": {"disentangle": int, "cluster": int, "match": int, "total": int},
    "network": {"layers": int, "attention_layers": int, "width": int, "w2_after": list, "w2_after_float32": list},
    "conditioning": {"largest_stretch": float, "smallest_stretch": float, "smallest_gap": float},
    "independent_execution": {"method": str, "rtol": float, "atol": float, "steps": int},
    "timing_s": {"plan": float, "verify": float, "total": float},
}


def has(value: dict, types: dict) -> None:
    """Every key is there with its type; bool does not pass for int."""
    for key, kind in types.items():
        assert key in value, key
        assert isinstance(value[key], kind), (key, value[key])
        assert kind is bool or not isinstance(value[key], bool), (key, value[key])


def read(directory) -> dict:
    """The certificate of a run; no NaN or Infinity, which are no JSON."""

    def refuse(word):
        raise AssertionError(f"{word} is not JSON")

    return json.loads((directory / "certificate.json").read_text(encoding="utf-8"), parse_constant=refuse)


def test_the_certificate_has_every_key_of_the_contract(finished):
    certificate = read(finished.directory)
    has(certificate, CERTIFICATE)
    for part, types in PARTS.items():
        has(certificate[part], types)
    assert certificate["format"] == 1 and certificate["strategy"] == "compact"
    assert certificate["passed"] is True and certificate["eps"] == 1e-6 and certificate["seed"] == 7
    assert [p["label"] for p in certificate["pairs"]] == ["north", "south"]
    for pair in certificate["pairs"]:
        has(pair, PAIR)
        assert (pair["n_source"], pair["n_target"], pair["w2_attainable"]) == (8, 8, 0.0)
        assert pair["w2_after"] <= pair["winf_after"] <= 1e-6 < pair["w2_before"]
    schedule, network = certificate["schedule"], certificate["network"]
    assert (schedule["dimension"], schedule["width"]) == (3, 3)
    assert schedule["horizon"] == pytest.approx(1, abs=1e-9)
    assert schedule["switches"] == schedule["segments"] - 1 == sum(schedule["switches_by_phase"].values())
    assert set(schedule["switches_by_phase"]) <= PHASES
    assert certificate["paper_budget"]["match"] == 6 * 16
    assert network["attention_layers"] == 1 and len(network["w2_after"]) == len(network["w2_after_float32"]) == 2
    assert max(network["w2_after"]) <= 1e-6
    assert {"measureformer", "jax", "numpy", "python"} <= set(certificate["versions"])


def test_the_directory_holds_the_files_of_the_contract(finished):
    run = finished.directory
    names = {path.name for path in run.iterdir()}
    assert names >= {
        *("schedule.safetensors", "network.safetensors", "network.json", "sources.parquet", "targets.parquet"),
        *("certificate.json", "report.html", "figures"),
    }
    assert not [name for name in names if name.endswith(".part") or name.startswith(".")]
    assert list((run / "figures").glob("*.png"))
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "<html" in report and "north" in report and "south" in report
    for name in ("sources.parquet", "targets.parquet"):
        table = pq.read_table(run / name)
        assert table.column_names == ["measure", "x0", "x1", "x2"] and table.num_rows == 16


def test_tensors_and_metadata_of_the_schedule(finished):
    certificate = read(finished.directory)["schedule"]
    with safe_open(finished.directory / "schedule.safetensors", framework="numpy") as file:
        metadata, names = file.metadata(), set(file.keys())
        durations = file.get_tensor("duration")
        shapes = {name: file.get_tensor(name).shape for name in names}
        kinds = {file.get_tensor(name).dtype for name in names}
    K = certificate["segments"]
    assert durations.shape == (K,) and (durations > 0).all() and durations.sum() == pytest.approx(certificate["horizon"])
    assert kinds == {np.dtype(np.float64)}
    assert {"format", "d", "horizon", "phases"} <= set(metadata) and metadata["d"] == "3"
    assert float(metadata["horizon"]) == pytest.approx(certificate["horizon"])
    allowed = {f"segment.{k}.{name}" for k in range(K) for name in "VBWUb"} | {"duration"}
    assert names <= allowed
    assert all({f"segment.{k}.V", f"segment.{k}.W"} & names for k in range(K))
    h = certificate["width"]
    expected = {"V": (3, 3), "B": (3, 3), "W": (3, h), "U": (h, 3), "b": (h,)}
    assert all(shape == expected[name.split(".")[-1]] for name, shape in shapes.items() if name != "duration")


def test_network_json_lists_the_layers(finished):
    network = json.loads((finished.directory / "network.json").read_text(encoding="utf-8"))
    certificate = read(finished.directory)["network"]
    assert len(network["layers"]) == certificate["layers"]
    assert sum(layer["kind"] == "attention" for layer in network["layers"]) == 1
    with safe_open(finished.directory / "network.safetensors", framework="numpy") as file:
        stored = {name: list(file.get_tensor(name).shape) for name in file.keys()}  # noqa: SIM118 (not a dict)
    listed = {f"layer.{layer['index']}.{name}": shape for layer in network["layers"] for name, shape in layer["parameters"].items()}
    assert stored == listed


def test_json_is_all_that_stdout_has(finished):
    result = json.loads(finished.stdout)
    certificate = read(finished.directory)
    assert {key: result[key] for key in certificate} == certificate
    assert result["report"] == str(finished.directory / "report.html")
    assert "Traceback" not in finished.stderr and "Warning" not in finished.stderr


def test_a_table_for_people(cli, task, tmp_path, no_report):
    done = cli("interpolate", "--sources", task[0], "--targets", task[1], "--eps", "1e-6", "--out", tmp_path / "run")
    assert done.code == 0
    assert all(word in done.out for word in ("north", "south", "segments", "passed", "report.html"))
    assert done.err == ""


def interpolate(cli, sources, targets, out, *more) -> dict:
    """The certificate of a run that succeeds."""
    done = cli("interpolate", "--sources", sources, "--targets", targets, "--eps", "1e-6", "--out", out, *more)
    assert done.code == 0, done.err
    return read(out)


def test_the_same_seed_gives_the_same_bytes(cli, task, finished, tmp_path, no_report):
    """Another process, another time: not a byte of schedule and network differs."""
    interpolate(cli, *task, tmp_path / "again", "--seed", 7)
    for name in ("schedule.safetensors", "network.safetensors", "network.json", "sources.parquet"):
        old, new = ((folder / name).read_bytes() for folder in (finished.directory, tmp_path / "again"))
        assert hashlib.sha256(old).digest() == hashlib.sha256(new).digest(), name


def test_width_horizon_and_strategy(cli, task, finished, tmp_path, no_report):
    narrow = read(finished.directory)["schedule"]
    wide = interpolate(cli, *task, tmp_path / "wide", "--width", 8, "--horizon", 2.5, "--strategy", "compact")
    schedule = wide["schedule"]
    assert schedule["width"] == 8 and wide["network"]["width"] >= 8
    # Sixteen atoms take 15 or 16 ramps a stage: one to a segment of width 3, four to one of width 8.
    assert narrow["segments"] >= 2 * 15 + 3 and 2 * 4 + 3 <= schedule["segments"] <= 2 * 4 + 5
    assert schedule["horizon"] == pytest.approx(2.5, abs=1e-9)


def test_a_longer_horizon_needs_smaller_parameters(cli, task, finished, tmp_path, no_report):
    """V and W are divided by the factor (balanced with U: at least by its root)."""
    slow = interpolate(cli, *task, tmp_path / "slow", "--seed", 7, "--horizon", 100)["schedule"]
    fast = read(finished.directory)["schedule"]
    assert slow["segments"] == fast["segments"]
    assert slow["sup_norm"] < fast["sup_norm"] / 3


def test_a_run_is_replaced_only_by_force(cli, task, copy_of_run):
    before = {path.name: path.read_bytes() for path in copy_of_run.iterdir() if path.is_file()}
    words = ("interpolate", "--sources", task[0], "--targets", task[1], "--eps", "1e-6", "--out", copy_of_run)
    done = cli(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {copy_of_run} holds another run") and "--force" in done.err and done.err.count("\n") == 1
    assert {path.name: path.read_bytes() for path in copy_of_run.iterdir() if path.is_file()} == before

    assert cli(*words, "--force", "--seed", 3).code == 0
    assert read(copy_of_run)["seed"] == 3
    assert (copy_of_run / "report.html").read_bytes() != before["report.html"]
    assert cli("verify", copy_of_run).code == 0


def test_a_folder_with_other_things_is_no_run(cli, task, tmp_path, no_report):
    (tmp_path / "mine.txt").write_text("keep")
    interpolate(cli, *task, tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "keep"


def test_normalize(cli, table, tmp_path, no_report):
    """Points of any length, and the same result as from points of length one."""
    sources, targets = overlapping_caps(3, 2, 8, seed=0)
    lengths = np.random.default_rng(0).uniform(0.1, 10, size=(8, 1))
    s = table(tmp_path / "s.csv", [lengths * mu.points for mu in sources])
    t = table(tmp_path / "t.csv", [3 * mu.points for mu in targets])
    done = cli("interpolate", "--sources", s, "--targets", t, "--eps", "1e-6", "--out", tmp_path / "run")
    assert done.code == 2 and "--normalize" in done.err and not (tmp_path / "run").exists()
    certificate = interpolate(cli, s, t, tmp_path / "run", "--normalize")
    stored = pq.read_table(tmp_path / "run" / "sources.parquet")
    points = np.stack([stored[f"x{i}"].to_numpy() for i in range(3)], axis=1)
    np.testing.assert_allclose(points, np.concatenate([mu.points for mu in sources]), atol=1e-15)
    assert max(p["w2_after"] for p in certificate["pairs"]) <= 1e-6


def as_parquet(path, clouds, labels):
    columns = {f"x{i}": np.concatenate(clouds)[:, i] for i in range(clouds[0].shape[1])}
    pq.write_table(pa.table({"measure": np.repeat(labels, [len(x) for x in clouds]), **columns}), path)
    return path


def as_npz(path, clouds, labels):
    np.savez(path, points=np.concatenate(clouds), measure=np.repeat(labels, [len(x) for x in clouds]))
    return path


def test_formats_may_be_mixed(cli, table, tmp_path, no_report):
    """Parquet to NPZ and NPZ to CSV, labels as numbers and as digits, give the same schedule."""
    sources, targets = ([mu.points for mu in side] for side in overlapping_caps(3, 2, 8, seed=0))
    runs = [
        (as_parquet(tmp_path / "s.parquet", sources, [10, 20]), as_npz(tmp_path / "t.npz", targets, ["10", "20"])),
        (as_npz(tmp_path / "s.npz", sources, [10, 20]), table(tmp_path / "t.csv", targets, (10, 20))),
    ]
    schedules = []
    for i, (s, t) in enumerate(runs):
        certificate = interpolate(cli, s, t, tmp_path / str(i))
        assert [p["label"] for p in certificate["pairs"]] == [10, 20]
        schedules.append((tmp_path / str(i) / "schedule.safetensors").read_bytes())
    assert schedules[0] == schedules[1]


def test_latitudes_and_longitudes(cli, tmp_path, no_report):
    """Paris and Rome to Nairobi and Lagos, and Paris with Oslo to Lima and Quito; longitude 0, latitude 0 is x0."""
    s, t = tmp_path / "s.csv", tmp_path / "t.csv"
    s.write_text("city,measure,latitude_deg,longitude_deg\nParis,1,48.86,2.35\nRome,1,41.9,12.5\nParis,2,48.86,2.35\nOslo,2,59.91,10.75\n")
    t.write_text("measure,latitude_deg,longitude_deg\n1,-1.29,36.82\n2,-12.05,-77.04\n1,6.5,3.4\n2,-0.18,-78.47\n")
    certificate = interpolate(cli, s, t, tmp_path / "run")
    assert certificate["schedule"]["dimension"] == 3
    stored = pq.read_table(tmp_path / "run" / "sources.parquet")
    latitude, longitude = np.radians([48.86, 2.35])
    paris = [np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)]
    np.testing.assert_allclose([stored[f"x{i}"][0].as_py() for i in range(3)], paris, atol=1e-15)
    assert stored["x0"][2] == stored["x0"][0]  # Paris is one point in both measures


def test_what_no_map_can_do_is_done_but_not_certified(cli, table, tmp_path):
    """Three atoms cannot become seven: exit code 3, with the best that any map attains beside what was reached."""
    rng = np.random.default_rng(0)
    s = table(tmp_path / "s.csv", [cap(np.array([1.0, 0, 0]), 0.5, 3, rng)], ("only",))
    t = table(tmp_path / "t.csv", [cap(np.array([0, 0, 1.0]), 0.5, 7, rng)], ("only",))
    done = cli("interpolate", "--sources", s, "--targets", t, "--eps", "1e-3", "--out", tmp_path / "run", "--json")
    assert done.code == 3
    result = json.loads(done.out)
    (pair,) = result["pairs"]
    assert result["passed"] is False and read(tmp_path / "run")["passed"] is False
    assert 1e-3 < pair["w2_attainable"] <= pair["w2_after"] + 1e-9 <= 1.01 * pair["w2_attainable"] + 1e-3
    assert (tmp_path / "run" / "report.html").exists()
    assert cli("verify", tmp_path / "run").code == 3


def test_within_what_a_map_attains_it_is_certified(cli, table, tmp_path, no_report):
    """Six atoms to two: whole atoms fill the target, which is attained up to eps since a flow keeps atoms apart."""
    rng = np.random.default_rng(0)
    s = table(tmp_path / "s.csv", [cap(np.array([1.0, 0, 0]), 0.5, 6, rng)], ("only",))
    t = table(tmp_path / "t.csv", [cap(np.array([0, 0, 1.0]), 0.5, 2, rng)], ("only",))
    done = cli("interpolate", "--sources", s, "--targets", t, "--eps", "1e-3", "--out", tmp_path / "run")
    assert done.code == 0
    (pair,) = read(tmp_path / "run")["pairs"]
    assert pair["w2_attainable"] == 0 and 0 < pair["w2_after"] <= 1e-3


def test_unequal_weights(cli, table, tmp_path, no_report):
    """Weights 1, 2, 3 in another order on the other side: a bijection that keeps the weights exists and is found."""
    rng = np.random.default_rng(3)
    s = table(tmp_path / "s.csv", [cap(np.array([1.0, 0, 0]), 0.8, 3, rng)], ("only",), weights=[[1, 2, 3]])
    t = table(tmp_path / "t.csv", [cap(np.array([0, 0, 1.0]), 0.8, 3, rng)], ("only",), weights=[[0.3, 0.1, 0.2]])
    (pair,) = interpolate(cli, s, t, tmp_path / "run")["pairs"]
    assert pair["w2_attainable"] == 0 and pair["w2_after"] <= 1e-6
    stored = pq.read_table(tmp_path / "run" / "sources.parquet")
    assert stored["weight"].to_pylist() == [1, 2, 3]
