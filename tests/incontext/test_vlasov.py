"""Vlasov flows: closed forms, semigroup, inverse, the estimate of Dobrushin, and layers against the flow."""

import numpy as np
import pytest

from measureformer import Empirical
from measureformer.dynamics import pair_cosine
from measureformer.errors import InputError
from measureformer.fields import Neurons, ParticleField, Scaled, Softmax
from measureformer.geometry import Euclidean, Sphere
from measureformer.incontext import (
    UnitSphere,
    attention_constants,
    closed,
    depth_error,
    depth_study,
    derivative,
    dobrushin,
    flow_constants,
    flow_map,
    kernels,
    layer_map,
    measure_map,
    observed_constants,
    random_network,
    recover,
    residual_network,
    sampling_error,
    velocity_error,
)
from measureformer.incontext.euclidean import w1

R = Euclidean()


def clouds(seed, n=5, d=2, q=3):
    rng = np.random.default_rng(seed)
    return Empirical(rng.normal(size=(n, d)), rng.uniform(0.2, 1, n)), rng.normal(size=(q, d))


def same(G, H, mu, x, tolerance):
    np.testing.assert_allclose(G(mu, x), H(mu, x), rtol=0, atol=tolerance)


def test_closed_forms_of_moments():
    V = np.array([[0.3, -0.5], [0.2, 0.1]])
    mu, x = clouds(0)
    still = Softmax(1.0, np.zeros((1, 2)), np.zeros((1, 2)), V)
    same(flow_map(ParticleField(still, R), 1.3), closed.mean_flow(V, 1.3), mu, x, 1e-9)
    same(flow_map(ParticleField(kernels.Consensus(0.7), R), 1.3), closed.consensus_flow(0.7, 1.3), mu, x, 1e-9)
    mu, x = clouds(1, d=4)
    spring = kernels.Interaction(lambda z, y: -4.0 * (z - y)[..., :2])
    same(flow_map(ParticleField(kernels.PhaseSpace(spring), R), 0.8), closed.harmonic_flow(2.0, 0.8), mu, x, 1e-9)
    align = kernels.Interaction(lambda z, y: 1.5 * (y - z)[..., 2:])
    same(flow_map(ParticleField(kernels.PhaseSpace(align), R), 0.8), closed.alignment_flow(1.5, 0.8), mu, x, 1e-9)


def test_a_normal_law_under_attention():
    """40 Hermite nodes stay Hermite nodes; Runge-Kutta with h = 1/40."""
    v, b, mean, variance, t = 0.5, 0.4, 0.3, 0.6, 1.0
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)
    mu = Empirical(mean + np.sqrt(variance) * nodes[:, None], weights)
    field = ParticleField(Softmax(b, None, None, np.array([[v]])), R)
    exact, x = closed.gaussian_flow(v, b, mean, variance, t), np.linspace(-2, 2, 9)[:, None]
    same(flow_map(field, t, steps=40), exact, mu, x, 1e-7)
    study = depth_study(lambda L: residual_network(field, t, L), exact, [mu], x)
    assert study.order == pytest.approx(1, abs=0.05) and study.measure_order == pytest.approx(1, abs=0.05)
    assert study.extrapolated_order == pytest.approx(2, abs=0.1)
    with pytest.raises(InputError, match="blow-up"):
        closed.gaussian_flow(1.0, 1.0, 0.0, 1.0, 0.6)


