"""Types and recovery: composition, insertion of mass, G from a black box in three ways."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from incontext_samples import network, random_measure
from measureformer import Empirical
from measureformer.errors import InputError
from measureformer.fields import L2, LAWS, SCHEMES, MultiHead, ParticleField, Softmax, run_layers
from measureformer.geometry import normalize
from measureformer.incontext import (
    InContextMap,
    derivative,
    flow_map,
    identity,
    layer_map,
    measure_map,
    recover,
    recover_by_copies,
    recover_weakly,
    recovered_map,
    scheme_map,
)
from strategies import seeds


@settings(max_examples=8)
@given(seed=seeds())
def test_composition_is_associative_and_pushes_in_turn(seed):
    rng = np.random.default_rng(seed)
    F, G, H = (network(rng, 2, depth=1) for _ in range(3))
    mu, x = random_measure(rng, 5, 2), rng.normal(size=(3, 2))
    left, right = (F >> G) >> H, F >> (G >> H)
    np.testing.assert_allclose(left(mu, x), right(mu, x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(left.push(mu).points, H.push(G.push(F.push(mu))).points, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose((identity() >> F >> identity())(mu, x), F(mu, x), rtol=0, atol=0)


def test_a_deep_composition_runs_each_layer_once():
    calls = []

    def layer(mu, x):
        calls.append(len(x))
        return x + 0.1 * mu.mean()

    whole = identity()
    for _ in range(30):
        whole = whole >> InContextMap(layer)
    mu = Empirical(np.array([[1.0], [3.0]]))
    np.testing.assert_allclose(whole(mu, np.array([[0.0]])), 2 * 1.1**30 - 2, rtol=1e-13)
    assert calls == [3] * 30


@settings(max_examples=8)
@given(seed=seeds())
def test_insertion_of_mass_into_attention(seed):
    """A(mu + eps delta_q, x) = (Z A + eps e^s V q) / (Z + eps e^s), for any eps."""
    rng = np.random.default_rng(seed)
    Q, K, V = rng.normal(size=(3, 2, 2))
    A = layer_map(Softmax(1.0, Q, K, V), residual=False)
    mu, q, x, eps = random_measure(rng, 4, 2), rng.normal(size=2), rng.normal(size=(3, 2)), rng.uniform(1e-3, 10)
    scores = (x @ Q.T) @ (mu.points @ K.T).T
    Z = np.exp(scores) @ mu.weights
    new = eps * np.exp((x @ Q.T) @ (K @ q))
    expected = (Z[:, None] * A(mu, x) + new[:, None] * (V @ q)) / (Z + new)[:, None]
    heavier = Empirical(np.concatenate([mu.points, q[None]]), np.append(mu.weights, eps))
    np.testing.assert_allclose(A(heavier, x), expected, rtol=1e-12, atol=1e-12)


@settings(max_examples=8)
@given(seed=seeds())
def test_tags_recover_a_deep_network(seed):
    rng = np.random.default_rng(seed)
    G = network(rng, 2)
    mu, x = random_measure(rng, 6, 2), rng.uniform(-1, 1, size=(4, 2))
    x[3] = mu.points[2]  # lands on an old atom
    f = measure_map(G)
    found = recover(f, mu, x, eps=1e-10)
    size = 1 + abs(G(mu, x)).max()
    assert found.found and f.calls == 2
    assert found.joined.tolist() == [False, False, False, True]
    error = abs(found.values - G(mu, x)).max()
    assert error <= 3 * found.bias + 1e-12 * size and error <= 1e-6 * size
    # the bias is of the order of the mass
    finer = recover(f, mu, x[:3], eps=1e-14)
    assert abs(finer.values - G(mu, x[:3])).max() <= 1e-3 * found.bias + 1e-11 * size


def test_tags_to_the_tolerance_of_the_constants():
    """Error <= 1e-8 (1 + L_mu) for the mass 1e-10, with the constant that was observed."""
    rng = np.random.default_rng(3)
    for _ in range(5):
        G = network(rng, 2)
        mu, x = random_measure(rng, 6, 2), rng.uniform(-1, 1, size=(1, 2))
        heavier = Empirical(np.concatenate([mu.points, x]), np.append(mu.weights, 1e-4))
        constant = float(np.linalg.norm(G(heavier, x) - G(mu, x)) / 1e-4)
        assert abs(recover(measure_map(G), mu, x, eps=1e-10).values - G(mu, x)).max() <= 1e-8 * (1 + constant)


def test_grains_beside_atoms_that_are_as_light():
    """An old atom of mass 1e-10 is not taken for the grain; a large grain is extrapolated to second order."""
    rng = np.random.default_rng(7)
    G = network(rng, 2, depth=1)
    x = rng.uniform(-1, 1, size=(2, 2))
    for light in (1e-10, 2.2e-10, 5e-11):
        mu = Empirical(rng.uniform(-1, 1, size=(3, 2)), np.array([0.6, 0.4 - light, light]))
        found = recover(measure_map(G), mu, x)
        assert found.eps < light / 8
        np.testing.assert_allclose(found.values, G(mu, x), atol=1e-8)
        np.testing.assert_allclose(recovered_map(measure_map(G))(mu, x), G(mu, x), atol=1e-8)
    mu = random_measure(rng, 5, 2)
    errors = [abs(recover(measure_map(G), mu, x[:1], eps=eps).extrapolated - G(mu, x[:1])).max() for eps in (1e-2, 1e-3, 1e-4)]
    assert errors[0] < 1e-2 and np.log10(errors[0] / errors[2]) / 2 == pytest.approx(2, abs=0.2)
    with pytest.raises(InputError, match="halve=True"):
        recover(measure_map(G), mu, x, halve=False).extrapolated  # noqa: B018


LAW_ARGUMENTS = {"multi-head": {"heads": (Softmax(1.0), L2(0.5))}}


@pytest.mark.parametrize("name", sorted(LAWS))
def test_every_law_is_one(name):
    """Points besides the atoms, composition, and recovery from the measures alone."""
    rng = np.random.default_rng(8)
    law = LAWS[name](**LAW_ARGUMENTS.get(name, {}))
    G = layer_map(law, step=0.3) >> layer_map(law, step=0.3)
    mu, x = random_measure(rng, 4, 2), rng.uniform(-1, 1, size=(3, 2))
    alone = np.concatenate([G(mu, row[None]) for row in x])
    np.testing.assert_allclose(G(mu, np.concatenate([mu.points, x])), np.concatenate([G.push(mu).points, alone]), rtol=0, atol=1e-12)
    turn = rng.permutation(4)
    np.testing.assert_allclose(G(Empirical(mu.points[turn], mu.weights[turn]), x), alone, atol=1e-9)
    off = abs(recover(measure_map(G), mu, x, eps=1e-12).values - alone).max()
    assert off > 0.1 if name == "hardmax" else off < 1e-7  # hardmax sees a grain of any mass: it has no continuous G


def test_chain_rule_uniqueness_and_the_sum_check():
    rng = np.random.default_rng(0)
    F, G = network(rng, 2, depth=1), network(rng, 2, depth=1)
    f, g = measure_map(F), measure_map(G)
    mu, x = random_measure(rng, 5, 2), rng.uniform(-1, 1, size=(2, 2))
    chained = InContextMap(recovered_map(f)) >> InContextMap(recovered_map(g))
    both = InContextMap(recovered_map(measure_map(F >> G)))
    np.testing.assert_allclose(chained(mu, x), both(mu, x), atol=1e-7)
    on_support = both(mu, mu.points)
    np.testing.assert_allclose(mu.weights @ np.sin(on_support), mu.weights @ np.sin((F >> G).push(mu).points), atol=1e-7)


def test_three_ways_agree():
    """Tags, copies of a list of tokens, and integrals."""
    rng = np.random.default_rng(1)
    G = network(rng, 2)
    X, x = rng.uniform(-1, 1, size=(5, 2)), np.array([0.3, -0.6])
    mu = Empirical(X)
    truth = G(mu, x[None])[0]
    errors = [abs(recover_by_copies(lambda tokens: G.push(Empirical(tokens)).points, X, x, copies=k) - truth).max() for k in (1, 4, 16, 64)]
    assert errors[-1] < 1e-3 and np.log(errors[1] / errors[-1]) / np.log(16) > 1.7  # extrapolated: of second order

    def integrate(nu, psi):
        image = G.push(nu)
        return image.weights @ psi(image.points)

    old = G.push(mu).points
    for eps, allowed in ((1e-5, 1e-4), (1e-7, 1e-6)):
        assert abs(recover_weakly(integrate, mu, x, old, eps=eps) - truth).max() <= allowed
    unfrozen = (
        (1 + 1e-5) * integrate(Empirical(np.vstack([X, x]), np.append(mu.weights, 1e-5)), lambda y: y) - integrate(mu, lambda y: y)
    ) / 1e-5
    assert abs(unfrozen - truth).max() > 1e-2
    with pytest.raises(InputError, match="from an old atom"):
        recover_weakly(integrate, mu, X[0], old)


def test_the_whole_derivative_in_forward_mode():
    rng = np.random.default_rng(2)
    law = MultiHead((Softmax(1.0, *rng.normal(size=(3, 2, 2))), L2(0.5)))
    G = layer_map(law)
    mu, x = random_measure(rng, 5, 2), rng.normal(size=2)

    def psi(y):
        return jnp.sin(y[:, 0]) * y[:, 1]

    found = derivative(G, Empirical(jnp.asarray(mu.points), jnp.asarray(mu.weights)), jnp.asarray(x), psi)

    def tested(eps):  # (1 + eps) <f(mu_eps), psi>
        image = G.push(Empirical(np.vstack([mu.points, x]), np.append(mu.weights, eps)))
        return (1 + eps) * float(image.weights @ psi(image.points))

    slope = (tested(1e-7) - tested(1e-10)) / (1e-7 - 1e-10)
    assert float(found.value) == pytest.approx(slope, abs=1e-5)
    assert float(found.regular) == pytest.approx(float(psi(G(mu, x[None]))[0]), abs=1e-13)
    assert abs(float(found.moved)) > 1e-3


def test_the_derivative_of_one_head_against_its_formula():
    """delta A / delta mu (mu, y)(x) = e^{s(y, x)} (V x - A(mu, y)) / Z(mu, y)."""
    rng = np.random.default_rng(4)
    Q, K, V = rng.normal(size=(3, 2, 2))
    mu, x = random_measure(rng, 5, 2), rng.normal(size=2)
    A = layer_map(Softmax(1.0, Q, K, V), residual=False)
    y = mu.points
    Z = np.exp((y @ Q.T) @ (y @ K.T).T) @ mu.weights
    moved = np.exp((y @ Q.T) @ (K @ x))[:, None] * (V @ x - A(mu, y)) / Z[:, None]
    image = A(mu, y)
    gradient = np.stack([np.cos(image[:, 0]) * image[:, 1], np.sin(image[:, 0])], 1)  # of sin(u) v
    found = derivative(A, Empirical(jnp.asarray(y), jnp.asarray(mu.weights)), jnp.asarray(x), lambda z: jnp.sin(z[:, 0]) * z[:, 1])
    assert float(found.moved) == pytest.approx(float(mu.weights @ (gradient * moved).sum(1)), rel=1e-11)


@pytest.mark.parametrize("name", sorted(SCHEMES))
def test_layers_of_practice_with_probes(name):
    rng = np.random.default_rng(5)
    mu, x = Empirical(normalize(rng.normal(size=(6, 3))), rng.uniform(0.1, 1, 6)), normalize(rng.normal(size=(2, 3)))
    law, scheme = Softmax(2.0), SCHEMES[name]()
    G = scheme_map(law, scheme, 4)
    np.testing.assert_allclose(G.push(mu).points, run_layers(law, scheme, mu, 4)[-1], atol=1e-14)
    heavier = Empirical(np.concatenate([mu.points, x]), np.append(mu.weights, [1e-13, 1e-13]))
    np.testing.assert_allclose(G(mu, x), run_layers(law, scheme, heavier, 4)[-1][6:], atol=1e-10)


def test_a_flow_is_one_and_takes_jax_arrays():
    field = ParticleField(Softmax(1.0))
    rng = np.random.default_rng(6)
    mu, x = Empirical(normalize(rng.normal(size=(5, 3)))), normalize(rng.normal(size=(2, 3)))
    exact, fixed = flow_map(field, 1.0), flow_map(field, 1.0, steps=40)
    np.testing.assert_allclose(fixed(mu, x), exact(mu, x), atol=1e-8)
    coarse = flow_map(field, 1.0, steps=2)
    inside = jax.jit(lambda p: coarse(Empirical(p), jnp.asarray(x)))(jnp.asarray(mu.points))
    np.testing.assert_allclose(inside, coarse(mu, x), atol=1e-13)
    with pytest.raises(InputError, match="steps must be at least 1"):
        flow_map(field, 1.0, steps=0)
    with pytest.raises(InputError, match="one row for each"):
        InContextMap(lambda mu, x: x[:1])(mu, x)
