"""The scalar piecewise-linear equation, with ties, zeros and long times, as a one-parameter group and against differences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer.flows.piecewise import exprel, influence, travel
from strategies import seeds


def equation(seed: int, k: int, whole: bool):
    """Random a (20, k), c, s; whole numbers make gates that coincide, gates that do not move, and speeds that vanish."""
    rng = np.random.default_rng(seed)
    scale = 10.0 ** rng.integers(-3, 3)
    if whole:
        return scale * rng.integers(-3, 4, size=(20, k)), *rng.integers(-2, 3, size=(2, k)).astype(float)
    return scale * rng.normal(size=(20, k)), *rng.normal(size=(2, k))


@given(seeds(), st.sampled_from([2, 5, 9]), st.booleans(), st.sampled_from([0.0, 1e-300, 0.1, 1.0, -1.0, 5.0, -7.0, 20.0]))
@settings(max_examples=100)
def test_half_the_time_twice(seed, k, whole, t):
    a, c, s = equation(seed, k, whole)
    r, growth = travel(a, c, s, t)
    first, growth1 = travel(a, c, s, t / 2)
    second, growth2 = travel(a + first[:, None] * c, c, s, t / 2)
    # an error made at half time grows with the second half
    size = (1 + abs(a).max(1) + abs(r)) * np.exp(np.maximum.reduce([0 * growth, growth, growth1, growth2]))
    assert (abs(first + second - r) <= 1e-12 * size).all()


@given(seeds(), st.sampled_from([0.3, 1.0, -1.5]))
def test_influence_against_differences(seed, t):
    a, c, s = equation(seed, 4, False)
    step = 1e-6 * abs(a).max()
    found = influence(a, c, s, t)
    for j, e in enumerate(step * np.eye(4)):
        expected = (travel(a + e, c, s, t).r - travel(a - e, c, s, t).r) / (2 * step)
        # r is not differentiable where a gate opens at the start
        assert np.median(abs(found[:, j] - expected) / (1 + abs(expected))) < 1e-7
    np.testing.assert_allclose(1 + found @ c, np.exp(travel(a, c, s, t).growth), rtol=1e-7, atol=1e-7)


def test_one_gate():
    """r' = (1 + 2 r)_+: r = (e^{2t} - 1) / 2, and backwards towards -1/2."""
    for t in (0.5, -0.5, -40.0):
        r, growth = travel(np.ones((1, 1)), 2 * np.ones(1), np.ones(1), t)
        assert (r[0], growth[0]) == (pytest.approx(np.expm1(2 * t) / 2, rel=1e-15), pytest.approx(2 * t, rel=1e-15))


def test_many_points_in_slices():
    rng = np.random.default_rng(0)
    a, c, s = rng.normal(size=(3, 150_000, 8)), rng.normal(size=8), rng.normal(size=8)
    r = travel(a, c, s, 0.4).r
    assert r.shape == (3, 150_000)
    np.testing.assert_array_equal(r[2, -5:], travel(a[2, -5:], c, s, 0.4).r)


def test_exprel():
    np.testing.assert_array_equal(exprel(np.array([0.0, 1e-20, -1e-20])), 1)
    np.testing.assert_allclose(exprel(np.array([1e-8, -3.0, 2.0])), [1 + 5e-9, (np.exp(-3) - 1) / -3, (np.exp(2) - 1) / 2], rtol=1e-15)
