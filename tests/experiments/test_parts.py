"""Parts of a run: what they hold comes back, bit for bit, and nothing else is taken for it."""

import json

import numpy as np
import pytest

from measureformer import Empirical, InputError, flow
from measureformer.experiments import Parts
from measureformer.fields import ParticleField, Softmax


def run(**more):
    return flow(ParticleField(Softmax(2.0)), Empirical(np.eye(3)), 1.0, saveat=6, rates={"one": lambda x, v, w: w.sum(-1)}, **more)


def test_what_was_kept_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr("measureformer.experiments.unfinished.SECONDS", -1.0)
    parts = Parts(tmp_path / "parts", "me")
    assert not parts.run.exists and parts.load() is None
    whole = run(keep=parts.keep)
    manifest = json.loads((tmp_path / "parts" / "manifest.json").read_text())
    assert manifest["parts"] == [f"part-{k:05d}.npz" for k in range(7)] and manifest["time"] == 1.0
    found = Parts(tmp_path / "parts", "me").load()
    np.testing.assert_array_equal([moment.time for moment in found.moments], whole.times)
    np.testing.assert_array_equal(np.stack([moment.points[0] for moment in found.moments]), whole.points[0])
    np.testing.assert_array_equal([moment.integrals["one"][0] for moment in found.moments], whole.integrals["one"][0])
    assert found.memory.keys() == parts.latest.memory.keys()
    for name, value in parts.latest.memory.items():
        np.testing.assert_array_equal(found.memory[name], value)
    parts.run.remove()
    assert not (tmp_path / "parts").exists()


def test_few_parts_when_saves_are_quick(tmp_path, monkeypatch):
    monkeypatch.setattr("measureformer.experiments.unfinished.SECONDS", 60.0)
    parts = Parts(tmp_path / "parts", "me")
    run(keep=parts.keep)
    parts.flush()
    parts.flush()
    assert len(list((tmp_path / "parts").glob("part-*.npz"))) == 2  # the start, and the rest
    assert len(Parts(tmp_path / "parts", "me").load().moments) == 7


def test_other_and_damaged_parts_are_refused(tmp_path):
    parts = Parts(tmp_path / "run" / "parts", "me")
    run(keep=parts.keep)
    with pytest.raises(InputError, match="unfinished run of another configuration; .* --force"):
        Parts(tmp_path / "run" / "parts", "you").load()
    (tmp_path / "run" / "parts" / "part-00000.npz").write_bytes(b"PK\x03\x04 no more")
    with pytest.raises(InputError, match="cannot be read .* --force"):
        Parts(tmp_path / "run" / "parts", "me").load()
