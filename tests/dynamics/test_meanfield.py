"""Mean-field solvers. Group 5: growth rates along the flow. Group 8: grids rest. Group 20: mode 1 under noise. Group 4: radius."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer import InputError, TransformerField
from measureformer.diagnostics import energy_gradient, order_parameters
from measureformer.dynamics import (
    circle_density,
    circle_field,
    circle_particles,
    growth_rate,
    noise_threshold,
    ott_antonsen_radius,
    real_harmonics,
    sphere_field,
    sphere_grid,
    sphere_particles,
)
from measureformer.geometry import normalize


def bumpy(k, eps):
    return lambda theta: 1 + eps * np.cos(k * theta)


@pytest.mark.parametrize("law", ["softmax", "unnormalised"])
@pytest.mark.parametrize("beta", [1.0, 5.0])
def test_group_5_growth_along_the_flow_on_the_circle(beta, law):
    """log(|m_k(t)| / |m_k(0)|) / t, half the difference of +eps and -eps: what is quadratic in eps drops out."""
    t, eps = 0.05, 1e-6
    for k in range(1, 5):
        modes = [
            order_parameters(run.theta, k, run.weights)[0, k].real
            for run in (circle_particles(bumpy(k, s * eps), beta, [t], law=law) for s in (1, -1))
        ]
        rate = np.log((modes[0] - modes[1]) / eps) / t
        expected = float(growth_rate(k, beta, 2, law=law))
        assert rate == pytest.approx(expected, abs=1e-7 * max(1, expected))


@pytest.mark.parametrize("law", ["softmax", "unnormalised"])
@pytest.mark.parametrize("beta", [1.0, 3.0])
def test_group_5_growth_along_the_flow_on_the_sphere(beta, law):
    """Every kind of harmonic of a degree grows alike."""
    t, eps = 0.1, 1e-6
    for k, m in ((1, 0), (2, 1), (3, -2), (4, 4)):
        column = k * k + k + m
        plus, minus = (
            sphere_particles(lambda x, e=e, k=k, c=column: 1 + e * real_harmonics(x, k)[:, c], beta, [t], law=law).modes(k)[0, column]
            for e in (eps, -eps)
        )
        rate = np.log((plus - minus) / (2 * eps)) / t
        assert rate == pytest.approx(float(growth_rate(k, beta, 3, law=law)), abs=1e-6)


@given(seed=st.integers(0, 10**6), beta=st.sampled_from([0.3, 4.0, 12.0]), law=st.sampled_from(["softmax", "unnormalised", "peak"]))
def test_group_17_the_harmonic_field_is_the_dense_one(seed, beta, law):
    rng = np.random.default_rng(seed)
    x, w = normalize(rng.normal(size=(30, 3))), rng.uniform(0.5, 1.5, 30)
    w /= w.sum()
    dense = TransformerField(V=np.eye(3), B=beta * np.eye(3))(x, x, w) if law == "softmax" else energy_gradient(x, beta, w)
    dense = dense * np.exp(-beta) if law == "peak" else dense
    scale = np.exp(beta) if law == "unnormalised" else 1.0
    np.testing.assert_allclose(sphere_field(x, beta, w, law=law), dense, atol=1e-12 * scale)


def test_harmonics_are_orthonormal_and_add_up_to_legendre():
    grid = sphere_grid(20, 40)
    Y = real_harmonics(grid.points, 12)
    np.testing.assert_allclose((Y * grid.weights[:, None]).T @ Y, np.eye(169), atol=1e-13)
    x = normalize(np.random.default_rng(0).normal(size=(7, 3)))
    for k in (1, 5, 12):
        block = real_harmonics(x, k)[:, k * k :]
        zonal = np.polynomial.legendre.legval(x @ x.T, np.eye(k + 1)[k])
        np.testing.assert_allclose(block @ block.T, (2 * k + 1) * zonal, atol=1e-11)


@pytest.mark.parametrize("law", ["softmax", "peak"])
def test_group_8_grids_rest(law):
    """A quadrature that is exact for the degrees that e^{beta <x, y>} has is as good as uniform: the field vanishes on it."""
    grid = sphere_grid(24, 48)
    for beta in (1.0, 4.0):
        assert abs(sphere_field(grid.points, beta, grid.weights, law=law)).max() < 1e-13
        dense = energy_gradient(grid.points, beta, grid.weights) * np.exp(-beta)
        assert abs(dense).max() < 1e-13
        theta = 2 * np.pi * np.arange(64) / 64 + 0.3
        assert abs(circle_field(theta, beta, law=law)).max() < 1e-13
    run = sphere_particles(lambda x: np.ones(len(x)), 4.0, [1.0], latitudes=16, longitudes=32, law=law)
    assert abs(run.points[0] - sphere_grid(16, 32).points).max() < 1e-11
    coarse = sphere_grid(3, 5)  # and a grid that is too coarse does move
    assert abs(sphere_field(coarse.points, 4.0, coarse.weights, law=law)).max() > 1e-5


@pytest.mark.parametrize("law", ["softmax", "unnormalised"])
def test_group_20_noise_stops_mode_one_at_the_threshold(law):
    beta, eps, t = 2.0, 1e-6, 0.3
    critical = float(noise_threshold(beta, 2, law=law))
    for factor in (0.8, 1.0, 1.25):
        run = circle_density(bumpy(1, eps), beta, [t], n=32, law=law, kappa=factor * critical)
        rate = np.log(2 * order_parameters(run.theta, 1, run.weights)[0, 1].real / eps) / t
        assert rate == pytest.approx(float(growth_rate(1, beta, 2, law=law, kappa=factor * critical)), abs=1e-7)
        assert np.sign(round(rate, 6)) == np.sign(factor - 1)


def test_the_two_solvers_agree_beyond_the_linear_regime():
    def start(theta):
        return 1 + 0.3 * np.cos(theta) + 0.2 * np.sin(3 * theta)

    times = [0.0, 0.4, 0.8]
    particles, grid = circle_particles(start, 3.0, times), circle_density(start, 3.0, times, n=128)
    k = np.arange(-40, 41)
    for i in range(3):
        modes = (grid.weights[i] * np.exp(-1j * k[:, None] * grid.theta[i])).sum(1)
        there = (modes[:, None] * np.exp(1j * k[:, None] * particles.theta[i])).sum(0).real
        np.testing.assert_allclose(particles.density[i], there, atol=2e-7)


def test_group_4_poisson_kernels_stay_poisson_kernels():
    """beta -> 0: r' = r (1 - r^2)/2 for the density (1 - r^2)/(1 - 2 r cos + r^2)."""
    r, t = 0.3, 1.2
    run = circle_particles(lambda a: (1 - r**2) / (1 - 2 * r * np.cos(a) + r**2), 1e-9, [t])
    later = abs(order_parameters(run.theta, 3, run.weights)[0])
    expected = float(ott_antonsen_radius(t, r))
    np.testing.assert_allclose(later[1:], expected ** np.arange(1, 4), atol=1e-8)
    np.testing.assert_allclose(run.density[0], (1 - expected**2) / (1 - 2 * expected * np.cos(run.theta[0]) + expected**2), rtol=1e-7)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="density must be at least 0 and have mean 1"):
        circle_particles(lambda a: 2 + 0 * a, 1.0, [1.0])
    with pytest.raises(InputError, match="times must increase"):
        circle_density(bumpy(1, 0.1), 1.0, [1.0, 0.5])
    with pytest.raises(InputError, match="kappa must be positive"):
        circle_density(bumpy(1, 0.1), 1.0, [1.0], kappa=0.0)
    with pytest.raises(InputError, match="masses from -"):
        sphere_particles(lambda x: 1 + 5 * x[:, 2], 1.0, [1.0])
    with pytest.raises(InputError, match="latitudes"):
        sphere_grid(0, 3)
