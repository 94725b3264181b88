"""Every attention law: against loops, as a functional of the measure, and where it has symmetries."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import ConditioningError, InputError
from measureformer import fields as package
from measureformer.fields import (
    L2,
    LAWS,
    Causal,
    Hardmax,
    Linear,
    Mask,
    MultiHead,
    Neurons,
    ParticleField,
    Scaled,
    Sigmoid,
    Sinkhorn,
    Softmax,
    TimeUnit,
    TransformerField,
    Unnormalised,
    attention,
    law_named,
    perceptron,
)
from measureformer.geometry import Euclidean, normalize, tangent
from oracles import laws as loops
from strategies import measures, rotations

SINGLE = {name: law for name, law in LAWS.items() if name != "multi-head"}


def matrices(seed, d=3, k=2):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(k, d)), rng.normal(size=(k, d)), rng.normal(size=(d, d))


def make(name, beta=1.3, **matrices):
    return LAWS[name](**matrices) if name == "hardmax" else LAWS[name](beta=beta, **matrices)


@pytest.mark.parametrize("name", SINGLE)
@settings(max_examples=5)
@given(mu=measures(6, 3), seed=st.integers(0, 10**6))
def test_against_the_loop(name, mu, seed):
    Q, K, V = matrices(seed)
    if name == "sinkhorn":  # one kernel in some thousands needs more rounds than the law or the loop make
        Q = Q / 2
    x = np.concatenate([mu.points[:3], normalize(np.random.default_rng(seed).normal(size=(2, 3)))])
    expected = [getattr(loops, name)(p, mu.points, mu.weights, Q, K, V, 1.3) for p in x]
    law = make(name, Q=Q, K=K, V=V)
    np.testing.assert_allclose(law(x, mu.points, mu.weights), expected, rtol=1e-10, atol=1e-10)
    on_jax = jax.jit(lambda *a: law(*a))(*map(jnp.asarray, (x, mu.points, mu.weights)))
    np.testing.assert_allclose(on_jax, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", SINGLE)
@settings(max_examples=8)
@given(mu=measures(6, 3), R=rotations(3), seed=st.integers(0, 10**6))
def test_group_17_rotations_permutations_and_split_atoms(name, mu, R, seed):
    """Q = K = V = I: equivariance under R; nothing changes when atoms are permuted or cut in two, or when atoms of weight 0 are added."""
    x, y, w = mu.points, mu.points, mu.weights
    law = make(name)
    value = law(x, y, w)
    np.testing.assert_allclose(law(x @ R.T, y @ R.T, w), value @ R.T, atol=1e-9)
    order = np.random.default_rng(seed).permutation(6)
    np.testing.assert_allclose(law(x, y[order], w[order]), value, atol=1e-10)
    halves = np.concatenate([w, w[:2] / 3])
    halves[:2] *= 2 / 3
    np.testing.assert_allclose(law(x, np.concatenate([y, y[:2]]), halves), value, atol=1e-10)
    ghosts = normalize(np.random.default_rng(seed).normal(size=(3, 3)))
    with_ghosts = law(x, np.concatenate([y, ghosts]), np.concatenate([w, np.zeros(3)]))
    np.testing.assert_allclose(with_ghosts, value, atol=1e-10)


@pytest.mark.parametrize("name", SINGLE)
def test_leading_axes_are_batches(name):
    rng = np.random.default_rng(2)
    x, w = normalize(rng.normal(size=(4, 5, 3))), rng.uniform(0.1, 1, size=(4, 5))
    together = make(name)(x, x, w)
    for i in range(4):
        np.testing.assert_allclose(together[i], make(name)(x[i], x[i], w[i]), atol=1e-11)


@pytest.mark.parametrize("name", SINGLE)
def test_group_3_a_mask_is_another_measure_for_each_token(name):
    """Causal: token i sees the measure of the first i + 1 atoms, with the masses that they have in the whole."""
    rng = np.random.default_rng(3)
    x, w = normalize(rng.normal(size=(5, 3))), np.full(5, 0.2)
    law = make(name)
    value = ParticleField(law, Euclidean(), Causal())(x, x, w)
    for i in range(5):
        np.testing.assert_allclose(value[i], law(x[i : i + 1], x[: i + 1], w[: i + 1])[0], atol=1e-10)
    allowed = rng.uniform(size=(5, 5)) < 0.7
    allowed[2] = False
    masked = ParticleField(law, Euclidean(), Mask(allowed))(x, x, w)
    assert not masked[2].any()  # a token that sees nothing stays
    for i in (0, 1, 3, 4):
        np.testing.assert_allclose(masked[i], law(x[i : i + 1], x[allowed[i]], w[allowed[i]])[0] if allowed[i].any() else 0, atol=1e-10)


def test_softmax_is_the_attention_of_the_transformer_field():
    rng = np.random.default_rng(4)
    x, w, (Q, K, V) = normalize(rng.normal(size=(6, 3))), np.full(6, 1 / 6), matrices(4)
    np.testing.assert_allclose(Softmax(0.7, Q, K, V)(x, x, w), attention(x, x, w, 0.7 * K.T @ Q) @ V.T, rtol=1e-13)
    W, U, b = rng.normal(size=(3, 5)), rng.normal(size=(5, 3)), rng.normal(size=5)
    whole = ParticleField(MultiHead((Softmax(0.7, Q, K, V), Neurons(W, U, b))))
    np.testing.assert_allclose(whole(x, x, w), TransformerField(V, 0.7 * K.T @ Q, W, U, b)(x, x, w), atol=1e-13)
    np.testing.assert_allclose(Neurons(W, U, b)(x, x, w), perceptron(x, W, U, b))


def test_heads_with_outputs_and_another_sign():
    rng = np.random.default_rng(5)
    x, w = normalize(rng.normal(size=(6, 4))), np.full(6, 1 / 6)
    Q, K, V, W = (rng.normal(size=(2, *shape)) for shape in ((2, 4), (2, 4), (2, 4), (4, 2)))
    law = MultiHead((Softmax(1.0, Q[0], K[0], V[0]), Sigmoid(1.0, Q[1], K[1], V[1])), (W[0], W[1]))
    by_hand = Softmax(1.0, Q[0], K[0], V[0])(x, x, w) @ W[0].T + Sigmoid(1.0, Q[1], K[1], V[1])(x, x, w) @ W[1].T
    np.testing.assert_allclose(law(x, x, w), by_hand, atol=1e-14)
    np.testing.assert_array_equal(Scaled(law)(x, x, w), -law(x, x, w))
    with pytest.raises(InputError, match=r"outputs has 1 matrices for 2 heads"):
        MultiHead((Softmax(), Softmax()), (W[0],))
    with pytest.raises(InputError, match="V must be square"):
        ParticleField(Softmax(1.0, Q[0], K[0], V[0]))(x, x, w)


def test_parameters_may_be_functions_of_time():
    rng = np.random.default_rng(6)
    x, w, (Q, K, V) = normalize(rng.normal(size=(6, 3))), np.full(6, 1 / 6), matrices(6)
    law = Softmax(1.0, lambda t: (1 + t) * Q, K, lambda t: V / (1 + t))
    np.testing.assert_allclose(law(x, x, w, 2.0), Softmax(3.0, Q, K, V / 3)(x, x, w), rtol=1e-13)
    faster = Scaled(Linear(), lambda t: t**2)
    np.testing.assert_allclose(faster(x, x, w, 3.0), 9 * Linear()(x, x, w), rtol=1e-14)


@pytest.mark.parametrize("name", ["softmax", "l2", "sigmoid"])
def test_beta_700_and_more(name):
    """Scores are shifted: far above the largest exponent of a float the best atom is found."""
    x = normalize(np.array([[1.0, 0.2, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    for beta in (700.0, 5000.0):
        value = make(name, beta)(x, x, np.full(3, 1 / 3))
        assert np.isfinite(value).all()
        if name != "sigmoid":
            np.testing.assert_allclose(value, x, atol=3e-4)


def test_the_unnormalised_law_names_the_way_out_of_an_overflow():
    x, w = np.eye(3), np.full(3, 1 / 3)
    with pytest.raises(InputError, match=r"score is 800.*finite up to 709.*TimeUnit\.PEAK"):
        Unnormalised(800.0)(x, x, w)
    np.testing.assert_allclose(Unnormalised(800.0, time=TimeUnit.PEAK)(x, x, w), x / 3, atol=1e-15)
    with pytest.raises(InputError, match=r"smaller beta"):
        Unnormalised(800.0, time=TimeUnit.PEAK)(2 * x, x, w)


def test_group_18_units_of_time():
    """The three conventions in print are one field, divided by e^beta and by n e^beta."""
    rng = np.random.default_rng(7)
    x, w, beta = normalize(rng.normal(size=(5, 3))), np.full(5, 0.2), 2.5
    plain = Unnormalised(beta)(x, x, w)
    for unit in TimeUnit:
        np.testing.assert_allclose(Unnormalised(beta, time=unit)(x, x, w) * unit.clock(1.0, beta, 5), plain, rtol=1e-13)
    clocks = [unit.clock(2.0, beta, 5) for unit in TimeUnit]
    np.testing.assert_allclose(clocks, [2.0, 2 * np.exp(2.5), 10 * np.exp(2.5)])


def test_g16_sinkhorn_is_doubly_stochastic():
    """With V = I and values the unit vectors of R^m the law returns its own kernel: rows and columns sum to one."""
    rng = np.random.default_rng(8)
    y, w = np.eye(6), rng.uniform(0.2, 1, 6)
    w /= w.sum()
    Q = rng.normal(size=(3, 6)) / 2
    for eps in (1.0, 0.3):
        plan = w[:, None] * Sinkhorn(1.0, Q, Q, eps=eps)(y, y, w) * eps
        np.testing.assert_allclose(plan.sum(1), w, atol=1e-12)
        np.testing.assert_allclose(plan.sum(0), w, atol=1e-12)
        np.testing.assert_allclose(plan, plan.T, atol=1e-11)  # Q = K
    with pytest.raises(ConditioningError, match="larger eps"):
        Sinkhorn(1.0, Q, rng.normal(size=(3, 6)), eps=1e-3, iterations=20)(y, y, w)
    frozen = Sinkhorn(1.0, Q, rng.normal(size=(3, 6)), eps=1e-3, iterations=20)
    assert np.isnan(frozen(*map(jnp.asarray, (y, y, w)))).all()


def test_hardmax_is_the_limit_of_softmax_and_leaves_itself_out():
    rng = np.random.default_rng(9)
    x, w = normalize(rng.normal(size=(7, 3))), np.full(7, 1 / 7)
    gram = x @ x.T - 2 * np.eye(7)
    np.testing.assert_allclose(Hardmax()(x, x, w), x[gram.argmax(1)])
    np.testing.assert_allclose(Hardmax(itself=True)(x, x, w), x)
    np.testing.assert_allclose(Softmax(1e7)(x, x, w), x, atol=1e-6)
    np.testing.assert_allclose(Hardmax()(np.eye(3), np.eye(3), np.array([0.2, 0.3, 0.5]))[0], [0, 3 / 8, 5 / 8])  # a tie
    assert not Hardmax()(x[:1], x[:1], np.ones(1)).any()


@pytest.mark.parametrize(("law", "potential"), [
    (Softmax(1.7), lambda s: np.exp(1.7 * s) / 1.7), (Unnormalised(1.7), lambda s: np.exp(1.7 * s) / 1.7),
    (Linear(1.7), lambda s: 1.7 * s**2 / 2), (Sigmoid(1.7), lambda s: np.log1p(np.exp(1.7 * s)) / 1.7),
])  # fmt: skip
def test_group_1_gradient_structure_of_the_table(law, potential):
    """E = 1/2 iint W(<x, y>): by finite differences the field is its W_2 gradient, for softmax once multiplied by its normaliser."""
    rng = np.random.default_rng(10)
    x, w = normalize(rng.normal(size=(5, 3))), rng.uniform(0.2, 1, 5)
    w /= w.sum()

    def energy(points):
        return (w @ potential(points @ points.T) @ w) / 2

    v = ParticleField(law)(x, x, w)
    if isinstance(law, Softmax):
        v = v * (np.exp(1.7 * x @ x.T) @ w)[:, None]
    for i in range(5):
        for direction in np.eye(3):
            h = np.zeros((5, 3))
            h[i] = 1e-5 * direction
            slope = (energy(x + h) - energy(x - h)) / 2e-5
            along = tangent(x[i], direction)
            # the ambient gradient is w_i times the unprojected field
            assert abs(slope * 1.0 - w[i] * (_ambient(law, x, w)[i] @ direction)) < 1e-8
            assert abs(w[i] * v[i] @ direction - w[i] * _ambient(law, x, w)[i] @ along) < 1e-12


def test_group_1_gradient_structure_of_sinkhorn():
    """Up the energy -1/2 sum_i w_i (f_i + g_i), which is -1/(2 eps) times the entropic cost of mu to itself, the cost being -<x, y>."""
    rng, eps = np.random.default_rng(13), 0.7
    x, w = normalize(rng.normal(size=(5, 3))), rng.uniform(0.2, 1, 5)
    w /= w.sum()

    def energy(points):
        kernel, column = np.exp(points @ points.T / eps), np.ones(5)
        for _ in range(400):
            row = 1 / (kernel @ (w * column))
            column = 1 / (kernel.T @ (w * row))
        return -(w @ (np.log(row) + np.log(column))) / 2

    value = Sinkhorn(eps=eps)(x, x, w)
    for i in range(5):
        for direction in np.eye(3):
            h = np.zeros((5, 3))
            h[i] = 1e-5 * direction
            assert abs((energy(x + h) - energy(x - h)) / 2e-5 - w[i] * value[i] @ direction) < 1e-8


def _ambient(law, x, w):
    value = law(x, x, w)
    return value * (np.exp(1.7 * x @ x.T) @ w)[:, None] if isinstance(law, Softmax) else value


def test_l2_on_the_sphere_is_softmax_of_twice_beta():
    rng = np.random.default_rng(11)
    x, w = normalize(rng.normal(size=(6, 3))), np.full(6, 1 / 6)
    np.testing.assert_allclose(L2(1.5)(x, x, w), Softmax(3.0)(x, x, w), rtol=1e-13)


@pytest.mark.parametrize("name", SINGLE)
def test_many_pairs_go_in_tiles(monkeypatch, name):
    """Two batches of 20 tokens, tiles of 4 by 4, on JAX, against the formula written out, on NumPy: without a mask and with one."""
    rng = np.random.default_rng(12)
    x, w = normalize(rng.normal(size=(2, 20, 3))), rng.uniform(0.1, 1, (2, 20))
    allowed = Mask(rng.uniform(size=(20, 20)) < 0.8)
    fields = [ParticleField(make(name), mask=mask) for mask in (None, allowed if name == "softmax" else Causal())]
    whole = [field(x, x, w) for field in fields]
    monkeypatch.setattr("measureformer.kernels.dense.TILE", 4)
    tiles = jax.jit(lambda x, w: [field(x, x, w) for field in fields])(jnp.asarray(x), jnp.asarray(w))
    np.testing.assert_allclose(tiles, whole, atol=1e-12 if name == "sinkhorn" else 1e-14)
    np.testing.assert_allclose([field(x, x, w) for field in fields], whole, atol=1e-12 if name == "sinkhorn" else 1e-14)


def test_shapes_that_do_not_fit_are_named():
    x, w = np.eye(3), np.full(3, 1 / 3)
    with pytest.raises(InputError, match=r"Q has shape \(2, 2\).*dimension 3.*\(k, 3\)"):
        Softmax(1.0, Q=np.eye(2))(x, x, w)
    with pytest.raises(InputError, match="queries have dimension 2 and keys 3"):
        Softmax(1.0, Q=np.ones((2, 3)))(x, x, w)
    with pytest.raises(InputError, match="about the 3 tokens"):
        ParticleField(Softmax(), mask=Causal())(x[:2], x, w)
    with pytest.raises(InputError, match="mask is for 2 tokens"):
        ParticleField(Softmax(), mask=Mask(np.eye(2, dtype=bool)))(x, x, w)
    with pytest.raises(InputError, match="square matrix of booleans"):
        Mask(np.eye(2))


def test_the_table_knows_every_law():
    """A law in ``fields`` (a class with an ``about``) that is not in the table is forgotten."""
    classes = {c for _, c in inspect.getmembers(package, inspect.isclass) if hasattr(c, "about")}
    assert classes == set(LAWS.values())
    for name, law in LAWS.items():
        about = law.about
        assert about.name == name and law_named(name) is law
        assert all((about.formula, about.gradient, about.gaussian, about.mean_field, about.source))
    with pytest.raises(InputError, match="did you mean 'softmax'"):
        law_named("sofmax")
