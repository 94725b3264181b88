"""The compiler against its algebra, ReLU gates, regression, velocities that are matched, and training."""

import jax
import numpy as np
import pytest
from hypothesis import given, settings

from incontext_samples import centred, random_measure
from measureformer import Empirical
from measureformer.errors import InputError
from measureformer.fields import Neurons, ParticleField, Softmax, Unnormalised
from measureformer.geometry import Euclidean
from measureformer.incontext import (
    InContextMap,
    MeasureMap,
    OneHead,
    Products,
    Thermodynamic,
    attention_constants,
    by_length,
    compile_products,
    errors_of,
    fit_network,
    fit_products,
    flow_map,
    gate_error,
    kernels,
    labelled_by,
    largest_factor,
    layer_map,
    match_velocity,
    random_products,
    residual_network,
)
from measureformer.incontext.compiler import relu_product, relu_square
from strategies import seeds


def products(rng, d=2, k=2, count=5):
    features = random_products(rng, count, d, k, factors=3, scale=0.7)
    return Products(rng.normal(size=(count, k)), features.factors)


@settings(max_examples=6)
@given(seed=seeds())
def test_the_compiler_against_the_algebra(seed):
    rng = np.random.default_rng(seed)
    algebra = products(rng)
    network = compile_products(algebra, 2)
    mu, x = random_measure(rng, 5, 2), rng.uniform(-1, 1, size=(3, 2))
    size = 1 + abs(algebra.alpha[:, None] * algebra.terms(mu, x)).sum(0).max()
    np.testing.assert_allclose(network.as_map()(mu, x), algebra.as_map()(mu, x), rtol=0, atol=1e-13 * size)
    assert (network.width, network.heads, network.depth) == (2 + 3 * 2, 2, algebra.depth)


def test_the_algebra_against_loops():
    rng = np.random.default_rng(0)
    algebra, mu, x = products(rng, count=3), random_measure(rng, 4, 2), rng.normal(size=2)
    expected = np.zeros(2)
    for i, product in enumerate(algebra.factors):
        for j in range(2):
            value = algebra.alpha[i, j]
            for g in product:
                u, w = g.a[j] @ x + g.b[j], mu.points @ g.a[j] + g.b[j]
                e = mu.weights * np.exp(g.c[j] * u * w)
                value *= u + g.v[j] * (e @ w) / e.sum()
            expected[j] += value
    np.testing.assert_allclose(algebra.as_map()(mu, x[None])[0], expected, rtol=1e-12)


def test_relu_gates_err_as_promised():
    x = np.linspace(-1, 1, 4001)
    for levels in (1, 3, 6):
        worst = abs(relu_square(x, levels) - x**2).max()
        assert 0.5 * 4.0 ** (-levels - 1) <= worst <= 4.0 ** (-levels - 1) * (1 + 1e-12)
        u, v = np.meshgrid(3 * x[::40], 3 * x[::40])
        assert abs(relu_product(u, v, levels, 3.0) - u * v).max() <= gate_error(levels, 3.0) * (1 + 1e-12)
    rng = np.random.default_rng(1)
    algebra, mu, z = products(rng), random_measure(rng, 5, 2), rng.uniform(-1, 1, size=(3, 2))
    bound = max(largest_factor(algebra, mu, z), largest_factor(algebra, mu, mu.points)) + 1
    off = [abs(compile_products(algebra, 2, squarings=m, bound=bound).as_map()(mu, z) - algebra.as_map()(mu, z)).max() for m in (4, 8, 14)]
    assert off[0] > 10 * off[1] > 100 * off[2] and off[2] < 1e-5
    with pytest.raises(InputError, match="bound"):
        compile_products(algebra, 2, squarings=3)
    with pytest.raises(InputError, match="one row for each"):
        Products(np.zeros((2, 1)), ())


def labelled(G, rng, count, d, sizes=(1, 16)):
    data = []
    for _ in range(count):
        mu = random_measure(rng, int(rng.integers(*sizes)), d)
        x = np.concatenate([mu.points[[0, -1]], rng.uniform(-0.7, 0.7, size=(4, d))])
        data.append((mu, x, G(mu, x)))
    return data