def test_a_symmetric_pair_and_the_circle():
    v, b, u = 0.7, 1.3, 0.6
    mu = Empirical(np.array([[u], [-u]]))
    speed = ParticleField(Softmax(b, None, None, np.array([[v]])), R)(mu.points, mu.points, mu.weights)
    np.testing.assert_allclose(speed[:, 0], [closed.symmetric_pair_rate(u, v, b), -closed.symmetric_pair_rate(u, v, b)], atol=1e-14)
    r, t, n = 0.5, 1.0, 1200
    shrink = (1 - r) / (1 + r)
    theta = 2 * np.arctan(shrink * np.tan(np.pi * ((np.arange(n) + 0.5) / n - 0.5)))  # equal masses of the Poisson kernel
    mu = Empirical(np.stack([np.cos(theta), np.sin(theta)], 1))
    assert mu.mean() == pytest.approx([r, 0], abs=1e-12)
    x = np.stack([np.cos(theta[::100]), np.sin(theta[::100])], 1)
    same(flow_map(ParticleField(Softmax(0.0), Sphere()), t), closed.poisson_flow(r, t), mu, x, 1e-9)


def test_two_tokens_on_the_sphere():
    """c' = 2 e^{beta c} (1 - c^2) / (e^beta + e^{beta c}); without scores on the circle tan(angle/2) falls like e^{-t}."""
    for beta in (0.0, 2.0):
        start = np.array([[np.cos(0.9), np.sin(0.9), 0.0], [np.cos(0.9), -np.sin(0.9), 0.0]])
        end = flow_map(ParticleField(Softmax(beta)), 0.8).push(Empirical(start)).points
        assert end[0] @ end[1] == pytest.approx(float(pair_cosine(0.8, beta, start=start[0] @ start[1])), abs=1e-9)
        speed = ParticleField(Softmax(beta))(start, start, np.full(2, 0.5))
        c = start[0] @ start[1]
        rate = 2 * np.exp(beta * c) * (1 - c**2) / (np.exp(beta) + np.exp(beta * c))
        assert speed[0] @ start[1] + start[0] @ speed[1] == pytest.approx(rate, rel=1e-12)
    half = np.array([0.9])
    end = flow_map(ParticleField(Softmax(0.0)), 0.8).push(Empirical(start[:, :2])).points
    assert np.arctan2(end[0, 1], end[0, 0]) == pytest.approx(float(np.arctan(np.tan(half[0]) * np.exp(-0.8))), abs=1e-9)


def test_atoms_stay_apart_and_layers_follow_weights_in_time():
    """|X(x) - X(y)| >= e^{-Lambda_x T} |x - y|; theta_l = theta(l T/L) has order 1."""
    B, V, T = 0.6 * np.eye(2), np.array([[0.2, 0.3], [-0.3, 0.1]]), 0.7
    rng = np.random.default_rng(9)
    x = 0.9 * UnitSphere(2).sample(rng, 6) * rng.uniform(size=(6, 1)) ** 0.5
    known, X = attention_constants(B, V, radius=1.4), flow_map(ParticleField(Softmax(1.0, B, None, V), R), T, steps=10)
    apart = [np.linalg.norm(y[:, None] - y[None], axis=2)[np.triu_indices(6, 1)] for y in (x, X.push(Empirical(x)).points)]
    assert np.linalg.norm(X.push(Empirical(x)).points, axis=1).max() < 1.4
    assert (apart[1] >= np.exp(-known.in_x * T) * apart[0]).all() and (apart[1] <= np.exp(known.in_x * T) * apart[0]).all()
    turning = ParticleField(Softmax(0.8, None, None, lambda t: np.array([[np.cos(3 * t), 0.5], [-0.5, np.sin(2 * t)]])), R)
    mu, probes = clouds(9)
    study = depth_study(lambda L: residual_network(turning, 1.0, L), flow_map(turning, 1.0, steps=200), [mu], probes, (32, 64, 128))
    assert study.order == pytest.approx(1, abs=0.08) and study.extrapolated_order == pytest.approx(2, abs=0.15)


def test_semigroup_inverse_and_time():
    mu, x = clouds(2)
    field = ParticleField(Softmax(0.5, None, None, 0.3 * np.eye(2)), R)
    whole = flow_map(field, 1.0)
    same(flow_map(field, 0.4) >> flow_map(field, 0.6), whole, mu, x, 1e-8)
    same(whole >> flow_map(field, -1.0), flow_map(field, 0.0), mu, x, 1e-8)
    turning = ParticleField(Scaled(Softmax(0.5), lambda t: np.cos(3 * t)), R)
    same(flow_map(turning, 0.4) >> flow_map(turning, 0.6, start=0.4), flow_map(turning, 1.0), mu, x, 1e-7)
    same(flow_map(turning, 1.0, steps=200), flow_map(turning, 1.0), mu, x, 1e-7)


