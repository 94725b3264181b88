import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer import InputError, TransformerField
from measureformer.fields import attention, perceptron
from oracles import naive
from strategies import measures, rotations


def parameters(seed, d=3, h=5):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(d, d)), 3 * rng.normal(size=(d, d)), rng.normal(size=(d, h)), rng.normal(size=(h, d)), rng.normal(size=h)


@given(measures(6, 3), st.integers(0, 10**6))
def test_against_the_naive_sum(mu, seed):
    V, B, W, U, b = parameters(seed)
    x, w = mu.points, mu.weights
    np.testing.assert_allclose(attention(x, x, w, B), naive.attention(x, x, w, B), rtol=1e-12, atol=1e-14)
    expected = naive.velocity(x, w, V, B, W, U, b)
    np.testing.assert_allclose(TransformerField(V, B, W, U, b)(x, x, w), expected, rtol=1e-11, atol=1e-13)
    on_jax = TransformerField(*map(jnp.asarray, (V, B, W, U, b)))(*map(jnp.asarray, (x, x, w)))
    np.testing.assert_allclose(on_jax, expected, rtol=1e-11, atol=1e-13)


@given(measures(6, 3), rotations(3), st.integers(0, 10**6))
def test_rotation_and_permutation_equivariance(mu, R, seed):
    V, B, W, U, b = parameters(seed)
    x, w = mu.points, mu.weights
    v = TransformerField(V, B, W, U, b)(x, x, w)
    turned = TransformerField(R @ V @ R.T, R @ B @ R.T, R @ W, U @ R.T, b)(x @ R.T, x @ R.T, w)
    np.testing.assert_allclose(turned, v @ R.T, atol=1e-10)
    order = np.random.default_rng(seed).permutation(6)
    np.testing.assert_allclose(TransformerField(V, B, W, U, b)(x[order], x[order], w[order]), v[order], atol=1e-12)


def test_absent_means_zero():
    V, B, W, U, b = parameters(0)
    x, w = np.eye(3), np.full(3, 1 / 3)
    zero = np.zeros((3, 3))
    np.testing.assert_allclose(TransformerField(V=V)(x, x, w), TransformerField(V=V, B=zero)(x, x, w), atol=1e-16)
    np.testing.assert_allclose(TransformerField(W=W, U=U)(x, x, w), TransformerField(W=W, U=U, b=0 * b)(x, x, w), atol=1e-16)
    np.testing.assert_allclose(perceptron(x, W, None, b), perceptron(x, W, 0 * U, b))
    assert not TransformerField()(x, x, w).any()


def test_large_scores_do_not_overflow_and_weight_zero_has_no_influence():
    x = np.eye(3)
    out = attention(x, x, np.array([0.5, 0.5, 0.0]), 2000 * np.eye(3))
    np.testing.assert_allclose(out[:2], x[:2], atol=1e-12)
    with_ghost = attention(x[:1], x, np.array([0.25, 0.75, 0.0]), np.eye(3))
    np.testing.assert_allclose(with_ghost, attention(x[:1], x[:2], np.array([0.25, 0.75]), np.eye(3)), atol=1e-15)


def test_attention_is_the_gradient_of_the_log_partition_function():
    """A_B[mu](x) = grad_z log int exp(<z, y>) mu(dy) at z = B x."""
    rng = np.random.default_rng(1)
    y, w, B = jnp.asarray(rng.normal(size=(5, 3))), jnp.full(5, 0.2), jnp.asarray(rng.normal(size=(3, 3)))
    x = jnp.asarray(rng.normal(size=(4, 3)))
    gradient = jax.vmap(jax.grad(lambda z: jax.nn.logsumexp(y @ z, b=w)))(x @ B.T)
    np.testing.assert_allclose(attention(x, y, w, B), gradient, rtol=1e-12)


def test_shapes_are_checked():
    with pytest.raises(InputError, match=r"U must have shape \(5, 3\)"):
        TransformerField(W=np.ones((3, 5)), U=np.ones((4, 3)))