def test_regression_on_products_improves_with_their_number():
    """An in-context map that is no product: a smooth interaction for some time."""
    rng = np.random.default_rng(2)
    kernel = kernels.Interaction(lambda z, y: np.exp(-4 * (z - y) ** 2) * (y - z))
    G = flow_map(ParticleField(kernel, Euclidean()), 1.0, steps=4)
    train, test = labelled(G, rng, 50, 1), labelled(G, rng, 20, 1)
    features = random_products(rng, 60, 1, 1)
    found = [fit_products(Products(features.alpha[:m], features.factors[:m]), train) for m in (5, 60)]
    few, many = (errors_of(p.as_map(), test) for p in found)
    spread = float(np.std(np.concatenate([y for *_, y in test])))
    assert many.rms < 0.7 * few.rms and many.rms < 0.15 * spread  # dense, but slow
    mu, x, _ = test[0]
    np.testing.assert_allclose(compile_products(found[1], 1).as_map()(mu, x), found[1].as_map()(mu, x), atol=1e-7)
    with pytest.raises(InputError, match="data is empty"):
        fit_products(features, [])


def test_a_black_box_is_labelled_and_fitted():
    """Sums of products fitted to the centred map, seen from outside only: they contain it up to the constant 0."""
    rng = np.random.default_rng(8)
    questions = [(random_measure(rng, int(rng.integers(2, 9)), 1), rng.uniform(-0.7, 0.7, size=(4, 1))) for _ in range(20)]
    data = labelled_by(MeasureMap(centred), questions)
    assert max(abs(y - (x - mu.mean())).max() for mu, x, y in data) < 1e-8
    head, still = OneHead(np.ones((1, 1)), *np.zeros((2, 1)), -np.ones(1)), OneHead(np.ones((1, 1)), *np.zeros((3, 1)))
    found = fit_products(Products(np.zeros((2, 1)), ((head,), (still,))), data)
    np.testing.assert_allclose(found.alpha, [[1], [0]], atol=1e-6)
    with pytest.raises(InputError, match="not found again"):
        labelled_by(MeasureMap(lambda x, a: (np.repeat(x, 2, 0) + [[0.1], [-0.1]] * len(x), np.repeat(a, 2) / 2)), questions)


def test_velocities_in_the_list_are_matched_exactly():
    """Consensus is attention to the mean and a linear field: no error of the velocity, and the certificate of the depth holds."""
    rng = np.random.default_rng(3)
    eye = np.eye(2)
    neurons = Neurons(np.concatenate([eye, -eye], 1), np.concatenate([eye, -eye]), np.zeros(4))  # x, by ReLU
    heads = [Softmax(0.0), Softmax(1.0, eye, eye), neurons]
    target = ParticleField(kernels.Consensus(0.4), Euclidean())
    data = [(mu := random_measure(rng, 5, 2), np.concatenate([mu.points, rng.normal(size=(3, 2))])) for _ in range(12)]
    found = match_velocity(target, heads, data)
    assert found.delta < 1e-9 and found.rms <= found.delta
    exact, mu = flow_map(target, 1.0), data[0][0]
    constants = attention_constants(0 * eye, 0.4 * eye) + attention_constants(0 * eye, 0 * eye)
    constants = type(constants)(0.4, constants.in_mu, 0.8)  # -0.4 x and 0.4 m on the unit ball
    for L in (8, 32):
        layers = residual_network(found.field, 1.0, L)
        assert np.linalg.norm(layers(mu, mu.points) - exact(mu, mu.points), axis=1).max() <= found.certificate(constants, 1.0, L)
    wrong = match_velocity(ParticleField(kernels.Interaction(lambda z, y: np.sin(3 * (y - z))), Euclidean()), heads, data)
    assert wrong.delta > 1e-3
    with pytest.raises(InputError, match="at least 3"):
        match_velocity(target, heads, data[:2])


def test_ridge_regression_in_context_is_continuous_in_the_measure():
    """Lambda(mu, x) = <x, (int u u^T + kappa)^-1 int u v> reads the same from a context and from its copies."""
    rng = np.random.default_rng(4)

    def predict(mu, z):
        u, v = mu.points[:, :2], mu.points[:, 2:]
        w = np.linalg.solve((u.T * mu.weights) @ u + 0.1 * np.eye(2), (u.T * mu.weights) @ v)
        return z[:, :2] @ w

    G, X = InContextMap(predict, "ridge"), rng.normal(size=(6, 3))
    np.testing.assert_allclose(G(Empirical(X), X), G(Empirical(np.tile(X, (3, 1))), X), atol=1e-12)


