"""Group 17: the Jacobi-Anger field is the dense one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer import InputError
from measureformer.dynamics import circle_field, growth_rate
from measureformer.dynamics.circle import _coefficients


def dense(theta, at, w, beta, law):
    difference = at[:, None] - theta
    kernel = np.exp(beta * (np.cos(difference) - (1 if law == "peak" else 0)))
    drift = -(kernel * np.sin(difference)) @ w
    return drift / (kernel @ w) if law == "softmax" else drift


@given(st.integers(0, 10**6), st.sampled_from([0.0, 1e-3, 0.9, 1.1, 9.0, 80.0]), st.sampled_from(["softmax", "unnormalised", "peak"]))
def test_group_17_against_all_pairs(seed, beta, law):
    rng = np.random.default_rng(seed)
    theta, w = rng.uniform(-4, 4, 30), rng.dirichlet(np.ones(30) * 5)
    expected = dense(theta, theta, w, beta, law)
    scale = np.exp(beta) if law == "unnormalised" else 1.0
    np.testing.assert_allclose(circle_field(theta, beta, w, law=law), expected, atol=2e-12 * scale)


def test_group_17_probes_negative_beta_and_few_modes():
    rng = np.random.default_rng(0)
    theta, at = rng.uniform(-1, 1, 12), rng.uniform(-3, 3, 5)
    w = np.full(12, 1 / 12)
    for beta in (-3.0, -0.4, 2.0):
        for law in ("softmax", "unnormalised"):
            np.testing.assert_allclose(circle_field(theta, beta, at=at, law=law), dense(theta, at, w, beta, law), atol=1e-11)
    np.testing.assert_allclose(circle_field(theta, 2.0, modes=25), circle_field(theta, 2.0), atol=1e-14)
    assert abs(circle_field(theta, 2.0, modes=2) - circle_field(theta, 2.0)).max() > 1e-2
    for beta in (1.0, 9.0, 81.0):
        assert len(_coefficients(beta, None)[0]) < np.sqrt(2 * beta * np.log(1e18)) + 25
    with pytest.raises(InputError, match="modes must"):
        circle_field(theta, 2.0, modes=0)
    with pytest.raises(InputError, match="law='peak'"):
        circle_field(theta, 900.0, law="unnormalised")
    assert np.isfinite(circle_field(theta, 900.0, law="peak")).all()


def test_group_5_rates_from_many_particles():
    """N = 20000 quiet particles, where all pairs would be 4e8: the rate of mode 3 at beta = 5."""
    n, eps, k = 20_000, 1e-8, 3
    theta = 2 * np.pi * np.arange(n) / n
    w = (1 + eps * np.cos(k * theta)) / n
    rate = -(w * k * np.sin(k * theta)) @ circle_field(theta, 5.0, w, law="unnormalised") / (w @ np.cos(k * theta))
    assert rate == pytest.approx(float(growth_rate(k, 5.0, 2, law="unnormalised")), rel=1e-6)