def test_motsch_tadmor_is_one_head():
    """On tokens (x, w, |x|^2, 1) with s = (<x, y> - |y|^2/2) / sigma^2, against the sum as it is written."""
    mu, _ = clouds(3, d=4)
    sigma, x, w = 0.8, mu.points[:, :2], mu.points[:, 2:]
    phi = np.exp(-((x[:, None] - x[None]) ** 2).sum(2) / (2 * sigma**2)) * mu.weights
    direct = (phi[:, :, None] * (w[None] - w[:, None])).sum(1) / phi.sum(1, keepdims=True)
    tokens = np.concatenate([x, w, (x**2).sum(1, keepdims=True), np.ones((5, 1))], 1)
    rows = np.eye(6)
    Q, K = rows[[0, 1, 5]] / sigma, np.stack([rows[0], rows[1], -0.5 * rows[4]]) / sigma
    head = layer_map(Softmax(1.0, Q, K, rows[2:4]), residual=False)
    np.testing.assert_allclose(head.push(Empirical(tokens, mu.weights)).points - w, direct, atol=1e-12)
    law = kernels.MotschTadmor(sigma)
    np.testing.assert_allclose(law(mu.points, mu.points, mu.weights), direct, atol=1e-12)


def test_estimates_hold():
    """Attention, its flow, Dobrushin, a wrong velocity: what is observed lies below what is promised."""
    rng = np.random.default_rng(4)
    B, V, T = 0.6 * np.eye(2), np.array([[0.2, 0.3], [-0.3, 0.1]]), 0.5
    law = Softmax(1.0, B, None, V)
    known = attention_constants(B, V, radius=1.3)
    pairs = []
    for _ in range(8):
        x, y = rng.uniform(-0.6, 0.6, size=(2, 4, 2))
        a, b = rng.dirichlet(np.ones(4), 2)
        pairs.append((Empirical(x, a), Empirical(y, b), x, y, w1(x, a, y, b)))
    seen = observed_constants(layer_map(law, residual=False), pairs)
    assert 0.02 < seen.in_x / known.in_x <= 1 and 0.02 < seen.in_mu / known.in_mu <= 1 and seen.size <= known.size
    X, promised = flow_map(ParticleField(law, R), T, steps=20), flow_constants(known, T)
    moved = observed_constants(X, pairs)
    assert moved.in_x <= promised.in_x and moved.in_mu <= promised.in_mu
    for mu, nu, *_, distance in pairs:
        f, g = X.push(mu), X.push(nu)
        assert w1(f.points, f.weights, g.points, g.weights) <= dobrushin(known, T) * distance
    wrong = flow_map(ParticleField(Softmax(1.0, B, None, 1.1 * V), R), T, steps=20)
    delta = 0.1 * known.size
    assert 0 < max(np.linalg.norm(wrong(mu, x) - X(mu, x), axis=1).max() for mu, _, x, *_ in pairs) <= velocity_error(delta, known, T)
    study = depth_study(lambda L: residual_network(ParticleField(law, R), T, L), X, [p[0] for p in pairs], pairs[0][2], (8, 16))
    assert (study.errors <= [depth_error(known, T, L) for L in (8, 16)]).all()


