import numpy as np
import pytest
from scipy.optimize import minimize

from measureformer import Empirical, InputError, wasserstein2
from measureformer.diagnostics import dirac_distance, span_dimension, variance_within
from measureformer.geometry import normalize


def test_dimension_of_the_span():
    rng = np.random.default_rng(0)
    x = normalize(rng.normal(size=(20, 2)) @ rng.normal(size=(2, 5)) + 1e-4 * rng.normal(size=(20, 5)))
    assert span_dimension(x) == 2
    assert span_dimension(x, threshold=1e-10) == 5


def test_distance_to_a_dirac_mass_is_a_wasserstein_distance():
    rng = np.random.default_rng(1)
    mu = Empirical(normalize(rng.normal(size=(6, 3)) + [2.0, 0, 0]), rng.uniform(0.2, 1, 6))
    p = normalize(rng.normal(size=3))
    assert dirac_distance(mu, p) == pytest.approx(wasserstein2(mu, Empirical(p[None])).value, rel=1e-12)
    best = minimize(lambda q: dirac_distance(mu, q / np.linalg.norm(q)), mu.mean(), tol=1e-12)
    assert dirac_distance(mu) == pytest.approx(best.fun, rel=1e-8)
    assert dirac_distance(Empirical(np.tile(p, (4, 1)))) < 1e-8
    with pytest.raises(InputError, match="unit vector"):
        dirac_distance(mu, 2 * p)


def test_variance_within_clusters():
    rng = np.random.default_rng(2)
    x, w = normalize(rng.normal(size=(7, 3))), rng.dirichlet(np.ones(7))
    labels = np.array([0, 1, 0, 1, 1, 0, 2])
    total = 0.0
    for q in range(3):
        inside = labels == q
        mean = w[inside] @ x[inside] / w[inside].sum()
        total += w[inside] @ ((x[inside] - mean) ** 2).sum(axis=1)
    assert variance_within(x, labels, w) == pytest.approx(total, rel=1e-13)
    assert variance_within(x, np.zeros(7, int), w) == pytest.approx(1 - np.sum((w @ x) ** 2), rel=1e-12)
    assert variance_within(np.repeat(x[:2], 2, axis=0), np.array([0, 0, 1, 1])) == 0
