"""Densities have mass one, and their samples the law that they promise."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import gamma, ive
from scipy.stats import kstest

from measureformer import InputError
from measureformer.geometry import distance
from measureformer.measures import Mixture, UniformOnCap, VonMisesFisher


def mass(density, axis, d, cut=()):
    """The integral over the sphere of a density that depends on the angle to an axis only, by quadrature in the angle."""
    across = np.eye(d)[np.argmin(abs(axis))] - axis[np.argmin(abs(axis))] * axis
    across /= np.linalg.norm(across)

    def slice_(angle):
        x = np.cos(angle) * axis + np.sin(angle) * across
        return np.exp(density.log_density(x[None])[0]) * np.sin(angle) ** (d - 2)

    girth = 2 * np.pi ** ((d - 1) / 2) / gamma((d - 1) / 2)
    edges = [0, *cut, np.pi]
    return girth * sum(quad(slice_, a, b, epsabs=1e-13, limit=200)[0] for a, b in zip(edges[:-1], edges[1:], strict=True))


@pytest.mark.parametrize("d", [2, 3, 4, 7])
@pytest.mark.parametrize("kappa", [0.0, 1e-8, 0.3, 1.4999, 3.5, 40.0, 900.0])
def test_von_mises_fisher_has_mass_one(d, kappa):
    m = np.eye(d)[0]
    assert mass(VonMisesFisher(m, kappa), m, d, cut=(0.1, 0.5)) == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize("d", [2, 3, 6])
@pytest.mark.parametrize("radius", [0.01, 1.0, 2.5, np.pi])
def test_uniform_on_a_cap_has_mass_one(d, radius):
    c = np.ones(d) / np.sqrt(d)
    density = UniformOnCap(c, radius)
    inner = 0 if radius == np.pi else radius * (1 - 1e-12)
    assert mass(density, c, d, cut=(inner, radius) if inner else ()) == pytest.approx(1, rel=1e-9)


@pytest.mark.parametrize(("d", "kappa"), [(3, 0.0), (3, 2.0), (3, 1e6), (5, 10.0), (30, 4.0)])
def test_von_mises_fisher_samples(d, kappa):
    """On S^2 the depth has a closed law; the mean is A(kappa) m with A = I_{d/2} / I_{d/2-1}."""
    rng = np.random.default_rng(1)
    m = np.ones(d) / np.sqrt(d)
    x = VonMisesFisher(m, kappa).sample(rng, 20000)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 1, atol=1e-15)
    ratio = ive(d / 2, kappa) / ive(d / 2 - 1, kappa) if kappa else 0
    np.testing.assert_allclose(x.mean(0), ratio * m, atol=5 * x.std(0).max() / np.sqrt(20000))
    if d == 3:
        depth = 2 * np.sin(distance(x, m) / 2) ** 2
        law = (lambda s: s / 2) if kappa == 0 else (lambda s: np.expm1(-kappa * s) / np.expm1(-2 * kappa))
        assert kstest(depth, law).pvalue > 1e-3


@pytest.mark.parametrize("radius", [1e-3, 1.2, 3.0])
def test_cap_samples(radius):
    c = np.eye(3)[1]
    x = UniformOnCap(c, radius).sample(np.random.default_rng(0), 5000)
    angle = distance(x, c)
    assert angle.max() <= radius * (1 + 1e-12)
    assert kstest(np.sin(angle / 2) ** 2, lambda s: s / np.sin(radius / 2) ** 2).pvalue > 1e-3
    around = np.arctan2(x[:, 0], x[:, 2])
    assert kstest(around, lambda s: (s + np.pi) / (2 * np.pi)).pvalue > 1e-3
    assert np.isneginf(UniformOnCap(c, radius).log_density(-c[None])).all()


def test_mixture():
    e = np.eye(3)
    parts = [UniformOnCap(e[0], 0.3), UniformOnCap(-e[0], 0.3), VonMisesFisher(e[1], 50.0)]
    rho = Mixture(parts, [1, 3, 4])
    x = rho.sample(np.random.default_rng(0), 8000)
    assert x.shape == (8000, 3)
    assert (distance(x, -e[0]) < 0.3).mean() == pytest.approx(3 / 8, abs=0.02)
    dense = sum(w * np.exp(part.log_density(x)) for w, part in zip([1 / 8, 3 / 8, 4 / 8], parts, strict=True))
    np.testing.assert_allclose(rho.log_density(x), np.log(dense), rtol=1e-12)
    assert np.isneginf(Mixture(parts[:2]).log_density(e[2:])).all()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: VonMisesFisher(np.ones(3), 1.0), "mean must be a unit vector"),
        (lambda: VonMisesFisher(np.eye(3)[0], -1.0), "concentration must be finite and at least 0, got -1"),
        (lambda: UniformOnCap(np.eye(3)[0], 4.0), r"radius must lie in \(0, pi\] radians, got 4"),
        (lambda: Mixture([]), "a mixture of 0 parts"),
        (lambda: Mixture([UniformOnCap(np.eye(3)[0], 1.0)], [0.0]), "positive weights"),
    ],
)
def test_refused(make, words):
    with pytest.raises(InputError, match=words):
        make()