def test_splittings():
    """Alternating layers: order 1; Strang: 2."""
    attention = ParticleField(Softmax(0.8, None, None, np.array([[0.2, 0.6], [-0.6, 0.1]])), R)
    smooth = ParticleField(kernels.Interaction(lambda z, y: np.sin(z[..., ::-1]) + 0 * y), R)
    both = ParticleField(lambda x, y, w, t, seen: attention.law(x, y, w, t) + smooth.law(x, y, w, t), R)
    (mu, x), T = clouds(6), 1.0
    exact = flow_map(both, T, rtol=1e-12, atol=1e-13)
    for splitting, order in (("sum", 1), ("alternate", 1), ("strang", 2)):
        study = depth_study(lambda L, s=splitting: residual_network([attention, smooth], T, L, splitting=s), exact, [mu], x, (32, 64, 128))
        assert study.order == pytest.approx(order, abs=0.08), splitting
    with pytest.raises(InputError, match="splitting"):
        residual_network(attention, T, 4, splitting="lie")


@pytest.mark.slow
def test_independent_random_layers_have_order_one_half():
    rng, (mu, x), T = np.random.default_rng(5), clouds(6), 1.0
    V = np.array([[0.2, 0.6], [-0.6, 0.1]])

    def draw(rng):
        return ParticleField(Softmax(0.8, None, None, V + 0.5 * rng.normal(size=(2, 2))), R)

    depths, limit = (16, 64, 256), flow_map(ParticleField(Softmax(0.8, None, None, V), R), T)
    errors = [np.sqrt(np.mean([np.square(random_network(draw, T, L, rng)(mu, x) - limit(mu, x)).sum() for _ in range(24)])) for L in depths]
    slope = np.log(errors[0] / errors[-1]) / np.log(depths[-1] / depths[0])
    assert 0.35 < slope < 0.65


def test_the_regular_part_of_a_flow_is_its_probe():
    mu, x = clouds(7)
    X = flow_map(ParticleField(Softmax(0.5, None, None, 0.3 * np.eye(2)), R), 1.0, steps=20)
    np.testing.assert_allclose(recover(measure_map(X), mu, x).values, X(mu, x), atol=1e-8)
    perceptron = Neurons(np.eye(2), np.eye(2), np.zeros(2))
    found = derivative(layer_map(perceptron), mu, x[0], lambda y: y[:, 0])
    assert float(found.moved) == pytest.approx(0, abs=1e-12)  # no context, no motion of old mass
    assert float(found.regular) == pytest.approx(x[0, 0] + max(x[0, 0], 0))


def test_finite_contexts_err_like_the_root():
    """Attention of N samples against the law that they come from."""
    rng = np.random.default_rng(8)
    A = layer_map(Softmax(0.5), residual=False)
    x = np.array([[0.7]])
    grid = Empirical(np.linspace(-1, 1, 20_001)[:, None])
    truth = A(grid, x)
    rms = [np.sqrt(np.mean([(A(Empirical(rng.uniform(-1, 1, size=(n, 1))), x) - truth) ** 2 for _ in range(300)])) for n in (25, 400)]
    assert np.log(rms[0] / rms[1]) / np.log(16) == pytest.approx(0.5, abs=0.08)
    for n, seen in zip((25, 400), rms, strict=True):
        assert 0.05 < seen / sampling_error(np.array([[0.5]]), np.eye(1), n) <= 1


@pytest.mark.slow
def test_flows_of_finite_contexts_err_like_the_root():
    """Smooth statistics of mu_T from N samples, against 4000 nodes."""
    rng, field = np.random.default_rng(10), ParticleField(Softmax(0.5, None, None, 0.5 * np.eye(1)), R)
    X = flow_map(field, 1.0, steps=10)

    def statistic(mu):
        return float(mu.weights @ np.sin(2 * X.push(mu).points[:, 0]) + mu.weights @ X.push(mu).points[:, 0] ** 2)

    truth = statistic(Empirical(np.linspace(-1, 1, 4001)[:, None]))
    rms = [np.sqrt(np.mean([(statistic(Empirical(rng.uniform(-1, 1, size=(n, 1)))) - truth) ** 2 for _ in range(200)])) for n in (16, 256)]
    assert np.log(rms[0] / rms[1]) / np.log(16) == pytest.approx(0.5, abs=0.1)
