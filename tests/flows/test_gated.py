"""Gated great circles against tight integration: everywhere, in the limits, and where the problem itself is ill-conditioned."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import Empirical, Schedule, Segment, TransformerField, flow
from measureformer.errors import ConditioningError
from measureformer.flows import boost, gate_of, gated_flow, integrate_ode
from measureformer.flows import gated as module
from measureformer.geometry import normalize, tangent
from strategies import points, seeds

EPS = np.finfo(float).eps


def integrated(x, a, tau, w, t):
    """The field itself, one point after the other, without the projection's drift."""

    def velocity(y):
        y = normalize(y)
        return max(float(y @ a) - tau, 0.0) * tangent(y, w)

    return normalize(np.array([integrate_ode(velocity, p, t, rtol=3e-14, atol=1e-16).value for p in x]))


def along_circles(x, a, tau, w, t):
    """The same for the logarithm of the half-angle's tangent, which keeps its digits near both poles."""
    speed = np.linalg.norm(w)
    e = w / speed
    u = normalize(tangent(e, x))
    A, B = a @ e, u @ a
    start = np.log(np.linalg.norm(x - e, axis=1) / np.linalg.norm(x + e, axis=1))

    def velocity(y, B):
        angle = 2 * np.arctan(np.exp(y))
        return -speed * np.maximum(A * np.cos(angle) + B * np.sin(angle) - tau, 0)

    end = [
        integrate_ode(lambda y, b=b: velocity(y, b), np.array([y0]), t, rtol=3e-14, atol=1e-15).value
        for y0, b in zip(start, B, strict=True)
    ]
    angle = 2 * np.arctan(np.exp(np.array(end)))
    return np.cos(angle) * e + np.sin(angle) * u


def sensitivity(x, a, tau, w, t):
    """What changes of x in the last place change, for each point; no less than the last place."""
    rng, here = np.random.default_rng(0), gated_flow(x, a, tau, w, t)
    others = [gated_flow(x * (1 + EPS * rng.choice([-1, 0, 1], size=x.shape)), a, tau, w, t) for _ in range(6)]
    return EPS + np.max([abs(y - here).max(1) for y in others], axis=0)


@given(seeds(), st.sampled_from([2, 3, 5]), st.sampled_from([-1.3, -0.5, 0.0, 0.4, 0.8, 1.1]), st.floats(0.01, 8), st.sampled_from([1, -1]))
@settings(max_examples=15)
def test_everywhere(seed, d, share, t, sign):
    rng = np.random.default_rng(seed)
    a, w, x = rng.normal(size=d), rng.normal(size=d), normalize(rng.normal(size=(3, d)))
    tau = share * float(np.linalg.norm(a))
    found = gated_flow(x, a, tau, w, sign * t)
    error = abs(found - integrated(x, a, tau, sign * w, t)).max(1)
    assert (error <= 64 * sensitivity(x, a, tau, sign * w, t) + 2e-14).all()
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=8 * EPS)


@pytest.mark.parametrize("gap", [0.0, 1e-12, 1e-7, -1e-7, 1e-3, -1e-3])
@pytest.mark.parametrize("pole", [1, -1])
@pytest.mark.parametrize("across", [1.0, 1e-2, 1e-5, 1e-9, 0.0])
def test_a_gate_that_ends_at_a_pole(gap, pole, across):
    """A - tau = gap or A + tau = gap, where the partial fractions divide by zero; and across -> 0, where B vanishes too."""
    rng = np.random.default_rng(1)
    w, x = rng.normal(size=3), normalize(rng.normal(size=(4, 3)))
    e = normalize(w)
    a = -pole * e + across * normalize(rng.normal(size=3))
    tau = pole * (float(a @ e) - gap)
    error = abs(gated_flow(x, a, tau, w, 3.0) - along_circles(x, a, tau, w, 3.0)).max(1)
    assert (error <= 32 * sensitivity(x, a, tau, w, 3.0) + 4e-15).all()


@pytest.mark.parametrize("excess", [1e-9, 1e-6, 1e-3])
@pytest.mark.parametrize("sign", [1, -1])
def test_starts_that_have_hardly_passed_the_gate(excess, sign):
    rng = np.random.default_rng(2)
    a, w = normalize(rng.normal(size=3)), sign * rng.normal(size=3)
    height = 0.3 + excess
    x = height * a + np.sqrt(1 - height**2) * normalize(tangent(a, rng.normal(size=(8, 3))))
    error = abs(gated_flow(x, a, 0.3, w, 20.0) - along_circles(x, a, 0.3, w, 20.0)).max(1)
    assert (error <= 64 * sensitivity(x, a, 0.3, w, 20.0) + 1e-14).all()