def test_training_and_other_lengths():
    """A small network learns the mean of the context from up to 6 tokens, and knows it for 200."""
    rng = np.random.default_rng(5)
    G = InContextMap(lambda mu, x: x + 0.5 * mu.mean(), "half the mean")
    train = labelled(G, rng, 24, 1, sizes=(1, 7))
    found = fit_network(train, jax.random.key(0), layers=1, heads=1, neurons=4, steps=150, rate=0.03)
    assert found.losses[-1] < 0.1 * found.losses[0]
    table = by_length(found.as_map(), G, lambda n: random_measure(rng, n, 1), rng.uniform(-0.5, 0.5, size=(5, 1)), (4, 200), repeats=5)
    assert sorted(table) == [4, 200]
    assert table[200].rms < 3 * table[4].rms + 0.02 and table[200].rms < 0.1
    with pytest.raises(InputError, match="same dimension"):
        fit_network([(train[0][0], train[0][1], np.zeros((len(train[0][1]), 2)))], jax.random.key(0))


@pytest.mark.slow
def test_a_trained_network_from_one_token_to_thousands():
    """Attention learned on at most 16 tokens of unequal masses; the error does not grow with the context."""
    rng = np.random.default_rng(7)
    G = layer_map(Softmax(1.0, 0.8 * np.eye(2), None, np.array([[0.4, 0.5], [-0.5, 0.4]])))
    train = labelled(G, rng, 150, 2, sizes=(1, 17))
    found = fit_network(train, jax.random.key(1), layers=1, heads=2, neurons=8, steps=1500, rate=0.01)
    assert found.losses[-1] < 1e-3 * found.losses[0]
    queries, lengths = rng.uniform(-0.6, 0.6, size=(6, 2)), (1, 4, 16, 64, 256, 1024, 4096)
    table = by_length(found.as_map(), G, lambda n: random_measure(rng, n, 2), queries, lengths, repeats=5)
    inside = max(table[n].rms for n in (1, 4, 16))
    assert inside < 0.05 and max(table[n].rms for n in lengths if n > 16) < 1.5 * inside
    assert table[4096].largest < 0.1


def test_unnormalised_kernels_from_softmax_heads():
    """log Z by the rule of Gauss and Legendre over temperatures, against the sum; the error falls geometrically with the nodes."""
    rng = np.random.default_rng(6)
    Q, K, V = 0.8 * rng.normal(size=(3, 2, 2))
    mu, x = random_measure(rng, 6, 2), rng.uniform(-0.7, 0.7, size=(4, 2))
    e = mu.weights * np.exp(1.3 * (x @ Q.T) @ (mu.points @ K.T).T)
    errors = []
    for nodes in (1, 2, 4, 8):
        law = Thermodynamic(1.3, Q, K, V, nodes=nodes)
        errors.append(abs(layer_map(law, residual=False)(mu, x) - e @ (mu.points @ V.T)).max())
        assert abs(law.log_normaliser(x, mu.points, mu.weights) - np.log(e.sum(1))).max() <= errors[-1] * 100 + 1e-14
    assert errors[0] > 10 * errors[1] > 1e3 * errors[2] and errors[3] < 1e-11
    # a mask: the mass that is seen is a factor, as for the law without a normaliser
    seen = rng.uniform(size=(4, 6)) < 0.6
    expected = Unnormalised(1.3, Q, K, V)(x, mu.points, mu.weights, 0.0, seen)
    np.testing.assert_allclose(Thermodynamic(1.3, Q, K, V, nodes=8)(x, mu.points, mu.weights, 0.0, seen), expected, atol=1e-12)
    # as a velocity
    exact, rule = (
        flow_map(ParticleField(law, Euclidean()), 0.5, steps=20)
        for law in (Unnormalised(1.3, Q, K, 0.3 * V), Thermodynamic(1.3, Q, K, 0.3 * V, nodes=6))
    )
    np.testing.assert_allclose(rule(mu, x), exact(mu, x), atol=1e-10)
    with pytest.raises(InputError, match="nodes"):
        Thermodynamic(nodes=0)
