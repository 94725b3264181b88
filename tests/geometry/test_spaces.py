"""Spaces: what they do to velocities and coordinates."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm

from measureformer import InputError
from measureformer.geometry import Euclidean, Rescaled, Sphere, normalize, tangent


def test_the_sphere_projects_and_retracts():
    rng = np.random.default_rng(0)
    x, v = normalize(rng.normal(size=(5, 4))), rng.normal(size=(5, 4))
    np.testing.assert_array_equal(Sphere().velocity(x, v, 0.0), tangent(x, v))
    np.testing.assert_allclose(np.linalg.norm(Sphere().retract(x + v), axis=1), 1, atol=4e-16)
    Sphere().check(x)
    Sphere().check(x.astype(np.float32))
    with pytest.raises(InputError, match=r"point 2 has norm 1\.01"):
        Sphere().check(x * np.array([1, 1, 1.01, 1, 1])[:, None])
    with pytest.raises(InputError, match="norm nan"):
        Sphere().check(np.full((1, 3), np.nan))


def test_rescaled_coordinates():
    """z = e^{-tV} x has z' = e^{-tV} (x' - V x): by finite differences along x(t) = a + t b."""
    rng = np.random.default_rng(1)
    V, a, b, t, h = rng.normal(size=(3, 3)), rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), 0.7, 1e-5

    def z(time):
        return (a + time * b) @ expm(-time * V).T

    space = Rescaled(V)
    np.testing.assert_allclose(space.tokens(z(t), t), a + t * b, atol=1e-12)
    np.testing.assert_allclose(space.velocity(z(t), b, t), (z(t + h) - z(t - h)) / (2 * h), atol=1e-8)
    on_jax = jax.jit(lambda z, b, t: space.velocity(z, b, t))(jnp.asarray(z(t)), jnp.asarray(b), t)
    np.testing.assert_allclose(on_jax, space.velocity(z(t), b, t), atol=1e-12)
    np.testing.assert_array_equal(Euclidean().velocity(a, b, t), b)


@pytest.mark.parametrize("V", [
    np.array([[0.0, 1.0], [-1.0, 0.0]]),  # a rotation: complex eigenvalues
    np.array([[1.0, 1.0], [0.0, 1.0]]),  # a Jordan block: no basis of eigenvectors
    np.array([[1.0, 1.0], [0.0, 1.0 + 1e-9]]),  # nearly one: a basis that would lose nine digits
    np.diag([2.0, -3.0]),
])  # fmt: skip
def test_exponentials_of_any_matrix(V):
    space, x = Rescaled(V), np.array([[0.3, -0.7]])
    assert (space.eigen is None) == (V[0, 1] == 1 and V[0, 0] == 1)
    for t in (-2.0, 0.0, 1.5):
        expected = x @ expm(t * V).T
        np.testing.assert_allclose(space.tokens(x, t), expected, atol=1e-12, rtol=1e-12)
        on_jax = jax.jit(lambda x, t: space.tokens(x, t))(jnp.asarray(x), jnp.asarray(t))
        np.testing.assert_allclose(on_jax, expected, atol=1e-12, rtol=1e-12)
