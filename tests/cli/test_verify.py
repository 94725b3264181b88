"""``measureformer verify``: a good run passes, and any damage done on purpose does not.

Damage is done twice: with the digests of the certificate as they were, and with digests of the damaged files, so that the execution itself
has to find it.
"""

import hashlib
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

SCHEDULE, NETWORK = "schedule.safetensors", "network.safetensors"


def load(path) -> tuple[dict, dict]:
    """(tensors, metadata) of a safetensors file; the tensors may be written to."""
    with safe_open(path, framework="numpy") as file:
        return {name: file.get_tensor(name).copy() for name in file.keys()}, file.metadata()  # noqa: SIM118 (not a dict)


def largest_entry(tensors: dict, ending: str) -> tuple[str, tuple]:
    """Name and index of the largest entry of the tensors with that ending: one that certainly matters."""
    name = max((name for name in tensors if name.endswith(ending)), key=lambda name: np.abs(tensors[name]).max())
    return name, np.unravel_index(np.abs(tensors[name]).argmax(), tensors[name].shape)


def change_one_weight(run, file=SCHEDULE):
    tensors, metadata = load(run / file)
    name, index = largest_entry(tensors, ".W")
    tensors[name][index] += 1e-3
    save_file(tensors, run / file, metadata)


def change_one_network_weight(run):
    change_one_weight(run, NETWORK)


def put_nan(run, file=SCHEDULE):
    tensors, metadata = load(run / file)
    name, index = largest_entry(tensors, ".U")
    tensors[name][index] = np.nan
    save_file(tensors, run / file, metadata)


def put_nan_into_the_network(run):
    put_nan(run, NETWORK)


def drop_a_segment(run):
    """The last segment but one goes, cleanly: durations, phases and horizon of the file agree afterwards."""
    tensors, metadata = load(run / SCHEDULE)
    K = tensors["duration"].size
    phases = json.loads(metadata["phases"])
    names = [name for name, count in phases for _ in range(count)]
    kept = [k for k in range(K) if k != K - 2]
    new = {"duration": tensors["duration"][kept]}
    for to, k in enumerate(kept):
        new |= {f"segment.{to}.{p}": tensors[f"segment.{k}.{p}"] for p in "VBWUb" if f"segment.{k}.{p}" in tensors}
    metadata["phases"] = json.dumps([[names[k], 1] for k in kept])
    metadata["horizon"] = repr(float(new["duration"].sum()))
    save_file(new, run / SCHEDULE, metadata)


def drop_a_duration(run):
    tensors, metadata = load(run / SCHEDULE)
    tensors["duration"] = tensors["duration"][:-1]
    save_file(tensors, run / SCHEDULE, metadata)


def cut_a_matrix(run):
    tensors, metadata = load(run / SCHEDULE)
    name, _ = largest_entry(tensors, ".W")
    tensors[name] = tensors[name][:2]
    save_file(tensors, run / SCHEDULE, metadata)


def spoil_the_phases(run):
    tensors, metadata = load(run / SCHEDULE)
    save_file(tensors, run / SCHEDULE, metadata | {"phases": "[[disentangle"})


def negative_duration(run):
    tensors, metadata = load(run / SCHEDULE)
    tensors["duration"][3] *= -1
    save_file(tensors, run / SCHEDULE, metadata)


