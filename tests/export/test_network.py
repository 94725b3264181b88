import importlib.util

import numpy as np
import pytest

from instances import subset
from measureformer import Empirical, InputError, Schedule, flow, interpolate
from measureformer.export import AttentionLayer, Network, ResidualBlock, as_residual_block, load_network, save_network
from measureformer.geometry import normalize
from schedule_samples import random_schedule


def sample() -> Network:
    rng = np.random.default_rng(0)
    return Network(
        (
            AttentionLayer(rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), "disentangle"),
            AttentionLayer(np.eye(3)),
            ResidualBlock(rng.normal(size=(3, 5)), rng.normal(size=(5, 3)), rng.normal(size=5), "match"),
            ResidualBlock(rng.normal(size=(3, 2)), None, np.ones(2)),
        )
    )


def by_hand(x, w, network):
    """The network once more, token by token."""
    for layer in network.layers:
        new = []
        for token in x:
            if layer.kind == "attention":
                scores = np.zeros(len(x)) if layer.B is None else np.array([(layer.B @ token) @ y for y in x])
                p = w * np.exp(scores)
                update = layer.V @ sum(q * y for q, y in zip(p / p.sum(), x, strict=True))
            else:
                inner = (0 if layer.U is None else layer.U @ token) + (0 if layer.b is None else layer.b)
                update = layer.W @ np.maximum(inner, 0)
            new.append((token + update) / np.linalg.norm(token + update))
        x = np.array(new)
    return x


def test_layers_do_what_their_formulas_say():
    rng = np.random.default_rng(1)
    x, w = normalize(rng.normal(size=(6, 3))), rng.uniform(size=6)
    w /= w.sum()
    np.testing.assert_allclose(sample()(x, w), by_hand(x, w, sample()), atol=1e-14)
    single = sample()(x, w, np.float32)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, by_hand(x, w, sample()), atol=1e-4)


def test_files_keep_every_bit(tmp_path):
    save_network(tmp_path, sample())
    back = load_network(tmp_path)
    assert (back.attention_layers, back.width, len(back.layers)) == (2, 5, 4)
    for one, two in zip(sample().layers, back.layers, strict=True):
        assert (one.kind, one.phase, one.parameters().keys()) == (two.kind, two.phase, two.parameters().keys())
        for name, M in one.parameters().items():
            np.testing.assert_array_equal(M, two.parameters()[name])


def test_damaged_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        load_network(tmp_path)
    save_network(tmp_path, Network((ResidualBlock(np.full((3, 1), np.inf), None, np.ones(1)),)))
    with pytest.raises(InputError, match="layer.0.W holds numbers that are not finite"):
        load_network(tmp_path)
    (tmp_path / "network.json").write_text("{}")
    with pytest.raises(InputError, match="cannot be read"):
        load_network(tmp_path)


def test_boosts_and_shears_are_blocks_and_nothing_else_is():
    theta = random_schedule(0)
    x = normalize(np.random.default_rng(2).normal(size=(7, 3)))
    for k in (2, 3):
        block = as_residual_block(theta.segments[k])
        expected = flow(Schedule([theta.segments[k]]), [Empirical(x)]).measures[0].points
        np.testing.assert_allclose(block(x, np.full(7, 1 / 7)), expected, atol=1e-13)
    for k in (0, 1, 4):
        with pytest.raises(InputError, match="neither a shear nor a boost"):
            as_residual_block(theta.segments[k])


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_an_ordinary_framework_runs_it(tmp_path):
    """The files alone, in PyTorch: multi-head attention is not even needed, only softmax, linear maps and normalisation."""
    import torch
    from safetensors.torch import load_file

    sources, targets = subset(3, 12, 0)
    save_network(tmp_path, interpolate(sources, targets, eps=1e-6).network)
    tensors, layers = load_file(str(tmp_path / "network.safetensors")), load_network(tmp_path).layers
    for mu, nu in zip(sources, targets, strict=True):
        x = torch.tensor(mu.points)
        for k, layer in enumerate(layers):
            p = {name: tensors[f"layer.{k}.{name}"] for name in layer.parameters()}
            if layer.kind == "attention":
                scores = x @ p["B"].T @ x.T if "B" in p else torch.zeros(len(x), len(x), dtype=x.dtype)
                x = x + torch.softmax(scores, dim=1) @ x @ p["V"].T
            else:
                inner = (x @ p["U"].T if "U" in p else 0) + p.get("b", torch.zeros(p["W"].shape[1], dtype=x.dtype))
                x = x + torch.relu(inner) @ p["W"].T
            x = torch.nn.functional.normalize(x, dim=1)
        nearest = torch.cdist(x, torch.tensor(nu.points)).min(1).values
        assert nearest.max() < 1e-9
