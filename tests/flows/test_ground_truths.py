"""Ground truths along flows: energy under layers (group 1), noise around the threshold (group 20)."""

import jax
import numpy as np
import pytest

from measureformer import Empirical, flow
from measureformer.diagnostics import interaction_energy
from measureformer.dynamics import growth_rate, noise_threshold
from measureformer.fields import ParticleField, Softmax
from measureformer.fields.layers import PostLN, run_layers
from measureformer.flows import Noise
from measureformer.geometry import normalize


@pytest.mark.parametrize("beta", [0.5, 4.0, 9.0])
@pytest.mark.parametrize("eta", [0.1, 0.5, 1.0])
def test_group_1_the_energy_rises_layer_by_layer(beta, eta):
    """N(x + eta A(x)) with eta <= 1, Q = K = V = I: no layer lowers the energy."""
    for seed in range(4):
        x = normalize(np.random.default_rng(seed).normal(size=(16, 3)))
        states = run_layers(Softmax(beta), PostLN(eta), Empirical(x), 40)
        energies = interaction_energy(states, beta, normalisation="unit")
        assert (np.diff(energies) >= -1e-14).all()
        assert energies[-1] > energies[0] + 1e-3


def test_group_20_particles_on_both_sides_of_the_threshold():
    """dX = v dt + (2/kappa)^{1/2} dW: mode 1 of 1200 tokens grows for kappa above kappa_c and dies below, at about the rate of theory."""
    beta, n, t = 2.0, 1200, 1.5
    critical = float(noise_threshold(beta, 2))
    u = (np.arange(n) + 0.5) / n
    theta = 2 * np.pi * u
    for _ in range(50):  # quantiles of the density (1 + 0.4 cos)/(2 pi)
        theta = 2 * np.pi * u - 0.4 * np.sin(theta)
    x = np.stack([np.cos(theta), np.sin(theta)], axis=1)
    grown = {}
    for factor in (0.4, 4.0):
        noise = Noise(factor * critical, jax.random.key(0))
        end = flow(ParticleField(Softmax(beta)), Empirical(x), t, step=0.05, noise=noise).points[0][-1]
        grown[factor] = float(np.log(np.linalg.norm(end.mean(0)) / np.linalg.norm(x.mean(0))) / t)
        expected = float(growth_rate(1, beta, 2, kappa=factor * critical))
        assert grown[factor] == pytest.approx(expected, abs=0.15)
    assert grown[0.4] < 0 < grown[4.0]
