"""``measureformer export``: the network of a run for other programs, executed there; the schedule in a file of its own."""

import importlib.util
import json
import shutil
import sys

import jax
import numpy as np
import pytest

from measureformer import interpolate, load_schedule, read_clouds
from measureformer.data import demo_task
from measureformer.export import load_network, save_onnx, save_torch


def run_onnx(path, points, weights) -> np.ndarray:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    dtype = {"tensor(double)": np.float64, "tensor(float)": np.float32}[session.get_inputs()[0].type]
    return session.run(["moved"], {"points": points.astype(dtype), "weights": weights.astype(dtype)})[0]


def run_torch(path, points, weights) -> np.ndarray:
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("exported", path.with_suffix(".py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.load(str(path))
    dtype = next(network.parameters()).dtype
    with torch.no_grad():
        return network(torch.tensor(points, dtype=dtype), torch.tensor(weights, dtype=dtype)).numpy()


ELSEWHERE = {"net.onnx": ("onnx", run_onnx), "net.pt": ("torch", run_torch), "net.safetensors": ("torch", run_torch)}


def clouds_of(run) -> list[tuple[np.ndarray, np.ndarray]]:
    """The sources of a run, and the first of them with other weights."""
    sources = list(read_clouds(run / "sources.parquet").measures().values())
    weights = np.random.default_rng(0).uniform(0.2, 2, size=sources[0].size)
    return [*((mu.points, mu.weights) for mu in sources), (sources[0].points, weights / weights.sum())]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_other_programs_move_the_clouds_to_the_same_places(cli, finished, tmp_path, name):
    format, execute = ELSEWHERE[name]
    network = load_network(finished.directory)
    for dtype, tolerance in (("float64", 1e-10), ("float32", 1e-3)):
        done = cli("export", finished.directory, "--format", format, "--output", tmp_path / name, "--dtype", dtype)
        assert (done.code, done.err) == (0, "") and str(tmp_path / name) in done.out and f"in {dtype}" in done.out
        for points, weights in clouds_of(finished.directory):
            np.testing.assert_allclose(execute(tmp_path / name, points, weights), network(points, weights), atol=tolerance)


@pytest.fixture(scope="module")
def demo():
    """The demo, planned; its certificate is not needed here."""
    return interpolate(*demo_task(), eps=1e-6)


@pytest.mark.parametrize("name", ELSEWHERE)
def test_the_network_of_the_demo(demo, tmp_path, name):
    """A thousand layers, on the clouds that they were planned for. In float32 every program rounds, and so errs, in its own way."""
    format, execute = ELSEWHERE[name]
    assert len(demo.network.layers) > 600
    for dtype, tolerance in (("float64", 1e-10), ("float32", 0.005)):
        {"onnx": save_onnx, "torch": save_torch}[format](tmp_path / name, demo.network, dtype=dtype)
        for mu in demo.sources.measures().values():
            error = np.linalg.norm(execute(tmp_path / name, mu.points, mu.weights) - demo.network(mu.points, mu.weights), axis=1)
            assert np.sqrt((error**2).mean()) < tolerance
            assert dtype == "float32" or error.max() < tolerance


def test_load_schedule_gives_back_the_schedule(cli, finished, tmp_path):
    """Bit by bit, phases included; the network stands beside it, where the module for PyTorch finds it too."""
    file = tmp_path / "both.safetensors"
    assert cli("export", finished.directory, "--format", "safetensors", "--output", file).code == 0
    back, schedule = load_schedule(file), load_schedule(finished.directory / "schedule.safetensors")
    assert jax.tree.structure(back) == jax.tree.structure(schedule)
    assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(back), jax.tree.leaves(schedule), strict=True))
    assert back.segments_by_phase() == schedule.segments_by_phase()
    network = load_network(finished.directory)
    (points, weights), *_ = clouds_of(finished.directory)
    cli("export", finished.directory, "--format", "torch", "--output", tmp_path / "alone.pt")
    shutil.copy(tmp_path / "alone.py", tmp_path / "both.py")
    np.testing.assert_allclose(run_torch(file, points, weights), network(points, weights), atol=1e-10)


def test_json(process, finished, tmp_path):
    """By a real process: one object on stdout, nothing else."""
    done = process("export", finished.directory, "--format", "torch", "--output", "net.safetensors", "--json", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    result = json.loads(done.out)
    assert result["files"] == {name: (tmp_path / name).stat().st_size for name in ("net.safetensors", "net.py")}
    assert sorted(result["files"]) == sorted(path.name for path in tmp_path.iterdir())
    certificate = json.loads((finished.directory / "certificate.json").read_text(encoding="utf-8"))
    assert (result["layers"], result["attention_layers"]) == (certificate["network"]["layers"], certificate["network"]["attention_layers"])
    assert (result["format"], result["dtype"], result["dimension"]) == ("torch", "float64", 3)
    assert result["certified_w2"] == certificate["network"]["w2_after"] and max(result["certified_w2"]) <= result["eps"]


def refuses(done, *words):
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ") and done.err.count("\n") == 1
    assert [word for word in words if word not in done.err] == []


def test_a_run_without_network(cli, copy_of_run, tmp_path):
    for name in ("network.json", "network.safetensors"):
        (copy_of_run / name).unlink()
    for format in ("torch", "onnx", "safetensors"):
        refuses(cli("export", copy_of_run, "--format", format, "--output", tmp_path / "net.pt"), str(copy_of_run), "no network")
    assert not (tmp_path / "net.pt").exists()


def test_bad_input(cli, copy_of_run, tmp_path, monkeypatch):
    run, before = copy_of_run, {path: path.read_bytes() for path in copy_of_run.rglob("*") if path.is_file()}
    missing = tmp_path / "no"
    refuses(cli("export", missing, "--format", "onnx", "--output", tmp_path / "a"), str(missing), "measureformer interpolate")
    refuses(cli("export", run, "--format", "onnx", "--output", missing / "a.onnx"), "a.onnx", "folder that exists")
    refuses(cli("export", run, "--format", "onnx", "--output", tmp_path), str(tmp_path), "name a file")
    refuses(cli("export", run, "--format", "torch", "--output", tmp_path / "a.onnx"), "a.onnx", ".safetensors, .pt")
    refuses(cli("export", run, "--format", "torch", "--output", run / "network.safetensors"), "network.safetensors", "another name")
    refuses(cli("export", run, "--format", "safetensors", "--output", tmp_path / "a", "--dtype", "float32"), "--dtype float32", "float64")
    monkeypatch.setitem(sys.modules, "onnx", None)
    refuses(cli("export", run, "--format", "onnx", "--output", tmp_path / "a.onnx"), "pip install 'measureformer[export]'")
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == [run.name]


def test_a_damaged_network(cli, copy_of_run, tmp_path):
    path = copy_of_run / "network.safetensors"
    path.write_bytes(path.read_bytes()[:-8])
    refuses(cli("export", copy_of_run, "--format", "onnx", "--output", tmp_path / "a.onnx"), str(copy_of_run), "cannot be read")


def test_help_has_an_example(cli):
    done = cli("export", "--help")
    words = " ".join(done.out.split())
    assert done.code == 0 and "Example: measureformer export" in words and "--json" in words and "--dtype" in words
