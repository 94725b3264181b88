"""Group 17: the Gram engine is the dense engine; equivariance. Group 15: the Monte-Carlo table of the phase diagram."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import InputError, TransformerField
from measureformer.diagnostics import energy_gradient, gram_cosines, harmonic_power
from measureformer.dynamics import equiangular, equiangular_rate, gram_flow, gram_layer, gram_layers, gram_rate, sample_gram
from measureformer.fields import attention
from measureformer.flows import integrate_ode
from measureformer.geometry import normalize

SEEDS = st.integers(0, 10**6)


def tokens(seed, n=7, d=3):
    rng = np.random.default_rng(seed)
    return normalize(rng.normal(size=(n, d))), rng.dirichlet(np.ones(n))


@settings(max_examples=10)
@given(SEEDS, st.sampled_from([1.0, -1.0]), st.floats(-2, 9))
def test_group_17_layers_against_tokens(seed, sign, beta):
    x, w = tokens(seed)
    grams = gram_layers(x @ x.T, beta, 0.1, 20, w, sign=sign)
    for _ in range(20):
        x = normalize(x + sign * 0.1 * attention(x, x, w, beta * np.eye(3)))
    np.testing.assert_allclose(grams, x @ x.T, atol=1e-11)


@pytest.mark.parametrize("law", ["softmax", "unnormalised", "peak"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_group_17_flow_against_tokens(law, sign):
    (x, w), beta = tokens(1), 3.0
    field = TransformerField(V=np.eye(3), B=beta * np.eye(3))

    def velocity(y):
        y = normalize(y)
        return sign * (
            field(y, y, w) if law == "softmax" else energy_gradient(y, beta, w) * (1 if law == "unnormalised" else np.exp(-beta))
        )

    y = normalize(integrate_ode(velocity, x, 0.9).value)
    np.testing.assert_allclose(gram_flow(x @ x.T, beta, 0.9, w, law=law, sign=sign), y @ y.T, atol=1e-9)
    np.testing.assert_allclose(gram_rate(x @ x.T, beta, w, law=law, sign=sign), velocity(x) @ x.T + x @ velocity(x).T, atol=1e-11)


@settings(max_examples=10)
@given(SEEDS)
def test_group_17_permutations_and_rotations(seed):
    (x, _), rng = tokens(seed), np.random.default_rng(seed)
    order, Q = rng.permutation(7), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    G = gram_layer(x @ x.T, 2.0, 0.3)
    y = (x @ Q)[order]
    np.testing.assert_allclose(gram_layer(y @ y.T, 2.0, 0.3), G[np.ix_(order, order)], atol=1e-14)


@pytest.mark.parametrize("law", ["softmax", "peak"])
def test_group_16_repelled_tokens_reach_the_simplex(law):
    """Five tokens of R^4: all inner products -> -1/4, at the rate of 4.1."""
    n, beta = 5, 1.0
    start = sample_gram(np.random.default_rng(16), n, 4)
    ends = [gram_flow(start, beta, t, law=law, sign=-1.0)[np.triu_indices(n, 1)] for t in (50.0, 54.0)]
    np.testing.assert_allclose(ends[1], -1 / 4, atol=1e-5 if law == "softmax" else 1e-2)
    if law == "softmax":
        rate = 2 * n * np.exp(-beta / (n - 1)) / (np.exp(beta) + (n - 1) * np.exp(-beta / (n - 1)))
        assert equiangular_rate(-1 / 4 + 1e-7, beta, n, sign=-1.0) / 1e-7 == pytest.approx(-rate, rel=1e-5)
        # other perturbations of the simplex are slower than the equiangular one
        assert 0 < np.log(abs(ends[0] + 1 / 4).max() / abs(ends[1] + 1 / 4).max()) / 4 < rate


def test_group_17_batches_and_equiangular_tokens():
    n = 6
    start = np.stack([(1 - rho) * np.eye(n) + rho for rho in (0.0, 0.4)])
    end = gram_flow(start, 4.0, 2.0)
    for G, rho in zip(end, (0.0, 0.4), strict=True):
        np.testing.assert_allclose(G[np.triu_indices(n, 1)], equiangular(2.0, 4.0, n, start=rho), atol=1e-10)
    seen = []
    gram_layers(start, 4.0, 0.1, 3, observe=lambda k, G: seen.append((k, G.shape)))
    assert seen == [(k, (2, 6, 6)) for k in range(4)]
    with pytest.raises(InputError, match="law='peak'"):
        gram_layer(start, 2000.0, 0.1, law="unnormalised")
    with pytest.raises(InputError, match="at least 1"):
        sample_gram(np.random.default_rng(0), 0, 3)


@pytest.mark.parametrize("d", [2, 3, 5, 40])
def test_sampled_grams_have_the_law_of_uniform_tokens(d):
    """<x, y>^2 has mean 1/d and the triangle <x,y><y,z><z,x> mean 1/d^2; rank min(n, d)."""
    G = sample_gram(np.random.default_rng(d), 4, d, (20000,))
    pairs = G[:, 0, 1]
    for values, mean in [(pairs, 0), (pairs**2, 1 / d), (G[:, 2, 3] ** 2, 1 / d), (pairs**4, 3 / (d * (d + 2)))]:
        assert abs(values.mean() - mean) < 4 * values.std() / np.sqrt(20000)
    triangle = G[:, 0, 1] * G[:, 1, 2] * G[:, 2, 0]
    assert abs(triangle.mean() - 1 / d**2) < 4 * triangle.std() / np.sqrt(20000)
    assert (np.linalg.matrix_rank(G[:5], tol=1e-8) == min(4, d)).all()
    assert (np.diagonal(G, axis1=1, axis2=2) == 1).all()


def test_uniform_tokens_have_power_one_over_n():
    x = normalize(np.random.default_rng(0).normal(size=(4000, 5, 3)))
    power = harmonic_power(x, 3)[:, 1:]
    assert np.all(abs(power.mean(0) - 1 / 5) < 4 * power.std(0) / np.sqrt(4000))


def fraction(d, beta, samples, times, *, eta=0.1, seed=0):
    """Share of pairs with cosine above 0.999 at given times, and its standard error, for n = 32."""
    found = []
    counts = [round(t / eta) for t in times]

    def observe(k, G):
        if k in counts:
            found.append(gram_cosines(G, 1e-3, quantiles=()).close)

    start = sample_gram(np.random.default_rng(seed), 32, d, (samples,))
    gram_layers(start, beta, eta, max(counts), observe=observe)
    shares = np.array(found)
    return shares.mean(1), shares.std(1, ddof=1) / np.sqrt(samples)


# (d, beta): at t = 5, 10, 20, 30 with 1024 samples
TABLE = {
    (2, 1.0): [0.119, 0.809, 0.991, 0.999],
    (2, 2.0): [0.175, 0.574, 0.719, 0.803],
    (2, 4.0): [0.200, 0.441, 0.500, 0.521],
    (2, 9.0): [0.187, 0.304, 0.334, 0.350],
    (8, 2.0): [0.023, 0.997, 1.0, 1.0],
    (8, 4.0): [0.019, 0.558, 0.765, 0.825],
    (8, 6.0): [0.018, 0.243, 0.390, 0.451],
    (8, 9.0): [0.012, 0.080, 0.159, 0.196],
}
# d: at beta = 6.7, 6.8, 6.9, 7.0 and t = 30 with 64 samples
FRONT = {128: [0.989, 0.982, 0.874, 0.725], 1024: [1, 0.784, 0.006, 0], 4096: [1, 0.302, 0, 0]}


def test_group_15_one_row_of_the_table():
    share, error = fraction(8, 4.0, 64, [5.0, 10.0, 20.0, 30.0])
    assert np.all(abs(share - TABLE[8, 4.0]) < 3 * np.hypot(error, 0.007) + 5e-4)


@pytest.mark.slow
@pytest.mark.parametrize(("d", "beta"), list(TABLE))
def test_group_15_table(d, beta):
    share, error = fraction(d, beta, 512, [5.0, 10.0, 20.0, 30.0], seed=1)
    printed_error = error / np.sqrt(2)
    assert np.all(abs(share - TABLE[d, beta]) < 3 * np.maximum(np.hypot(error, printed_error), 1e-3) + 5e-4)


@pytest.mark.slow
@pytest.mark.parametrize("d", list(FRONT))
def test_group_15_front(d):
    for beta, printed in zip((6.7, 6.8, 6.9, 7.0), FRONT[d], strict=True):
        share, error = fraction(d, beta, 64, [30.0], seed=2)
        assert abs(share[0] - printed) < 3 * np.sqrt(2) * max(error[0], 0.004) + 6e-4
