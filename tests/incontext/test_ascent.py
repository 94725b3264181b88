"""The worst pairs that gradients find: beyond random ones, below what is promised, and plateaus where there is no continuous G."""

import jax.numpy as jnp
import numpy as np
import pytest

from incontext_samples import centred, random_measure
from measureformer.errors import InputError
from measureformer.fields import ParticleField, Softmax
from measureformer.incontext import (
    Ball,
    InContextMap,
    UnitSphere,
    Verdict,
    attention_constants,
    classify,
    flow_map,
    layer_map,
    observed_constants,
    steepest,
)
from measureformer.incontext.euclidean import w1

DELTAS = (1e-2, 1e-3, 1e-4)


def test_attention_between_random_pairs_and_the_bound():
    B, V = 0.6 * np.eye(2), np.array([[0.2, 0.3], [-0.3, 0.1]])
    G, rng = layer_map(Softmax(1.0, B, None, V), residual=False), np.random.default_rng(0)
    climbed, known = steepest(G, Ball(2), deltas=DELTAS, starts=2), attention_constants(B, V)
    pairs = []
    for _ in range(200):
        mu = random_measure(rng, 4, 2)
        nu, x = mu.moved(mu.points + 1e-4 * rng.normal(size=(4, 2))), rng.uniform(-0.7, 0.7, size=(3, 2))
        pairs.append((mu, nu, x, x + 1e-4, w1(mu.points, mu.weights, nu.points, nu.weights)))
    seen = observed_constants(G, pairs).in_mu
    assert 1.3 * seen < climbed.quotient(1e-9) <= known.in_mu
    assert climbed.slope == pytest.approx(1, abs=0.02)
    (x, a), (y, b) = climbed.witness.measures  # the last pair says what it says
    assert w1(x, a, y, b) <= 1e-4 * (1 + 1e-9) and max(np.linalg.norm(x, axis=1).max(), np.linalg.norm(y, axis=1).max()) <= 1 + 1e-12


def variance(mu):
    m = mu.mean()
    return m, mu.weights @ (mu.points - m)[:, 0] ** 2


def e1(mu, x):
    m, v = variance(mu)
    return x + 0.5 * (x - m) * jnp.sin(1 / v)


def e2(mu, x):
    m, v = variance(mu)
    return x + 0.5 * (x - m) * jnp.tanh(mu.weights @ (mu.points - m)[:, 0] ** 3 / v**1.5)


def batch_norm(mu, x):
    m, v = variance(mu)
    return (x - m) / jnp.sqrt(v)


def test_plateaus_where_there_is_no_continuous_map():
    for function in (e1, e2):
        modulus = steepest(InContextMap(function), deltas=DELTAS)
        assert modulus.plateau(1e-4) and modulus.omega[-1] > 0.5
    jumps = steepest(InContextMap(batch_norm), of="f", deltas=DELTAS, starts=2, steps=25)
    assert jumps.plateau(1e-4) and jumps.omega[-1] > 0.9


@pytest.mark.slow
def test_images_stay_below_the_bound_and_come_together():
    B, V = 0.6 * np.eye(2), np.array([[0.2, 0.3], [-0.3, 0.1]])
    known = attention_constants(B, V)
    smooth = steepest(InContextMap(e2), of="f", deltas=DELTAS, starts=2)
    assert not smooth.plateau(1e-4) and smooth.slope > 0.9  # continuous, though its G is not
    images = steepest(layer_map(Softmax(1.0, B, None, V), residual=False), Ball(2), of="f")
    assert 0.4 < images.quotient(1e-9) <= known.total and images.slope == pytest.approx(1, abs=0.05)


@pytest.mark.slow
def test_gradients_in_a_classification_and_on_the_sphere():
    G = layer_map(Softmax(1.0, 0.6 * np.eye(2)))
    plain, climbed = classify(G, Ball(2), rounds=1), classify(G, Ball(2), rounds=1, gradients=True)
    assert plain.verdict is climbed.verdict is Verdict.REPRESENTABLE
    assert climbed.moduli_g[-1].family == climbed.moduli_f[-1].family == "by gradient ascent"
    assert climbed.lipschitz_g > plain.lipschitz_g
    flow = flow_map(ParticleField(Softmax(2.0)), 0.5, steps=5)
    found = steepest(flow, UnitSphere(3), deltas=DELTAS, starts=2)
    np.testing.assert_allclose(np.linalg.norm(found.witness.measures[1][0], axis=1), 1, atol=1e-12)
    assert found.slope == pytest.approx(1, abs=0.05)


def test_what_cannot_be_climbed():
    with pytest.raises(InputError, match="'G' or 'f'"):
        steepest(InContextMap(e1), of="g")
    with pytest.raises(InputError, match="deltas fall"):
        steepest(InContextMap(e1), deltas=(1e-3, 1e-2))
    with pytest.raises(InputError, match=r"jax\.numpy"):
        steepest(InContextMap(lambda mu, x: np.asarray(x) + 1.0))
    with pytest.raises(InputError, match="finite value"):
        steepest(InContextMap(lambda mu, x: jnp.nan * x))
    with pytest.raises(InputError, match="InContextMap"):
        classify(centred, gradients=True)
