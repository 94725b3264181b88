"""KL against closed forms, and invariant under every flow."""

import numpy as np
import pytest
from scipy.special import ive

from measureformer import Empirical, InputError, Schedule, Segment, TransformerField
from measureformer.diagnostics import kl_divergence
from measureformer.flows import log_density_at
from measureformer.measures import UniformOnCap, VonMisesFisher


def test_between_two_von_mises_fisher_laws():
    """Nothing moves: KL = A(k1) (k1 - k2 <m1, m2>) - log Z1 + log Z2 with A = I_{d/2} / I_{d/2-1}."""
    e = np.eye(4)
    rho, sigma = VonMisesFisher(e[0], 5.0), VonMisesFisher((e[0] + e[1]) / np.sqrt(2), 2.0)
    mean = ive(2, 5.0) / ive(1, 5.0)
    at = e[:1]
    log_z = [law.concentration * law.mean[0] - law.log_density(at)[0] for law in (rho, sigma)]
    expected = mean * (5 - 2 / np.sqrt(2)) - log_z[0] + log_z[1]
    found = kl_divergence(Schedule([]), rho, sigma, samples=20000)
    assert abs(found.value - expected) < 4 * found.standard_error < 0.1 * expected
    assert found.outside == 0
    assert kl_divergence(Schedule([]), rho, rho, samples=100)[:2] == (0, 0)


class Pushed:
    """The push-forward itself, as a target."""

    def __init__(self, theta, mu, source):
        self.theta, self.mu, self.source = theta, mu, source

    def log_density(self, x):
        return log_density_at(self.theta, self.mu, x, self.source.log_density)

    def sample(self, rng, n):
        raise NotImplementedError


def test_invariant_under_a_flow():
    """Two laws carried by the same flow are as far apart as before; a law and its own image are equal."""
    e = np.eye(3)
    fields = [
        TransformerField(V=e / 2, B=2 * e),
        TransformerField(W=e[:, :1], b=np.ones(1)),
        TransformerField(W=e[:, 1:2], U=e[1:2] - e[:1]),
    ]
    theta = Schedule(Segment(f, 0.5) for f in fields)
    rho, sigma = VonMisesFisher(e[0], 4.0), VonMisesFisher(e[2], 1.0)
    mu = Empirical(rho.sample(np.random.default_rng(5), 8))
    same = kl_divergence(theta, rho, Pushed(theta, mu, rho), samples=50, measure=mu)
    assert abs(same.value) < 1e-7
    after = kl_divergence(theta, rho, Pushed(theta, mu, sigma), samples=50, measure=mu)
    before = kl_divergence(Schedule([]), rho, sigma, samples=50)
    assert after.value == pytest.approx(before.value, abs=1e-6)
    assert after.standard_error == pytest.approx(before.standard_error, rel=1e-5)


def test_mass_off_the_support():
    e = np.eye(3)
    found = kl_divergence(Schedule([]), UniformOnCap(e[0], 1.0), UniformOnCap(e[0], 0.5), samples=4000)
    share = 1 - np.sin(0.25) ** 2 / np.sin(0.5) ** 2
    assert found.value == np.inf
    assert found.outside == pytest.approx(share, abs=0.03)
    inside = kl_divergence(Schedule([]), UniformOnCap(e[0], 0.5), UniformOnCap(e[0], 1.0), samples=10)
    assert inside.value == pytest.approx(-np.log(1 - share), rel=1e-12)
    with pytest.raises(InputError, match="samples must be at least 2"):
        kl_divergence(Schedule([]), UniformOnCap(e[0], 0.5), UniformOnCap(e[0], 1.0), samples=1)
