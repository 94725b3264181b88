"""The weights and the module for PyTorch; what executes them is skipped where PyTorch is not installed."""

import importlib.util
import json
import pickletools
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from measureformer import InputError
from measureformer.export import AttentionLayer, Network, ResidualBlock, save_torch
from measureformer.geometry import normalize

ROOT = Path(__file__).parents[2]


def every_kind_of_layer(d: int = 3) -> Network:
    """Attention with and without B, blocks with and without U and b; more than ten layers, so that 10 comes after 9 and not after 1."""
    rng = np.random.default_rng(0)
    return Network(
        (
            AttentionLayer(rng.normal(size=(d, d)), 3 * rng.normal(size=(d, d)), "see"),
            AttentionLayer(np.eye(d) / 2, phase="see"),
            ResidualBlock(rng.normal(size=(d, 5)), rng.normal(size=(5, d)), rng.normal(size=5), "move"),
            ResidualBlock(rng.normal(size=(d, 2)), None, np.array([0.3, -1]), "move"),
            *(ResidualBlock(rng.normal(size=(d, 4)).T.copy().T, rng.normal(size=(4, d)), None, "move") for _ in range(8)),
        )
    )


def cloud(n: int, d: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(n)
    weights = rng.uniform(0.1, 2, size=n)
    return normalize(rng.normal(size=(n, d))), weights / weights.sum()


def module_at(path: Path):
    """The module as another program would import it."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def exported(folder: Path, network: Network, name: str = "net.safetensors", **options):
    """(PyTorch, the network as the exported files give it)."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    module = save_torch(folder / name, network, **options)
    return torch, module_at(module).load(folder / name)


@pytest.mark.parametrize("name", ["net.safetensors", "net.pt"])
@pytest.mark.parametrize("d", [3, 6])
def test_the_same_clouds_as_the_library(tmp_path, d, name):
    network = every_kind_of_layer(d)
    torch, double = exported(tmp_path, network, name)
    _, single = exported(tmp_path, network, f"single-{name}", dtype="float32")
    with torch.no_grad():
        for n in (1, 7, 50):
            points, weights = cloud(n, d)
            x, w = torch.tensor(points), torch.tensor(weights)
            np.testing.assert_allclose(double(x, w), network(points, weights), atol=1e-12)
            np.testing.assert_allclose(double(x), network(points, np.full(n, 1 / n)), atol=1e-12)
            assert single(x.float(), w).dtype == torch.float32
            np.testing.assert_allclose(single(x.float(), w), network(points, weights), atol=2e-4)


def test_batches_and_padding(tmp_path):
    """Clouds side by side do not see each other; a smaller one is filled up with tokens of weight zero; weights may be shared."""
    network = every_kind_of_layer()
    torch, net = exported(tmp_path, network)
    (x, w), (y, v) = cloud(7), cloud(5)
    points, weights = np.stack([x, np.concatenate([y, x[:2]])]), np.stack([w, np.concatenate([v, [0, 0]])])
    with torch.no_grad():
        moved = net(torch.tensor(points), torch.tensor(weights)).numpy()
        alike = net(torch.tensor(points)).numpy()
        deep = net(torch.tensor(points[None, :, None]), torch.tensor(weights[None, :, None])).numpy()
    np.testing.assert_allclose(moved[0], network(x, w), atol=1e-12)
    np.testing.assert_allclose(moved[1, :5], network(y, v), atol=1e-12)
    np.testing.assert_allclose(alike[0], network(x, np.full(7, 1 / 7)), atol=1e-12)
    np.testing.assert_allclose(deep[0, :, 0], moved, atol=1e-12)


def test_it_is_an_ordinary_module(tmp_path):
    """Its state dict is the file's; it converts, and gradients reach every parameter."""
    torch, net = exported(tmp_path, every_kind_of_layer())
    state = load_file(tmp_path / "net.safetensors")
    assert set(net.state_dict()) == set(state)
    assert all(np.array_equal(state[name], value.numpy()) for name, value in net.state_dict().items())
    net.load_state_dict({name: torch.tensor(value) for name, value in state.items()}, strict=True)
    points = torch.tensor(cloud(9)[0])
    (net(points)[:, 0] ** 2).sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in net.parameters())
    assert net.float()(points.float()).dtype == torch.float32


