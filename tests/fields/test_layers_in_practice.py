"""Layers as exact maps: closed forms, and their limits as flows."""

import numpy as np
import pytest

from measureformer import Empirical, InputError, flow
from measureformer.fields import NGPT, Causal, MixLN, PeriLN, PostLN, PreLN, Scaled, Softmax, SqrtScaled, Unnormalised, run_layers
from measureformer.geometry import normalize

SCHEMES = (PostLN, PreLN, lambda eta: MixLN(eta, 0.5), PeriLN, NGPT, SqrtScaled)


def cloud(n, d=3, seed=0):
    rng = np.random.default_rng(seed)
    return Empirical(normalize(rng.normal(size=(n, d))), rng.uniform(0.2, 1, n))


def test_group_7_the_exact_discrete_map():
    """Spec 4.5: orthonormal tokens stay equiangular under Post-LN, and the common cosine obeys a map in one variable."""
    n, beta, eta = 6, 1.5, 0.1
    states = run_layers(Softmax(beta), PostLN(eta), Empirical(np.eye(n)), 30)
    rho = 0.0
    for x in states[1:]:
        e, f = np.exp(beta), np.exp(beta * rho)
        A, B = 1 + eta * e / (e + (n - 1) * f), eta * f / (e + (n - 1) * f)
        top = A**2 * rho + 2 * A * B * (1 + (n - 2) * rho) + B**2 * ((n - 2) + ((n - 1) ** 2 - n + 2) * rho)
        rho = top / (A**2 + 2 * A * B * (n - 1) * rho + B**2 * ((n - 1) + (n - 1) * (n - 2) * rho))
        np.testing.assert_allclose((x @ x.T)[np.triu_indices(n, 1)], rho, atol=1e-14)


def test_by_hand():
    """Two tokens on the circle, beta = 0: A is the mean of the directions."""
    x = np.array([[1.0, 0.0], [0.0, 1.0]])
    law, mu, r = Softmax(0.0), Empirical(x), np.sqrt(0.5)

    def first(scheme):
        return run_layers(law, scheme, mu, 1)[1, 0]

    np.testing.assert_allclose(first(PostLN(0.5)), np.array([1.25, 0.25]) / np.hypot(1.25, 0.25))
    np.testing.assert_allclose(first(PreLN(0.5)), [1.25, 0.25])
    np.testing.assert_allclose(first(PeriLN(0.5)), [1 + r / 2, r / 2])
    np.testing.assert_allclose(first(NGPT(0.5)), np.array([1 + r, r]) / np.hypot(1 + r, r))
    np.testing.assert_allclose(first(SqrtScaled(0.5)), first(PostLN(0.5)))
    np.testing.assert_allclose(first(MixLN(0.5, 0.0)), first(PreLN(0.5)))
    second = run_layers(law, SqrtScaled(1.0), mu, 2)
    np.testing.assert_allclose(second[2], normalize(second[1] + second[1].mean(0) / np.sqrt(2)))
    radii = run_layers(law, MixLN(0.5, 1.0), mu, 4)
    np.testing.assert_allclose(np.linalg.norm(radii[2], axis=1), 1)
    assert (np.linalg.norm(radii[3], axis=1) > 1.1).all()


def test_group_12_initial_slopes():
    """rho'(0) of orthonormal tokens, spec 6.7: 2 / (s_0 (e^b + n - 1)), and for the normalised branches 2 / (s_0 sqrt(e^{2b} + n - 1))."""
    n, beta, r = 5, 1.2, 1.7
    plain, unit = 2 / (np.exp(beta) + n - 1), 2 / np.sqrt(np.exp(2 * beta) + n - 1)
    for scheme, radius, expected in (
        (PostLN(), 1.0, plain),
        (PreLN(), r, plain / r),
        (PeriLN(), r, unit / r),
        (NGPT(rate=0.7), 1.0, 0.7 * unit),
        (SqrtScaled(), 1.0, plain),
    ):
        x, w = radius * np.eye(n), np.full(n, 1 / n)
        v = scheme.limit(Softmax(beta))(x, x, w, 0.0)
        turning = (v - (v * x).sum(-1, keepdims=True) * x / radius**2) / radius
        assert abs(turning[0] @ (x[1] / radius) + turning[1] @ (x[0] / radius) - expected) < 1e-14


@pytest.mark.parametrize("make", SCHEMES)
def test_the_limit_is_the_limit(make):
    """Halving eta halves the distance to the flow, at t = 1. (Mix-LN switches at a saved time.)"""
    mu, errors = cloud(6), []
    exact = flow(make(0.1).limit(Softmax(2.0)), mu, 1.0, saveat=[0.0, 0.5, 1.0]).points[0][-1]
    for layers in (40, 80):
        errors.append(abs(run_layers(Softmax(2.0), make(1 / layers), mu, layers)[-1] - exact).max())
    assert errors[1] < 0.02 and abs(errors[0] / errors[1] - 2) < 0.2


def test_time_and_masks_reach_the_law():
    mu = cloud(5)
    timed = run_layers(Scaled(Softmax(1.0), lambda t: 1.0 if t < 0.15 else 0.0), PostLN(0.1), mu, 5)
    np.testing.assert_allclose(timed[2], timed[-1], atol=1e-15)
    assert abs(timed[1] - timed[2]).max() > 1e-3
    causal = run_layers(Softmax(1.0), PostLN(0.1), mu, 5, mask=Causal())
    np.testing.assert_allclose(causal[-1, 0], mu.points[0], atol=1e-15)


def test_an_unstable_step_is_refused():
    with pytest.raises(InputError, match=r"layer 0 is unstable.*take eta <= 0\.0\d+"):
        run_layers(Unnormalised(5.0), PostLN(0.5), Empirical(np.eye(3)), 3)
    run_layers(Unnormalised(5.0), PostLN(0.5), Empirical(np.eye(3)), 3, largest_step=100.0)
    with pytest.raises(InputError, match="depth"):
        run_layers(Softmax(), PostLN(), cloud(3), -1)
