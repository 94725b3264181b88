"""Gaussian measures: what is accepted, what is refused with which word, samples, roots."""

import jax.numpy as jnp
import numpy as np
import pytest

from measureformer import InputError
from measureformer.measures import Gaussian
from measureformer.measures.gaussian import symmetric_root

S = np.array([[2.0, 1.0], [1.0, 2.0]])


def test_root_moments_and_samples():
    mu = Gaussian([1.0, -1.0], S)
    np.testing.assert_allclose(mu.root() @ mu.root(), S, atol=1e-14)
    np.testing.assert_allclose(mu.second_moment(), S + np.outer([1, -1], [1, -1]))
    cloud = mu.sample(50, seed=3, whitened=True)
    np.testing.assert_allclose(cloud.points.mean(0), mu.mean, atol=1e-14)
    np.testing.assert_allclose(np.cov(cloud.points.T, bias=True), S, atol=1e-13)
    many = mu.sample(200_000, seed=1)
    np.testing.assert_allclose(np.cov(many.points.T), S, atol=0.03)
    assert abs(many.points.mean(0) - mu.mean).max() < 0.02
    np.testing.assert_array_equal(mu.sample(5, seed=2).points, mu.sample(5, seed=2).points)


def test_degenerate_measures_have_their_rank():
    v = np.array([[1.0], [2.0]])
    assert Gaussian([0.0, 0.0], v @ v.T).rank() == 1
    assert Gaussian([0.0, 0.0], np.zeros((2, 2))).rank() == 0
    np.testing.assert_allclose(symmetric_root(v @ v.T) @ symmetric_root(v @ v.T), v @ v.T, atol=1e-14)


def test_batches_and_kinds_of_arrays():
    many = Gaussian(np.zeros((5, 3, 2)), S)
    assert many.batch == (5, 3) and many.cov.shape == (5, 3, 2, 2) and many.rank().shape == (5, 3)
    assert Gaussian(np.zeros(2), np.stack([S, 2 * S])).mean.shape == (2, 2)
    assert Gaussian([0, 0], [[2, 1], [1, 2]]).cov.dtype == np.float64
    assert Gaussian(np.zeros(2, np.float32), S.astype(np.float32)).cov.dtype == np.float32
    assert isinstance(Gaussian(jnp.zeros(2), jnp.asarray(S)).root(), jnp.ndarray)
    with pytest.raises(InputError, match="batch of shape"):
        many.sample(3)


@pytest.mark.parametrize(
    ("mean", "cov", "message"),
    [
        ([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]], "not positive semi-definite: it has the eigenvalue -1"),
        ([0.0, 0.0], [[1.0, 0.5], [0.4, 1.0]], r"not symmetric: cov\[0, 1\] = 0.5 and cov\[1, 0\] = 0.4"),
        ([0.0, 0.0, 0.0], S, r"cov must have shape \(3, 3\)"),
        ([0.0, 0.0], [1.0, 2.0], "cov must have shape"),
        ([0.0, 0.0], [[1.0], [1.0, 2.0]], "equal lengths"),
        ([], np.zeros((0, 0)), "d >= 1"),
        ([0.0, np.nan], S, "mean = nan"),
        ([0.0, 0.0], [[np.inf, 0.0], [0.0, 1.0]], "entry inf"),
        (["a", "b"], S, "real numbers"),
        (np.zeros((3, 2)), np.stack([S, S]), "do not fit"),
    ],
)
def test_refusals(mean, cov, message):
    with pytest.raises(InputError, match=message):
        Gaussian(mean, cov)


@pytest.mark.parametrize(("n", "whitened"), [(0, False), (2, True)])
def test_samples_need_tokens(n, whitened):
    with pytest.raises(InputError, match="too small"):
        Gaussian([0.0, 0.0], S).sample(n, whitened=whitened)
