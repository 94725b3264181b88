"""Group 5: growth rates around uniform. Group 9: energy values. Group 20: noise thresholds."""

import numpy as np
import pytest
from scipy.special import eval_gegenbauer, eval_legendre, gamma, iv, roots_gegenbauer

from measureformer import InputError, TransformerField
from measureformer.diagnostics import energy_gradient, interaction_energy
from measureformer.dynamics import (
    dirac_energy,
    fastest_mode,
    growth_rate,
    log_funk_hecke,
    mean_energy,
    noise_threshold,
    switch_betas,
    uniform_energy,
)
from measureformer.geometry import normalize

CIRCLE = {
    (1.0, "unnormalised"): [0.56515910, 0.54299068, 0.19951582, 0.04379392],
    (1.0, "softmax"): [0.44638997, 0.42888027, 0.15758724, 0.03459056],
    (5.0, "unnormalised"): [4.86712843, 14.00449197, 18.5960703, 16.34635124],
    (5.0, "softmax"): [0.17867663, 0.51411740, 0.68267833, 0.60008914],
}
SPHERE = {
    (1.0, "unnormalised"): [0.7357589, 0.4293772, 0.1207811, 0.0221447],
    (1.0, "softmax"): [0.6260706, 0.3653649, 0.1027748, 0.0188434],
    (3.0, "unnormalised"): [1.4951934, 2.1930030, 1.6611503, 0.8499812],
    (3.0, "softmax"): [0.4477577, 0.6567270, 0.4974559, 0.2545394],
}


def velocity(x, w, beta, law):
    if law == "softmax":
        return TransformerField(V=np.eye(x.shape[1]), B=beta * np.eye(x.shape[1]))(x, x, w)
    return energy_gradient(x, beta, w)


@pytest.mark.parametrize(("beta", "law"), list(CIRCLE))
def test_group_5_circle(beta, law):
    """Quiet start: 256 points with weights (1 + eps cos k theta)/256; d|m_k|/dt / |m_k| at the start."""
    theta, eps = 2 * np.pi * np.arange(256) / 256, 1e-8
    x, across = np.stack([np.cos(theta), np.sin(theta)], axis=1), np.stack([-np.sin(theta), np.cos(theta)], axis=1)
    np.testing.assert_allclose(growth_rate([1, 2, 3, 4], beta, 2, law=law), CIRCLE[beta, law], rtol=1e-7)
    for k in range(1, 5):
        w = (1 + eps * np.cos(k * theta)) / 256
        omega = (velocity(x, w, beta, law) * across).sum(1)
        rate = -(w * k * np.sin(k * theta)) @ omega / (w @ np.cos(k * theta))
        assert rate == pytest.approx(float(growth_rate(k, beta, 2, law=law)), abs=1e-7 * max(1, rate))


@pytest.mark.parametrize(("beta", "law"), list(SPHERE))
def test_group_5_sphere(beta, law):
    """20 Gauss-Legendre circles of 40 points; zonal harmonics P_k(z)."""
    z, mass = np.polynomial.legendre.leggauss(20)
    phi = 2 * np.pi * np.arange(40) / 40
    s = np.sqrt(1 - z**2)
    x = np.stack([np.outer(s, np.cos(phi)), np.outer(s, np.sin(phi)), np.outer(z, np.ones(40))], axis=-1).reshape(-1, 3)
    sigma, eps = np.repeat(mass / 2, 40) / 40, 1e-7
    np.testing.assert_allclose(growth_rate([1, 2, 3, 4], beta, 3, law=law), SPHERE[beta, law], atol=6e-8)
    for k in range(1, 5):
        Y = eval_legendre(k, x[:, 2])
        slope = k / (1 - x[:, 2] ** 2) * (eval_legendre(k - 1, x[:, 2]) - x[:, 2] * Y)
        w = sigma * (1 + eps * Y)
        v = velocity(x, w, beta, law)
        assert (w * slope) @ v[:, 2] / (w @ Y) == pytest.approx(float(growth_rate(k, beta, 3, law=law)), abs=1e-6)


