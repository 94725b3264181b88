"""The closed forms against tight integration of the same field, and against each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import Empirical, Schedule, Segment, TransformerField, flow
from measureformer.flows import (
    boost,
    boost_as_block,
    boost_between_caps,
    integrate_ode,
    is_shear,
    meanfield_clock,
    meanfield_flow,
    shear,
)
from measureformer.flows.clock import gathered, run_clock
from measureformer.geometry import distance, exp, normalize, tangent
from strategies import measures, points, seeds


def integrated(field: TransformerField, mu: Empirical, t: float) -> np.ndarray:
    return integrate_ode(lambda x: field(x, x, mu.weights), mu.points, t, rtol=1e-13, atol=1e-14).value


@given(points(6, 4), seeds(), st.floats(0.01, 6))
def test_boost(x, seed, rapidity):
    w = rapidity * normalize(np.random.default_rng(seed).normal(size=4))
    x = x[distance(x, -w / rapidity) > 1e-3]
    field = TransformerField(W=w[:, None], b=np.ones(1))
    np.testing.assert_allclose(boost(x, w), integrated(field, Empirical(np.vstack([x, w / rapidity])), 1.0)[:-1], atol=2e-9)
    half = np.tan(distance(x, w / rapidity) / 2)
    np.testing.assert_allclose(np.tan(distance(boost(x, w), w / rapidity) / 2), np.exp(-rapidity) * half, rtol=1e-9, atol=1e-15)


@given(points(6, 3), seeds())
def test_boosts_are_a_one_parameter_group(x, seed):
    w = np.random.default_rng(seed).normal(size=3)
    np.testing.assert_allclose(boost(boost(x, w), -w), x, atol=1e-12)
    np.testing.assert_allclose(boost(boost(x, 0.3 * w), 0.7 * w), boost(x, w), atol=1e-13)
    np.testing.assert_allclose(boost(x, 0 * w), x, atol=4e-16)
    np.testing.assert_allclose(np.linalg.norm(boost(x, w), axis=1), 1, atol=4e-15)


def test_boost_near_the_repelling_pole_keeps_digits():
    """tan(phi/2) -> e^-l tan(phi/2) also 1e-9 from -w, where a cosine has none left."""
    angle = 1e-9
    x = np.array([[-np.cos(angle), np.sin(angle), 0.0]])
    moved = boost(x, np.array([20.0, 0, 0]))
    assert distance(moved, -np.eye(3)[:1])[0] == pytest.approx(2 * np.arctan(np.exp(20.0) * np.tan(angle / 2)), rel=1e-6)


@given(points(6, 5), seeds(), st.floats(0.01, 8))
def test_a_boost_is_a_residual_block_of_one_neuron(x, seed, rapidity):
    w = rapidity * normalize(np.random.default_rng(seed).normal(size=5))
    W, U, b = boost_as_block(w)
    assert (x @ U.T + b > 0).all()
    np.testing.assert_allclose(normalize(x + np.maximum(x @ U.T + b, 0) @ W.T), boost(x, w), atol=1e-12 * np.exp(rapidity))


@given(seeds(), st.floats(0.05, 3.0), st.floats(0.05, 3.0))
def test_boost_between_caps(seed, radius, new_radius):
    rng = np.random.default_rng(seed)
    center, new = normalize(rng.normal(size=(2, 4)))
    w = boost_between_caps(center, radius, new, new_radius)
    if w is None:
        assert distance(center, new) >= abs(np.pi - radius - new_radius)
        return
    rim = exp(np.broadcast_to(center, (9, 4)), radius * normalize(tangent(center, rng.normal(size=(9, 4)))))
    np.testing.assert_allclose(distance(boost(rim, w), new), new_radius, atol=1e-7)
    assert distance(boost(center[None], w)[0], new) < new_radius
    concentric = boost_between_caps(center, radius, center, new_radius)
    np.testing.assert_allclose(distance(boost(rim, concentric), center), new_radius, atol=1e-9)


@given(measures(7, 4), seeds(), st.floats(-2, 2), st.sampled_from([1.0, -1.0]))
@settings(max_examples=15)
def test_meanfield_attention_of_rank_one(mu, seed, t, sign):
    alpha = np.random.default_rng(seed).normal(size=4)
    alpha /= max(1.0, np.linalg.norm(alpha) / 1.5)  # there and back is as ill-conditioned as e^(|alpha|^2 |t|) is large
    V = sign * np.outer(alpha, alpha)
    there = meanfield_flow(mu, alpha, t, sign=sign)
    expected = integrated(TransformerField(V=np.sign(t) * V if t else V), mu, abs(t)) if t else mu.points
    np.testing.assert_allclose(there, expected, atol=2e-9)
    back = meanfield_flow(mu.moved(there), alpha, -t, sign=sign)
    np.testing.assert_allclose(back, mu.points, atol=1e-8)
    e = alpha / np.linalg.norm(alpha)
    tau = meanfield_clock(mu, alpha, t, sign=sign)
    np.testing.assert_allclose(boost(mu.points, tau * e), there, atol=1e-14)


@pytest.mark.parametrize("length", [0.1, 3.0, 19.0, 40.0])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_the_clock_keeps_its_digits(length, sign):
    """Against the cosines themselves, by tight integration; 40 is too long for an interpolant. All the way from e to near -e."""
    angle = np.array([0.3, 1.0, 2.0, np.pi - 1e-6])
    mu = Empirical(np.stack([np.cos(angle), np.sin(angle)], 1), np.array([0.2, 0.3, 0.3, 0.2]))
    start = np.log(np.tan(angle / 2))
    tau = integrate_ode(lambda s: length * sign * (mu.weights @ -np.tanh(start - s))[None], np.zeros(1), 1.0, rtol=3e-14, atol=1e-15).value[
        0
    ]
    found = float(meanfield_clock(mu, np.array([np.sqrt(length), 0.0]), 1.0, sign=sign))
    assert found == pytest.approx(tau, rel=1e-12, abs=1e-13 * np.exp(0.1 * length))


def test_mean_orthogonal_to_alpha_does_not_move():
    """Lemma 3.3 of arXiv:2411.04551: <E, alpha> = 0 is stationary, and the sign of <E, alpha> never changes."""
    x = normalize(np.array([[1.0, 1, 0], [1, -1, 0], [0, 0, 1.0]]))
    np.testing.assert_allclose(meanfield_flow(Empirical(x), np.eye(3)[1], 5.0), x, atol=1e-12)


@given(points(6, 4), seeds(), st.floats(0.1, 3))
def test_shear_is_the_flow(x, seed, t):
    rng = np.random.default_rng(seed)
    e = np.linalg.qr(rng.normal(size=(4, 4)))[0]
    U, W = rng.normal(size=(5, 2)) @ e[:2], e[2:].T @ rng.normal(size=(2, 5))
    field = TransformerField(W=W, U=U)
    assert is_shear(field)
    np.testing.assert_allclose(shear(x, W, U, t), integrated(field, Empirical(x), t), atol=1e-10)
    np.testing.assert_allclose(shear(shear(x, W, U, t), -W, U, t), x, atol=1e-10)
    assert not is_shear(TransformerField(W=W + 1e-6 * e[:1].T, U=U))


def test_flow_uses_closed_forms_where_they_are():
    e = np.eye(3)
    theta = Schedule(
        [
            Segment(TransformerField(V=np.outer(e[0], e[0])), 0.5),
            Segment(TransformerField(W=np.ones((3, 1)), b=np.ones(1)), 0.5),
            Segment(TransformerField(W=e[:, :1], U=e[1:2]), 0.5),
            Segment(TransformerField(V=np.eye(3), B=np.eye(3)), 0.5),
            Segment(TransformerField(), 0.5),
        ]
    )
    mu = Empirical(normalize(np.random.default_rng(0).normal(size=(4, 3))))
    result = flow(theta, [mu, mu])
    assert result.methods == {"mean field": 1, "boost": 1, "shear": 1, "integrated": 1, "identity": 1}
    assert 0 < result.drift < 1e-10
    x = mu.points
    for segment in theta:
        x = normalize(integrated(segment.field, Empirical(x), segment.duration))
    np.testing.assert_allclose(result.measures[0].points, x, atol=1e-10)


def test_observe_sees_every_segment():
    theta = Schedule([Segment(TransformerField(W=np.ones((3, 1)), b=np.ones(1)), 0.1)] * 3)
    seen = []
    flow(theta, [Empirical(np.eye(3))], observe=lambda k, ms: seen.append((k, ms[0].points.copy())))
    assert [k for k, _ in seen] == [0, 1, 2, 3]
    np.testing.assert_allclose(seen[2][1], boost(np.eye(3), 0.2 * np.ones(3)), atol=1e-14)


def test_jax_in_jax_out():
    x, w = normalize(np.random.default_rng(0).normal(size=(5, 3))), np.array([0.3, -1.0, 0.5])
    mu = Empirical(x)
    on_jax = Empirical(jnp.asarray(x))
    assert isinstance(boost(on_jax.points, jnp.asarray(w)), type(on_jax.points))
    np.testing.assert_allclose(boost(on_jax.points, jnp.asarray(w)), boost(x, w), atol=1e-14)
    np.testing.assert_allclose(meanfield_flow(on_jax, jnp.asarray(w), 0.7), meanfield_flow(mu, w, 0.7), atol=1e-11)
    assert boost(x.astype(np.float32), w.astype(np.float32)).dtype == np.float32


@pytest.mark.parametrize("length", [1e-12, 0.3, 8.0, 60.0, -0.3, -40.0])
def test_the_clock_of_many_tokens_and_of_tokens_at_the_poles(length):
    """Tokens gathered in cells against all of them; one at each pole, one next to it, and many everywhere."""
    rng = np.random.default_rng(0)
    cosine = np.concatenate([rng.uniform(-1, 1, 3000), np.tanh(rng.normal(3, 0.2, 500))])
    y = np.concatenate([np.arctanh(cosine), [-16.0, 25.0, 300.0, -300.0]])
    x = np.stack([np.tanh(y), 1 / np.cosh(y)], 1)
    x[-2:, 1] = 0
    w = rng.uniform(0, 1, y.size)
    w /= w.sum()
    expected = integrate_ode(
        lambda tau: np.sign(length) * (w @ np.tanh(y + tau))[None], np.zeros(1), abs(length), rtol=3e-14, atol=1e-18
    ).value[0]
    assert run_clock(x, np.array([2.0, 0.0]), w, length) == pytest.approx(expected, rel=1e-11, abs=1e-13)
    few, masses = gathered(x, np.eye(2)[0], w, 30.0)
    assert few.size < 1600
    for tau in (-5.0, 0.0, 3.0):
        assert masses @ np.tanh(few + tau) == pytest.approx(w @ np.tanh(y + tau), abs=1e-14)


def test_a_traced_clock_is_integrated():
    x, w = normalize(np.random.default_rng(0).normal(size=(5, 3))), np.array([0.3, -1.0, 0.5])
    found = jax.jit(lambda v: meanfield_clock(Empirical(jnp.asarray(x)), v, 0.7))(jnp.asarray(w))
    assert float(found) == pytest.approx(float(meanfield_clock(Empirical(x), w, 0.7)), rel=1e-11)