@pytest.mark.parametrize("distance", [1e-12, 1e-6, 1e-3])
@pytest.mark.parametrize("pole", [1, -1])
def test_starts_near_the_poles(distance, pole):
    rng = np.random.default_rng(3)
    a, w = rng.normal(size=3), rng.normal(size=3)
    x = normalize(pole * normalize(w) + distance * rng.normal(size=(8, 3)))
    error = abs(gated_flow(x, a, -1.0, w, 6.0) - along_circles(x, a, -1.0, w, 6.0)).max(1)
    assert (error <= 32 * sensitivity(x, a, -1.0, w, 6.0) + 1e-14).all()


def test_on_the_boundary_and_behind_it_nothing_moves():
    a, w = np.array([1.0, 0, 0]), np.array([1.0, 2.0, 0.5])
    tied = np.array([0.6 + 2e-16, 0.8, 0.0])
    x = np.stack([tied, -tied, normalize(w), -normalize(w)])
    np.testing.assert_array_equal(gated_flow(x, a, 0.6, w, 50.0), x)
    inwards = np.array([1.0, 0.0, 0.5])
    np.testing.assert_array_equal(gated_flow(tied[None], a, 0.6, inwards, 50.0), tied[None])
    assert abs(gated_flow(tied[None] + [1e-13, 0, 0], a, 0.6, inwards, 50.0) - tied).max() > 0.1


@given(points(6, 4), seeds(), st.floats(0.1, 3))
def test_there_and_back_and_in_two_halves(x, seed, t):
    rng = np.random.default_rng(seed)
    a, w = rng.normal(size=(2, 4)) / 2
    there = gated_flow(x, a, -0.2, w, t)
    np.testing.assert_allclose(gated_flow(gated_flow(x, a, -0.2, w, t / 3), a, -0.2, w, 2 * t / 3), there, atol=1e-11)
    inside = there @ a > -0.2 + 1e-2
    np.testing.assert_allclose(gated_flow(there, a, -0.2, w, -t)[inside], x[inside], atol=1e-8)


@given(points(6, 3), seeds())
def test_without_a_gate_it_is_a_boost(x, seed):
    w = np.random.default_rng(seed).normal(size=3)
    np.testing.assert_allclose(gated_flow(x, np.zeros(3), -1.0, w, 1.0), boost(x, w), atol=1e-13)


def test_many_points_all_converge_and_jax_agrees():
    rng = np.random.default_rng(4)
    x = normalize(rng.normal(size=(20_000, 3)))
    a, w = rng.normal(size=(2, 3))
    found = gated_flow(x, a, 0.1, w, 4.0)
    assert np.isfinite(found).all()
    on_jax = jax.jit(gated_flow)(jnp.asarray(x), jnp.asarray(a), 0.1, jnp.asarray(w), 4.0)
    assert isinstance(on_jax, jax.Array)
    np.testing.assert_allclose(on_jax, found, atol=1e-9)  # sensitivity of the worst of so many
    assert np.median(abs(on_jax - found).max(1)) < 1e-15
    single = gated_flow(*(v.astype(np.float32) for v in (x[:99], a)), np.float32(0.1), w.astype(np.float32), 1.0)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, gated_flow(x[:99], a, 0.1, w, 1.0), atol=2e-5)


def test_no_convergence_is_said(monkeypatch):
    monkeypatch.setattr(module, "_ROUNDS", 1)
    x = normalize(np.random.default_rng(5).normal(size=(40, 3)))
    with pytest.raises(ConditioningError, match="did not converge for x"):
        gated_flow(x, np.eye(3)[0], 0.1, np.array([0.3, 1.0, 0.2]), 9.0)


def test_a_schedule_finds_the_gate():
    z, omega = np.eye(3)[0], np.array([0.2, -1.0, 0.4])
    field = TransformerField(W=np.stack([omega, 2 * omega, np.zeros(3)], 1), U=np.stack([z, 3 * z, z]), b=np.array([-0.3, -0.9, -0.3]))
    a, tau, w = gate_of(field)
    np.testing.assert_allclose(tau / np.linalg.norm(a), 0.3)
    np.testing.assert_allclose(w * np.linalg.norm(a), 7 * omega)
    mu = Empirical(normalize(np.random.default_rng(6).normal(size=(12, 3))))
    result = flow(Schedule([Segment(field, 0.5)]), [mu])
    assert result.methods == {"gate": 1}
    expected = normalize(integrate_ode(lambda x: field(x, x, mu.weights), mu.points, 0.5, rtol=1e-13, atol=1e-14).value)
    np.testing.assert_allclose(result.measures[0].points, expected, atol=1e-10)
    for other in (
        TransformerField(W=field.W, U=field.U, b=np.array([-0.3, -0.9, -0.31])),
        TransformerField(W=field.W, U=np.stack([z, -z, z]), b=np.array([-0.3, 0.3, -0.3])),
        TransformerField(V=np.eye(3), W=field.W, U=field.U, b=field.b),
        TransformerField(W=field.W, U=0 * field.U, b=field.b),
    ):
        assert gate_of(other) is None