def test_group_5_funk_hecke_in_any_dimension():
    for d in (3, 5, 8):
        nodes, mass = roots_gegenbauer(80, d / 2 - 1)
        for k, beta in [(0, 1.0), (1, 0.02), (2, 3.0), (6, 10.0)]:
            R = eval_gegenbauer(k, d / 2 - 1, nodes) / eval_gegenbauer(k, d / 2 - 1, 1.0)
            expected = mass @ (np.exp(beta * nodes) * R) / mass.sum()
            assert np.exp(log_funk_hecke(k, beta, d)) == pytest.approx(expected, rel=1e-9)
    series = 200 * np.log(0.5) - np.log(np.arange(1, 201)).sum() + np.log1p(0.25 / 201)
    assert log_funk_hecke(200, 1.0, 2) == pytest.approx(series, rel=1e-9)  # I_200(1), about 1e-435
    for beta, d, k in [(40.0, 3, 2), (70.0, 3, 25), (300.0, 10, 0)]:  # both sides of the seam between series and Bessel function
        assert log_funk_hecke(k, beta, d) == pytest.approx(np.log(gamma(d / 2) * (2 / beta) ** (d / 2 - 1) * iv(k + d / 2 - 1, beta)))


def test_group_5_switches_limit_and_small_beta():
    printed = {
        2: [1.04446, 3.16543, 6.2113, 10.2285, 15.2363, 21.2405],
        3: [1.81615, 4.42529, 7.96238, 12.4774, 17.9849],
        4: [2.52852, 5.65582, 9.69879, 14.7176],
    }
    for d, values in printed.items():
        found = switch_betas(d, len(values))
        np.testing.assert_allclose(found, values, rtol=1e-5)
        for k, beta in enumerate(found, start=1):
            assert (fastest_mode(float(beta) - 1e-3, d), fastest_mode(float(beta) + 1e-3, d)) == (k, k + 1)
    assert growth_rate(fastest_mode(1e4, 2), 1e4, 2) == pytest.approx(0.735721, abs=1e-6)
    for d in (2, 5, 30):
        assert growth_rate(fastest_mode(1e6, d), 1e6, d) == pytest.approx(2 / np.e, abs=1e-4)
        np.testing.assert_allclose(growth_rate([0, 1, 2], 0.0, d), [0, (d - 1) / d, 0])
        assert growth_rate(1, 1e-7, d) == pytest.approx((d - 1) / d, rel=1e-6)
    assert growth_rate(3, 1e7, 2) == pytest.approx(9 / 1e7, rel=1e-5)  # backward heat equation
    assert growth_rate(1, 1.0, 3) == pytest.approx(2 / np.tanh(1) - 2, rel=1e-13)  # 2 (b coth b - 1)/b^2


def test_group_5_signs():
    for law in ("softmax", "unnormalised"):
        odd_grows = growth_rate([1, 2, 3, 4], -2.0, 3, law=law)
        assert (np.sign(odd_grows) == [1, -1, 1, -1]).all()
        np.testing.assert_allclose(growth_rate([1, 2], 2.0, 3, law=law, sign=-1.0), -growth_rate([1, 2], 2.0, 3, law=law))
    with pytest.raises(InputError, match="law='peak'"):
        growth_rate(1, 1e3, 3, law="unnormalised")
    peak = growth_rate(1, 5.0, 3, law="peak")
    assert peak == pytest.approx(growth_rate(1, 5.0, 3, law="unnormalised") * np.exp(-5.0))
    with pytest.raises(InputError, match="d must be"):
        growth_rate(1, 1.0, 1)


@pytest.mark.parametrize("law", ["softmax", "unnormalised"])
def test_group_20_noise_threshold_is_where_mode_one_turns(law):
    for d, beta in [(2, 1.0), (3, 4.0), (6, 2.0)]:
        kappa = float(noise_threshold(beta, d, law=law))
        rates = [growth_rate(np.arange(1, 9), beta, d, law=law, kappa=factor * kappa) for factor in (0.999, 1.001)]
        assert rates[0].max() < 0 < rates[1][0]
    assert noise_threshold(0.0, 2, law=law) == pytest.approx(2)
    assert noise_threshold(1.3, 2, law="unnormalised") == pytest.approx(1.3 / iv(1, 1.3))


def test_group_9_energy_values():
    for beta in (0.5, 4.0):
        x = normalize(np.ones((3, 4)))
        assert dirac_energy(beta) == pytest.approx(interaction_energy(x, beta), rel=1e-13)
        assert uniform_energy(beta, 3) == pytest.approx(np.sinh(beta) / beta / (2 * beta), rel=1e-12)
        theta = 2 * np.pi * np.arange(64) / 64
        grid = np.stack([np.cos(theta), np.sin(theta)], axis=1)
        assert uniform_energy(beta, 2) == pytest.approx(interaction_energy(grid, beta), rel=1e-12)
        rng, runs = np.random.default_rng(9), 2000
        sample = interaction_energy(normalize(rng.normal(size=(runs, 8, 3))), beta)
        assert abs(sample.mean() - mean_energy(beta, 3, 8)) < 3 * sample.std() / np.sqrt(runs)
    with pytest.raises(InputError, match="beta must lie"):
        dirac_energy(0.0)
