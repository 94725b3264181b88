"""The circle, d = 2, through all the commands, as real processes."""

import json

import numpy as np
import pytest

from measureformer import wasserstein2
from measureformer.measures import read_clouds


def circle(angles: np.ndarray) -> np.ndarray:
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@pytest.fixture(scope="module")
def run(table, process, tmp_path_factory):
    """The second measure is every third atom of the first, and so is its target."""
    folder = tmp_path_factory.mktemp("circle")
    rng = np.random.default_rng(0)
    x, y = circle(np.sort(rng.uniform(0, 4, 12))), circle(np.sort(rng.uniform(2, 6.5, 12)))
    sources, targets = (table(folder / name, [z, z[::3]]) for name, z in (("s.csv", x), ("t.csv", y)))
    done = process("interpolate", "--sources", sources, "--targets", targets, "--eps", "1e-6", "--out", "run", "--json", cwd=folder)
    assert done.code == 0, done.err
    return folder, json.loads(done.out)


def test_certified(run, process):
    folder, certificate = run
    assert certificate["passed"] and certificate["schedule"]["dimension"] == certificate["schedule"]["width"] == 2
    assert max(pair["w2_after"] for pair in certificate["pairs"]) <= 1e-6
    assert set(certificate["paper_budget"].values()) == {None}  # the theorem excludes d = 2
    done = process("verify", "run", cwd=folder)
    assert done.code == 0 and "the certificate holds" in done.out


def test_applied(run, process):
    folder, _ = run
    assert process("apply", "run", "--input", "s.csv", "--output", "moved.csv", cwd=folder).code == 0
    moved, targets = (read_clouds(folder / name).measures() for name in ("moved.csv", "t.csv"))
    assert max(wasserstein2(mu, targets[label]).value for label, mu in moved.items()) <= 1e-6


@pytest.mark.parametrize(("kind", "name"), [("onnx", "net.onnx"), ("safetensors", "net.safetensors"), ("torch", "torch.safetensors")])
def test_exported(run, process, kind, name):
    folder, _ = run
    done = process("export", "run", "--format", kind, "--output", name, cwd=folder)
    assert done.code == 0 and (folder / name).stat().st_size > 0


def test_reported(run):
    folder, _ = run
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "points keep their order on a circle" in page and "no map of points can do that" not in page and "<h3>The paper" not in page
    assert {path.name for path in (folder / "run" / "figures").iterdir()} == {"before-after.png", "phases.png", "distance.png"}
