import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import eval_gegenbauer, sph_harm_y

from measureformer import InputError
from measureformer.diagnostics import harmonic_power, order_parameters, pair_cosines
from measureformer.geometry import normalize

SEEDS = st.integers(0, 10**6)


@given(SEEDS)
def test_modes_against_sums_and_power_on_the_circle(seed):
    rng = np.random.default_rng(seed)
    theta, w = rng.uniform(-4, 4, (2, 9)), rng.uniform(0.1, 1, (2, 9))
    w /= w.sum(1, keepdims=True)
    m = order_parameters(theta, 5, w)
    for k in range(6):
        for b in range(2):
            assert m[b, k] == pytest.approx(sum(w[b, j] * np.exp(-1j * k * theta[b, j]) for j in range(9)), abs=1e-14)
    x = np.stack([np.cos(theta), np.sin(theta)], axis=-1)
    np.testing.assert_allclose(harmonic_power(x, 5, w), abs(m) ** 2, atol=1e-13)


def test_equispaced_clusters_have_one_mode_and_its_phase():
    theta = 2 * np.pi * np.arange(3) / 3 - 0.2 / 3
    m = order_parameters(theta, 3)
    np.testing.assert_allclose(m, [1, 0, 0, np.exp(0.2j)], atol=1e-15)


@given(SEEDS)
def test_power_on_the_sphere_against_spherical_harmonics(seed):
    rng = np.random.default_rng(seed)
    x, w = normalize(rng.normal(size=(6, 3))), rng.dirichlet(np.ones(6))
    polar, azimuth = np.arccos(x[:, 2]), np.arctan2(x[:, 1], x[:, 0])
    for k, power in enumerate(harmonic_power(x, 4, w)):
        modes = [4 * np.pi / (2 * k + 1) * abs(w @ sph_harm_y(k, m, polar, azimuth)) ** 2 for m in range(-k, k + 1)]
        assert power == pytest.approx(sum(modes), abs=1e-13)


def test_power_in_higher_dimension_is_gegenbauer():
    x = normalize(np.random.default_rng(1).normal(size=(5, 6)))
    for k, power in enumerate(harmonic_power(x, 5)):
        assert power == pytest.approx(np.mean(eval_gegenbauer(k, 2.0, x @ x.T)) / eval_gegenbauer(k, 2.0, 1.0), abs=1e-14)
    with pytest.raises(InputError, match="degree must be at least 1"):
        harmonic_power(x, 0)


@given(SEEDS)
def test_pair_cosines_over_ordered_pairs(seed):
    x = normalize(np.random.default_rng(seed).normal(size=(2, 7, 3)))
    found = pair_cosines(x, 0.5)
    for b in range(2):
        pairs = [x[b, i] @ x[b, j] for i in range(7) for j in range(7) if i != j]
        assert found.mean[b] == pytest.approx(np.mean(pairs))
        assert (found.smallest[b], found.largest[b]) == pytest.approx((min(pairs), max(pairs)))
        np.testing.assert_allclose(found.quantiles[:, b], np.quantile([p for k, p in enumerate(sorted(pairs)) if k % 2], [0.1, 0.5, 0.9]))
        assert found.close[b] == pytest.approx(np.mean(np.array(pairs) > 0.5))
    with pytest.raises(InputError, match="two tokens"):
        pair_cosines(x[:, :1])