def truncate_the_schedule(run):
    content = (run / SCHEDULE).read_bytes()
    (run / SCHEDULE).write_bytes(content[: len(content) // 2])


def truncate_the_data(run):
    content = (run / "sources.parquet").read_bytes()
    (run / "sources.parquet").write_bytes(content[: len(content) // 2])


def truncate_the_layer_list(run):
    content = (run / "network.json").read_text()
    (run / "network.json").write_text(content[: len(content) // 2])


def drop_a_layer(run):
    description = json.loads((run / "network.json").read_text())
    del description["layers"][-2]
    (run / "network.json").write_text(json.dumps(description))


def remove_the_schedule(run):
    (run / SCHEDULE).unlink()


def remove_the_network(run):
    (run / NETWORK).unlink()
    (run / "network.json").unlink()


def replace_the_targets(run):
    """Other targets of the same sizes: the old ones, turned by 90 degrees."""
    table = pq.read_table(run / "targets.parquet")
    turned = {"measure": table["measure"], "x0": table["x1"], "x1": pa.array(-table["x0"].to_numpy()), "x2": table["x2"]}
    pq.write_table(pa.table(turned), run / "targets.parquet")


def move_one_target(run):
    """One target atom is moved by 1e-5 radians where eps is 1e-6."""
    table = pq.read_table(run / "targets.parquet")
    points = np.stack([table[f"x{i}"].to_numpy() for i in range(3)], axis=1)
    axis = np.cross(points[0], [0.0, 0.0, 1.0])
    points[0] += 1e-5 * axis / np.linalg.norm(axis)
    points[0] /= np.linalg.norm(points[0])
    pq.write_table(pa.table({"measure": table["measure"], **{f"x{i}": points[:, i] for i in range(3)}}), run / "targets.parquet")


def rename_a_measure(run):
    for name in ("sources.parquet", "targets.parquet"):
        table = pq.read_table(run / name)
        labels = ["west" if label == "south" else label for label in table["measure"].to_pylist()]
        pq.write_table(table.set_column(0, "measure", pa.array(labels)), run / name)


def swap_the_data(run):
    (run / "sources.parquet").rename(run / "other")
    (run / "targets.parquet").rename(run / "sources.parquet")
    (run / "other").rename(run / "targets.parquet")


DAMAGE = [
    change_one_weight,
    change_one_network_weight,
    put_nan,
    put_nan_into_the_network,
    drop_a_segment,
    drop_a_duration,
    cut_a_matrix,
    spoil_the_phases,
    negative_duration,
    truncate_the_schedule,
    truncate_the_data,
    truncate_the_layer_list,
    drop_a_layer,
    remove_the_schedule,
    remove_the_network,
    replace_the_targets,
    move_one_target,
    rename_a_measure,
    swap_the_data,
]


def edit(run, change) -> None:
    """Change the certificate by a function."""
    path = run / "certificate.json"
    certificate = json.loads(path.read_text(encoding="utf-8"))
    change(certificate)
    path.write_text(json.dumps(certificate), encoding="utf-8")


def stamp(certificate, run) -> None:
    """Digests of the files as they are now."""
    names = [name for name in certificate["files"] if (run / name).exists()]
    certificate["files"] = {name: hashlib.sha256((run / name).read_bytes()).hexdigest() for name in names}


def fails(cli, run) -> list[str]:
    """``verify --json`` says what is wrong, with exit code 3 and nothing else on stdout."""
    done = cli("verify", run, "--json")
    assert done.code == 3, done
    result = json.loads(done.out)
    assert result["passed"] is False and result["problems"]
    assert done.err == ""
    return result["problems"]


def test_a_good_run_passes(cli, copy_of_run):
    """Also after it has been moved, and without its report: the files of the certificate are enough."""
    (copy_of_run / "report.html").unlink()
    before = {path.name: path.read_bytes() for path in copy_of_run.iterdir() if path.is_file()}
    done = cli("verify", copy_of_run, "--json")
    assert (done.code, done.err) == (0, "")
    result = json.loads(done.out)
    assert result["passed"] is True and result["problems"] == []
    certificate = json.loads(before["certificate.json"])
    for old, new in zip(certificate["pairs"], result["found"]["pairs"], strict=True):
        assert new["w2_before"] == old["w2_before"] and abs(new["w2_after"] - old["w2_after"]) < 1e-12
    assert {path.name: path.read_bytes() for path in copy_of_run.iterdir() if path.is_file()} == before


def test_a_real_process_verifies(process, finished, tmp_path):
    done = process("verify", finished.directory, cwd=tmp_path)
    assert done.code == 0 and done.err == ""
    assert "the certificate holds" in done.out and "north" in done.out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda f: f.__name__)
def test_damage_is_found_by_the_digest(cli, copy_of_run, damage):
    damage(copy_of_run)
    assert any(word in " ".join(fails(cli, copy_of_run)) for word in ("SHA-256 differs", "missing"))


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda f: f.__name__)
def test_damage_is_found_by_execution(cli, copy_of_run, damage):
    damage(copy_of_run)
    edit(copy_of_run, lambda certificate: stamp(certificate, copy_of_run))
    assert "SHA-256" not in " ".join(fails(cli, copy_of_run))


def set_in(path, value):
    """A change of the entry at ``path`` (keys one after the other)."""

    def change(certificate):
        for key in path[:-1]:
            certificate = certificate[key]
        certificate[path[-1]] = value

    return change


# Each claim is better than the truth, or simply another one.
CLAIMS = {
    "a better eps": (("eps",), 1e-14),
    "not passed": (("passed",), False),
    "a smaller distance": (("pairs", 0, "w2_before"), 0.5),
    "a larger distance": (("pairs", 1, "w2_after"), 5e-7),
    "more atoms": (("pairs", 0, "n_source"), 800),
    "another label": (("pairs", 0, "label"), "east"),
    "fewer segments": (("schedule", "segments"), 10),
    "fewer switches": (("schedule", "switches"), 9),
    "switches of a phase": (("schedule", "switches_by_phase", "match 1"), 1),
    "a smaller width": (("schedule", "width"), 2),
    "a longer horizon": (("schedule", "horizon"), 2.0),
    "a smaller norm": (("schedule", "sup_norm"), 1.0),
    "another dimension": (("schedule", "dimension"), 4),
    "fewer layers": (("network", "layers"), 3),
    "a narrower network": (("network", "width"), 2),
    "less attention": (("network", "attention_layers"), 0),
    "network distances": (("network", "w2_after"), [1e-3, 1e-3]),
    "one network distance": (("network", "w2_after"), [0.0]),
    "no network": (("network",), None),
    "no pairs": (("pairs",), []),
    "pairs that are none": (("pairs",), [1, 2]),
    "a schedule that is none": (("schedule",), None),
    "files that are none": (("files",), ["schedule.safetensors"]),
    "no digests": (("files",), {}),
    "eps that is none": (("eps",), None),
}


@pytest.mark.parametrize("claim", CLAIMS.values(), ids=CLAIMS)
def test_a_certificate_that_claims_something_else(cli, copy_of_run, claim):
    edit(copy_of_run, set_in(*claim))
    fails(cli, copy_of_run)


def test_a_certificate_that_claims_to_have_passed(cli, table, tmp_path, no_report):
    """Three atoms do not become seven by saying so."""
    rng = np.random.default_rng(0)
    clouds = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (rng.normal(size=(3, 3)), rng.normal(size=(7, 3)))]
    s, t = table(tmp_path / "s.csv", clouds[:1], ("only",)), table(tmp_path / "t.csv", clouds[1:], ("only",))
    assert cli("interpolate", "--sources", s, "--targets", t, "--eps", "1e-3", "--out", tmp_path / "run").code == 3
    edit(tmp_path / "run", set_in(("passed",), True))
    assert "within eps" in " ".join(fails(cli, tmp_path / "run"))


@pytest.mark.parametrize("key", ["eps", "pairs", "schedule", "network", "passed", "files"])
def test_a_certificate_without_a_key(cli, copy_of_run, key):
    edit(copy_of_run, lambda certificate: certificate.pop(key))
    fails(cli, copy_of_run)


def test_no_certificate(cli, tmp_path, copy_of_run):
    (copy_of_run / "certificate.json").unlink()
    for folder in (copy_of_run, tmp_path / "nowhere"):
        done = cli("verify", folder)
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith(f"error: {folder} holds no certificate.json") and done.err.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b'{"format": 1, ', b"[]", b'{"format": 99}', bytes(range(128, 200))], ids=range(5))
def test_a_certificate_that_cannot_be_read(cli, copy_of_run, content):
    (copy_of_run / "certificate.json").write_bytes(content)
    done = cli("verify", copy_of_run)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"error: {copy_of_run / 'certificate.json'}") and done.err.count("\n") == 1
