import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer.geometry import distance, exp, log, normalize, tangent
from strategies import points, rotations


@given(points(6, 4), points(6, 4))
def test_exp_inverts_log(x, y):
    v = log(x, y)
    np.testing.assert_allclose(exp(x, v), y, atol=1e-13)
    np.testing.assert_allclose(np.linalg.norm(v, axis=1), distance(x, y), rtol=1e-12)
    np.testing.assert_allclose((x * v).sum(1), 0, atol=1e-14)


@given(points(5, 3), points(5, 3), points(5, 3), rotations(3))
def test_distance_is_a_metric_and_invariant(x, y, z, R):
    assert (distance(x, z) <= distance(x, y) + distance(y, z) + 1e-15).all()
    np.testing.assert_array_equal(distance(x, y), distance(y, x))
    np.testing.assert_allclose(distance(x @ R.T, y @ R.T), distance(x, y), atol=1e-14)


@pytest.mark.parametrize("angle", [1e-15, 1e-9, 1e-4, 1.0, 3.0])
def test_distance_keeps_its_digits(angle):
    """arccos of the scalar product would return 0 for 1e-9 and lose half the digits for 1e-4."""
    x, y = np.array([1.0, 0, 0]), np.array([np.cos(angle), np.sin(angle), 0])
    assert distance(x, y) == pytest.approx(angle, rel=1e-12)
    assert distance(x, -y) == pytest.approx(np.pi - angle, rel=1e-12)


@given(points(5, 3), st.floats(0, 3.0))
def test_exp_moves_by_the_length(x, length):
    v = tangent(x, np.roll(x, 1, axis=1) + 0.1)
    v = length * v / np.linalg.norm(v, axis=1, keepdims=True)
    np.testing.assert_allclose(distance(x, exp(x, v)), length, atol=1e-13)


def test_arrays_and_dtypes_are_kept():
    for x in (np.ones((2, 3), np.float32), jnp.ones((2, 3), jnp.float32), np.ones((2, 3))):
        y = exp(normalize(x), tangent(normalize(x), 0 * x))
        assert type(y) is type(x) and y.dtype == x.dtype
