"""Distances in R^d: of Gaussians against POT and couplings, of labelled tokens against loops; what a mask does to them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer import InputError
from measureformer.fields import Causal, Labels, ParticleField, Softmax
from measureformer.geometry import Euclidean
from measureformer.measures import Gaussian
from measureformer.transport import bures_wasserstein, conditional_wasserstein


def gaussian(rng, d, rank):
    G = rng.normal(size=(d, rank))
    return Gaussian(rng.normal(size=d), G @ G.T)


@given(st.integers(0, 10**6), st.sampled_from([2, 3]))
def test_bures_wasserstein_against_another_program(seed, d):
    import ot

    rng = np.random.default_rng(seed)
    mu, nu = gaussian(rng, d, d + 2), gaussian(rng, d, d + 2)
    expected = ot.gaussian.bures_wasserstein_distance(mu.mean, nu.mean, mu.cov, nu.cov)
    assert bures_wasserstein(mu, nu) == pytest.approx(expected, rel=1e-6)
    assert bures_wasserstein(nu, mu) == pytest.approx(bures_wasserstein(mu, nu), rel=1e-7)


def test_bures_wasserstein_of_degenerate_measures():
    """Two lines at a right angle: tr S + tr S'. And to a Dirac mass: the second moment about it."""
    first, second = Gaussian([0.0, 0.0], np.diag([4.0, 0.0])), Gaussian([0.0, 0.0], np.diag([0.0, 9.0]))
    assert bures_wasserstein(first, second) == pytest.approx(13**0.5)
    assert bures_wasserstein(first, Gaussian([3.0, 4.0], np.zeros((2, 2)))) == pytest.approx(29**0.5)


def test_bures_wasserstein_of_near_measures_loses_no_digits():
    mu, nu = Gaussian([0.0, 0.0], np.eye(2)), Gaussian([0.0, 0.0], (1 + 1e-9) ** 2 * np.eye(2))
    assert bures_wasserstein(mu, nu) == pytest.approx(2**0.5 * 1e-9, rel=1e-6)
    with pytest.raises(InputError, match="dimensions 2 and 1"):
        bures_wasserstein(mu, Gaussian([0.0], [[1.0]]))


def test_conditional_distance():
    rng = np.random.default_rng(1)
    s, x, y = np.linspace(0.1, 1, 6), rng.normal(size=(6, 2)), rng.normal(size=(6, 2))
    lengths = np.linalg.norm(x - y, axis=1)
    order = rng.permutation(6)
    for p in (1.5, 2.0, 4.0):
        found = conditional_wasserstein(s, x, s[order], y[order], p)
        assert found.stable and found.value == pytest.approx(np.mean(lengths**p) ** (1 / p), rel=1e-12)
    assert conditional_wasserstein(s, x, s, y, np.inf).value == pytest.approx(lengths.max())
    assert conditional_wasserstein(s, x, s + 0.01, y).value == np.inf
    with pytest.warns(UserWarning, match="take p > 1"):
        flagged = conditional_wasserstein(s, x, s, y, 1.0)
    assert not flagged.stable and flagged.value == pytest.approx(lengths.mean())


def test_tokens_of_one_label_are_exchangeable():
    x, y = np.array([[0.0], [1.0], [5.0]]), np.array([[1.5], [0.0], [5.0]])
    found = conditional_wasserstein(np.array([0.5, 0.5, 1.0]), x, np.array([0.5, 0.5, 1.0]), y)
    assert found.value == pytest.approx((0.25 / 3) ** 0.5)  # 0 to 0 and 1 to 1.5, each a third of the mass


@pytest.mark.parametrize(("p", "labels", "message"), [(0.5, [0.1, 0.2], "at least 1"), (np.inf, [0.1, 0.1], "p is infinite")])
def test_refusals(p, labels, message):
    with pytest.raises(InputError, match=message):
        conditional_wasserstein(np.array(labels), np.zeros((2, 1)), np.array(labels), np.zeros((2, 1)), p)


def test_labels_are_a_causal_mask_of_sorted_tokens():
    rng = np.random.default_rng(2)
    x, w, order = rng.normal(size=(6, 2)), rng.uniform(1, 2, 6) / 9, rng.permutation(6)
    law = Softmax(0.7)
    sorted_field = ParticleField(law, Euclidean(), Causal())(x, x, w)
    labels = (order + 1) / 6
    np.testing.assert_allclose(
        ParticleField(law, Euclidean(), Labels(labels))(x[order], x[order], w[order]), sorted_field[order], atol=1e-14
    )
    ties = ParticleField(law, Euclidean(), Labels(np.zeros(6)))(x, x, w)
    np.testing.assert_allclose(ties, ParticleField(law, Euclidean())(x, x, w), atol=1e-14)
    with pytest.raises(InputError, match="6 labels for 5 tokens"):
        ParticleField(law, Euclidean(), Labels(labels))(x[:5], x[:5], w[:5])
    with pytest.raises(InputError, match="finite numbers"):
        Labels(np.array([0.1, np.nan]))


def test_one_changed_token_moves_causal_averages_without_bound_in_d_1_only():
    """Uniform causal averages (beta = 0) of n tokens on a line, the first one changed by 1: H_n in l^1, less than 2 in l^2."""
    n = 400
    s, x, y = np.arange(1, n + 1) / n, np.zeros((n, 1)), np.zeros((n, 1))
    y[0] = 1.0
    field = ParticleField(Softmax(0.0), Euclidean(), Labels(s))
    w = np.full(n, 1 / n)
    after = field(x, x, w), field(y, y, w)
    with pytest.warns(UserWarning):
        grown = conditional_wasserstein(s, after[0], s, after[1], 1.0).value / conditional_wasserstein(s, x, s, y, 1.0).value
    assert grown == pytest.approx(6.5699, abs=1e-4)
    assert conditional_wasserstein(s, after[0], s, after[1]).value < 2 * conditional_wasserstein(s, x, s, y).value
