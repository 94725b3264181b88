"""Group 1 (energy and dissipation identities) and the normalisations in print."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import Empirical, InputError, Schedule, Segment, TransformerField, flow
from measureformer.diagnostics import dissipation, energy_gradient, energy_rate, interaction_energy, log_partition
from measureformer.geometry import exp, normalize

SEEDS = st.integers(0, 10**6)


def cloud(seed, n=5, d=3):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0.2, 1, n)
    return normalize(rng.normal(size=(n, d))), weights / weights.sum()


def double_sum(x, w, beta, V):
    return sum(w[i] * w[j] * np.exp(beta * (V @ x[i]) @ x[j]) for i in range(len(x)) for j in range(len(x)))


def matrix(seed, d=3):
    G = np.random.default_rng(seed + 1).normal(size=(d, d))
    return (G + G.T) / 2


@given(SEEDS, st.sampled_from([0.3, 1.0, 4.0]))
def test_group_1_every_normalisation_against_loops(seed, beta):
    (x, w), V = cloud(seed), matrix(seed)
    for weights in (w, None):
        S = double_sum(x, np.full(5, 0.2) if weights is None else w, beta, V)
        expected = {
            "measure": S / (2 * beta),
            "sum": 25 * S / (2 * beta),
            "shifted": S / (2 * beta) / np.exp(beta),
            "unit": S / np.exp(beta),
            "centred": (S - 1) / (2 * beta),
        }
        for name, value in expected.items():
            assert interaction_energy(x, beta, weights, V=V, normalisation=name) == pytest.approx(value, rel=1e-12)


@given(SEEDS, st.sampled_from(["softmax", "unnormalised"]), st.sampled_from([1.0, -1.0]))
def test_group_1_dissipation_identity_for_symmetric_v(seed, law, sign):
    """V = Q^T K symmetric: dE/dt along the field, by differences and by the chain rule, is the squared speed in the metric of the law."""
    (x, w), V, beta = cloud(seed), matrix(seed), 2.0
    gradient = energy_gradient(x, beta, w, V=V)
    Z = np.exp(log_partition(x, beta, w, V=V))
    v = sign * (gradient / Z[:, None] if law == "softmax" else gradient)
    expected = sign * dissipation(x, v, beta, w, V=V, law=law)
    assert energy_rate(x, v, beta, w, V=V) == pytest.approx(expected, rel=1e-11)
    h = 1e-5 / abs(v).max()
    ahead, behind = (interaction_energy(exp(x, s * v), beta, w, V=V) for s in (h, -h))
    assert (ahead - behind) / (2 * h) == pytest.approx(expected, rel=1e-6, abs=1e-12 * ahead / h)


def test_group_1_softmax_speed_is_the_attention_field():
    (x, w), beta = cloud(3), 3.0
    field = TransformerField(V=np.eye(3), B=beta * np.eye(3))
    v = energy_gradient(x, beta, w) / np.exp(log_partition(x, beta, w))[:, None]
    np.testing.assert_allclose(field(x, x, w), v, atol=1e-14)


@given(SEEDS)
@settings(max_examples=5)
def test_group_1_energy_grows_along_the_flow(seed):
    (x, w), beta = cloud(seed), 4.0
    theta = Schedule([Segment(TransformerField(V=np.eye(3), B=beta * np.eye(3)), 0.3)] * 5)
    energies = []
    flow(theta, [Empirical(x, w)], observe=lambda k, mu: energies.append(interaction_energy(mu[0].points, beta, w)))
    assert np.all(np.diff(energies) >= -1e-12)


@given(SEEDS, st.sampled_from([0.5, 3.0, 30.0]))
def test_group_1_rates_keep_their_ratio_in_every_normalisation(seed, beta):
    (x, w), v = cloud(seed), np.random.default_rng(seed).normal(size=(5, 3))
    v = v - (x * v).sum(1, keepdims=True) * x
    for name in ("sum", "shifted", "unit", "centred"):
        ratio = interaction_energy(x, beta, w, normalisation=name) / interaction_energy(x, beta, w)
        if name == "centred":
            ratio = 1
        assert energy_rate(x, v, beta, w, normalisation=name) == pytest.approx(ratio * energy_rate(x, v, beta, w), rel=1e-9)
        for law in ("softmax", "unnormalised"):
            both = [dissipation(x, v, beta, w, law=law, normalisation=each) for each in (name, "measure")]
            assert both[0] == pytest.approx(ratio * both[1], rel=1e-9)


def test_large_beta_and_the_limit_at_zero():
    x, w = cloud(1)
    mean = w @ x
    assert interaction_energy(x, 0.0, w, normalisation="centred") == pytest.approx(mean @ mean / 2, rel=1e-14)
    assert interaction_energy(x, 1e-6, w, normalisation="centred") == pytest.approx(mean @ mean / 2, rel=1e-5)
    assert interaction_energy(x, 5e3, w, normalisation="unit") == pytest.approx((w**2).sum(), rel=1e-12)
    with pytest.raises(InputError, match="'unit' stays"):
        interaction_energy(x, 5e3, w)
    with pytest.raises(InputError, match="beta must be positive"):
        interaction_energy(x, 0.0, w)
    with pytest.raises(InputError, match="choose one of measure"):
        interaction_energy(x, 1.0, w, normalisation="halved")
    with pytest.raises(InputError, match="symmetric"):
        interaction_energy(x, 1.0, w, V=np.triu(np.ones((3, 3))))
    with pytest.raises(InputError, match="dissipation identity"):
        dissipation(x, x, 1.0, w, law="linear")


def test_blocks_batches_and_jax(monkeypatch):
    x, w = map(np.stack, zip(*(cloud(s) for s in range(4)), strict=True))
    v = np.random.default_rng(0).normal(size=x.shape)
    whole = [interaction_energy(x, 2.0, w), energy_rate(x, v, 2.0, w), interaction_energy(x, 2.0, w, normalisation="centred")]
    for k in range(4):
        assert interaction_energy(x[k], 2.0, w[k]) == pytest.approx(whole[0][k], rel=1e-14)
    monkeypatch.setattr("measureformer.kernels.dense.TILE", 1)
    parts = [interaction_energy(x, 2.0, w), energy_rate(x, v, 2.0, w), interaction_energy(x, 2.0, w, normalisation="centred")]
    np.testing.assert_allclose(parts, whole, rtol=1e-14)
    on_jax = jnp.asarray(x), 2.0, jnp.asarray(w)
    np.testing.assert_allclose(interaction_energy(*on_jax), whole[0], rtol=1e-14)
    np.testing.assert_allclose(interaction_energy(*on_jax, normalisation="centred"), whole[2], rtol=1e-13)
    np.testing.assert_allclose(energy_rate(on_jax[0], jnp.asarray(v), *on_jax[1:]), whole[1], rtol=1e-13)


def test_a_token_without_weight_changes_nothing():
    x, w = cloud(2)
    more, weights = np.vstack([x, -x[:1]]), np.append(w, 0.0)
    for beta in (2.0, 900.0):
        for name in ("unit", "centred") if beta < 10 else ("unit",):
            both = [interaction_energy(*mu, normalisation=name) for mu in ((x, beta, w), (more, beta, weights))]
            assert both[0] == pytest.approx(both[1], rel=1e-13)
