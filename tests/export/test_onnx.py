"""The ONNX file, executed by ONNX Runtime."""

import json
import sys

import numpy as np
import pytest

from measureformer import InputError
from measureformer.export import AttentionLayer, Network, ResidualBlock, save_onnx
from measureformer.geometry import normalize

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def every_kind_of_layer(d: int = 3) -> Network:
    """Attention with and without B, blocks with and without U and b, and two layers with the same parameters."""
    rng = np.random.default_rng(0)
    shared = AttentionLayer(rng.normal(size=(d, d)), 3 * rng.normal(size=(d, d)), "see")
    block = ResidualBlock(rng.normal(size=(d, 5)), rng.normal(size=(5, d)), rng.normal(size=5), "move, ü")
    return Network(
        (
            shared,
            AttentionLayer(np.eye(d) / 2, phase="see"),
            block,
            ResidualBlock(rng.normal(size=(d, 2)), None, np.array([0.3, -1]), "move, ü"),
            ResidualBlock(rng.normal(size=(d, 4)), rng.normal(size=(4, d)), None, "move, ü"),
            shared,
            block,
        )
    )


def cloud(n: int, d: int = 3, *, weighted: bool = True) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    weights = rng.uniform(0.1, 2, size=n) if weighted else np.ones(n)
    return normalize(rng.normal(size=(n, d))), weights / weights.sum()


def execute(path, points, weights) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(["moved"], {"points": points, "weights": weights})[0]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("d", [3, 6])
def test_the_same_clouds_as_the_library(tmp_path, d, weighted):
    """One file for clouds of any size; one token too."""
    network = every_kind_of_layer(d)
    save_onnx(tmp_path / "double.onnx", network)
    save_onnx(tmp_path / "single.onnx", network, dtype="float32")
    for n in (1, 7, 50):
        points, weights = cloud(n, d, weighted=weighted)
        expected = network(points, weights)
        found = execute(tmp_path / "double.onnx", points, weights)
        assert found.dtype == np.float64
        np.testing.assert_allclose(found, expected, atol=1e-12)
        single = execute(tmp_path / "single.onnx", points.astype(np.float32), weights.astype(np.float32))
        assert single.dtype == np.float32
        np.testing.assert_allclose(single, expected, atol=2e-4)


def test_tokens_of_weight_zero_influence_no_other(tmp_path):
    network = every_kind_of_layer()
    save_onnx(tmp_path / "a.onnx", network)
    points, weights = cloud(8)
    weights[5:] = 0
    weights /= weights.sum()
    found = execute(tmp_path / "a.onnx", points, weights)
    np.testing.assert_allclose(found, network(points, weights), atol=1e-12)
    np.testing.assert_allclose(found[:5], network(points[:5], weights[:5]), atol=1e-12)


def test_what_the_file_says_of_itself(tmp_path):
    """Shapes with n open, metadata, and equal parameters stored once; the same bytes every time."""
    save_onnx(tmp_path / "a.onnx", every_kind_of_layer())
    save_onnx(tmp_path / "b.onnx", every_kind_of_layer())
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    model = onnx.load(tmp_path / "a.onnx")
    onnx.checker.check_model(model, full_check=True)
    shapes = {v.name: [axis.dim_param or axis.dim_value for axis in v.type.tensor_type.shape.dim] for v in model.graph.input}
    assert shapes == {"points": ["n", 3], "weights": ["n"]}
    assert [v.name for v in model.graph.output] == ["moved"]
    said = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert said == {"format": 1, "layers": 7, "phases": [["see", 2], ["move, ü", 3], ["see", 1], ["move, ü", 1]]}
    names = [tensor.name for tensor in model.graph.initializer]
    assert {"layer.0.V", "layer.0.B", "layer.2.U"} <= set(names)
    assert not any(name.startswith(("layer.5.", "layer.6.")) for name in names)


def test_a_thousand_layers(tmp_path):
    """Deep networks are what schedules give: size and time grow with the parameters, and no digits are lost beyond the library's own."""
    rng = np.random.default_rng(3)
    layers = [ResidualBlock(rng.normal(size=(3, 3)) / 30, rng.normal(size=(3, 3)), rng.normal(size=3) / 9) for _ in range(1200)]
    network = Network((AttentionLayer(np.eye(3), 4 * np.eye(3)), *layers))
    save_onnx(tmp_path / "deep.onnx", network)
    assert (tmp_path / "deep.onnx").stat().st_size < 1_000_000
    points, weights = cloud(20)
    np.testing.assert_allclose(execute(tmp_path / "deep.onnx", points, weights), network(points, weights), atol=1e-10)


def test_a_network_without_layers_moves_nothing(tmp_path):
    save_onnx(tmp_path / "none.onnx", Network(()))
    points, weights = cloud(4)
    np.testing.assert_array_equal(execute(tmp_path / "none.onnx", points, weights), points)


def test_refusals(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="float16"):
        save_onnx(tmp_path / "a.onnx", every_kind_of_layer(), dtype="float16")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(InputError, match=r"pip install 'measureformer\[export\]'"):
        save_onnx(tmp_path / "a.onnx", every_kind_of_layer())
    assert list(tmp_path.iterdir()) == []