def test_torch_reads_its_own_format(tmp_path):
    """Written without PyTorch, safe to load: names, shapes, order of the numbers."""
    torch = pytest.importorskip("torch")
    network = every_kind_of_layer()
    for dtype in ("float64", "float32"):
        save_torch(tmp_path / "net.pt", network, dtype=dtype)
        state = torch.load(tmp_path / "net.pt", weights_only=True)
        expected = {f"layer.{k}.{name}": M for k, layer in enumerate(network.layers) for name, M in layer.parameters().items()}
        assert list(state) == list(expected)
        for name, M in expected.items():
            assert state[name].is_contiguous()
            np.testing.assert_array_equal(state[name].numpy(), M.astype(dtype))


def test_the_files_without_torch(tmp_path):
    """The header names format and phases; the archive holds all numbers, and names three things of PyTorch; the same bytes every time."""
    network = every_kind_of_layer()
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name in ("net.safetensors", "net.pt"):
            save_torch(tmp_path / folder / name, network)
    for name in ("net.safetensors", "net.pt", "net.py"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    blob = (tmp_path / "one" / "net.safetensors").read_bytes()
    header = json.loads(blob[8 : 8 + struct.unpack("<Q", blob[:8])[0]])
    assert json.loads(header["__metadata__"]["network"]) == {"format": 1, "layers": 12, "phases": [["see", 2], ["move", 10]]}
    with zipfile.ZipFile(tmp_path / "one" / "net.pt") as archive:
        numbers = np.frombuffer(archive.read("archive/data/0"), "<f8")
        words = {argument for _, argument, _ in pickletools.genops(archive.read("archive/data.pkl")) if isinstance(argument, str)}
    np.testing.assert_array_equal(numbers, np.concatenate([M.ravel() for layer in network.layers for M in layer.parameters().values()]))
    assert {word for word in words if " " in word} == {"collections OrderedDict", "torch DoubleStorage", "torch._utils _rebuild_tensor_v2"}


def test_the_module_is_in_good_form(tmp_path):
    """As everything here: linted and formatted. And it imports torch and json only."""
    module = save_torch(tmp_path / "net.safetensors", every_kind_of_layer())
    for arguments in (["check"], ["format", "--check"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--no-cache", "--config", str(ROOT / "pyproject.toml"), str(module)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
    lines = module.read_text(encoding="utf-8").splitlines()
    assert {line.split()[1] for line in lines if line.startswith(("import ", "from "))} == {"json", "torch"}


@pytest.mark.parametrize(
    ("file", "module"),
    [("net.pt", "net.py"), ("net-1.v2.safetensors", "net_1_v2.py"), ("3d.pth", "_3d.py"), ("torch.pt", "torch_network.py")],
)
def test_the_module_can_be_imported_under_its_name(tmp_path, file, module):
    assert save_torch(tmp_path / file, every_kind_of_layer()) == tmp_path / module
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([file, module])


def test_refusals(tmp_path):
    network = every_kind_of_layer()
    with pytest.raises(InputError, match=r"a\.onnx.*\.safetensors, \.pt, \.pth"):
        save_torch(tmp_path / "a.onnx", network)
    with pytest.raises(InputError, match="float16"):
        save_torch(tmp_path / "a.pt", network, dtype="float16")
    (tmp_path / "mine.py").write_text("print('not to be lost')\n")
    with pytest.raises(InputError, match=r"mine\.py exists"):
        save_torch(tmp_path / "mine.pt", network)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]
    save_torch(tmp_path / "ours.pt", network)
    save_torch(tmp_path / "ours.pt", network)
