"""The Transformer PDE in R^d: explicit solutions and conservation laws (G10, G11, G13, G15, G16), energies and their dissipation (G12)."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import exp1

from measureformer import Empirical, flow
from measureformer.fields import L2, Causal, Linear, ParticleField, Sigmoid, Sinkhorn, Softmax, Unnormalised
from measureformer.flows import Stop
from measureformer.geometry import Euclidean

TIGHT = {"rtol": 1e-13, "atol": 1e-13}


def in_space(law, **mask):
    return ParticleField(law, Euclidean(), **mask)


def cloud(n, d, seed, scale=0.5):
    rng = np.random.default_rng(seed)
    return Empirical(scale * rng.normal(size=(n, d)), rng.uniform(0.5, 1.5, n))


def symmetric(d, seed):
    G = np.random.default_rng(seed).normal(size=(d, d))
    return (G + G.T) / 2


@pytest.mark.parametrize(("law", "blow_up"), [(Unnormalised(1.0), 0.5221413172218691), (Linear(1.0), 2.0)])
def test_g10_a_dirac_mass_blows_up(law, blow_up):
    mu = Empirical(np.array([[0.5]]))
    if isinstance(law, Unnormalised):
        assert exp1(0.25) / 2 == pytest.approx(blow_up, rel=1e-14)
        assert flow(in_space(law), mu, 0.5, **TIGHT).points[0][-1, 0, 0] == pytest.approx(1.4394370390803712, rel=1e-10)
    run = flow(in_space(law), mu, 3.0, saveat=10)
    assert run.stop is Stop.BLOW_UP
    (event,) = run.happenings
    assert event.kind == "blow-up" and event.value == pytest.approx(blow_up, rel=1e-3) and run.times[-1] <= blow_up * (1 + 1e-9)


@pytest.mark.parametrize("law", [Softmax, Unnormalised, Linear, Sigmoid, L2, Sinkhorn])
def test_g11_what_queries_do_not_see_never_changes(law):
    """Q of rank 1: x_i - x_j in ker Q stays as it is."""
    rng = np.random.default_rng(3)
    q = rng.normal(size=(1, 3))
    mu = cloud(6, 3, 4, 0.3)
    x = np.asarray(mu.points).copy()
    kernel = np.linalg.svd(q)[2][1:]
    x[1] = x[0] + kernel[0]
    x[3] = x[0] - 0.5 * kernel[1]
    K, V = rng.normal(size=(1, 3)), rng.normal(size=(3, 3)) / 2
    run = flow(in_space(law(1.0, Q=q, K=K, V=V)), Empirical(x, mu.weights), 0.5, saveat=4)
    path = run.points[0]
    assert run.stop is Stop.HORIZON and abs(path[-1] - path[0]).max() > 1e-3
    for i, j in ((0, 1), (0, 3)):
        assert abs((path[:, i] - path[:, j]) - (x[i] - x[j])).max() < 1e-14


def scores(x, A):
    return (x @ A.T) @ x.T


FUNCTIONALS = {
    "unnormalised": (Unnormalised, lambda s: jnp.exp(s) / 2),
    "softmax": (Softmax, lambda s: jnp.exp(s) / 2),
    "sigmoid": (Sigmoid, lambda s: jnp.logaddexp(0.0, s) / 2),
    "linear": (Linear, lambda s: s**2 / 4),
}


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", FUNCTIONALS)
def test_g12_energies_in_r_d(name, sign):
    """A symmetric, V = A ascends, V = -A descends: dF/dt = +- int |v|^2, weighted with Z for softmax."""
    law, kernel = FUNCTIONALS[name]
    A, mu = symmetric(3, 1), cloud(40, 3, 2)
    x, w = np.asarray(mu.points), np.asarray(mu.weights)
    v = in_space(law(1.0, Q=A, V=sign * A))(x, x, w)
    slope = jax.grad(lambda y: w @ kernel(scores(y, A)) @ w)(jnp.asarray(x))
    metric = np.exp(scores(x, A)) @ w if name == "softmax" else 1.0
    assert float((slope * v).sum()) == pytest.approx(sign * float((w * metric * (v * v).sum(1)).sum()), rel=1e-12)


def test_g12_l2_is_a_mean_shift():
    """Q = K, V = 2 Q^T Q, velocity A - 2 Q^T Q x."""
    rng = np.random.default_rng(5)
    Q, mu = rng.normal(size=(2, 3)), cloud(40, 3, 6)
    x, w, V = np.asarray(mu.points), np.asarray(mu.weights), 2 * Q.T @ Q
    v = in_space(L2(1.0, Q=Q, K=Q, V=V))(x, x, w) - x @ V.T

    def near(y):
        z = y @ Q.T
        return jnp.exp(-((z[:, None] - z) ** 2).sum(-1))

    slope = jax.grad(lambda y: w @ near(y) @ w / 2)(jnp.asarray(x))
    assert float((slope * v).sum()) == pytest.approx(float(w @ ((near(x) @ w) * (v * v).sum(1))), rel=1e-12)


def entropic_cost(x, w, A, eps):
    """min over couplings of mu with itself of int -<Ax, y> d pi + eps KL(pi | mu x mu), by its dual, in loops that stop at rounding."""
    s, f = scores(x, A) / eps, np.zeros(len(x))
    for _ in range(5000):
        g = -np.log(np.exp(s + f[:, None] + np.log(w)[:, None]).sum(0))
        new = -np.log(np.exp(s + g + np.log(w)).sum(1))
        if abs(new - f).max() < 1e-15:
            break
        f = new
    return eps * (w @ f + w @ g)


@pytest.mark.parametrize("eps", [1.0, 0.6])
def test_g12_sinkhorn_descends_the_entropic_cost(eps):
    A, mu = symmetric(3, 7), cloud(12, 3, 8)
    x, w, h = np.asarray(mu.points), np.asarray(mu.weights), 2e-3
    v = in_space(Sinkhorn(1.0, Q=A, V=A, eps=eps))(x, x, w)
    F = [entropic_cost(x + k * h * v, w, A, eps) / (2 * eps) for k in (-2, -1, 1, 2)]
    rate = (F[0] - 8 * F[1] + 8 * F[2] - F[3]) / (12 * h)
    assert rate == pytest.approx(-float(w @ (v * v).sum(1)), rel=1e-7)


@pytest.mark.parametrize(("law", "name"), [(Unnormalised, "unnormalised"), (Softmax, "softmax"), (Sigmoid, "sigmoid"), (Linear, "linear")])
def test_g12_along_a_flow(law, name):
    """F(T) - F(0) is the integral of the dissipation, to 1e-7."""
    A, mu, kernel = symmetric(2, 9), cloud(8, 2, 10), FUNCTIONALS[name][1]

    def rate(x, v, w):
        metric = (jnp.exp((x @ A.T) @ jnp.swapaxes(x, -1, -2)) * w[..., None, :]).sum(-1) if name == "softmax" else 1.0
        return (w * metric * (v * v).sum(-1)).sum(-1)

    def energy(x, w):
        return float(w @ np.asarray(kernel(scores(x, A))) @ w)

    run = flow(in_space(law(1.0, Q=A, V=A)), mu, 0.6, saveat=3, quantities={"F": energy}, rates={"work": rate})
    gained, work = run.quantities["F"][0] - run.quantities["F"][0, 0], run.integrals["work"][0]
    assert gained[-1] > 1e-3
    np.testing.assert_allclose(gained[1:], work[1:], rtol=1e-7)


def test_g13_moments_of_linear_attention_close():
    """x' = V M A x: M' = V M A M + M A^T M V^T and m' = V M A m, for any tokens."""
    rng = np.random.default_rng(11)
    A, V, mu = rng.normal(size=(3, 3)) / 2, rng.normal(size=(3, 3)) / 2, cloud(7, 3, 12)
    x, w = np.asarray(mu.points), np.asarray(mu.weights)
    end = flow(in_space(Linear(1.0, Q=A, V=V)), mu, 1.0, **TIGHT).points[0][-1]
    M, m, steps = (x * w[:, None]).T @ x, w @ x, 2000

    def slope(M, m):
        L = V @ M @ A
        return L @ M + M @ L.T, L @ m

    h = 1 / steps
    for _ in range(steps):
        a = slope(M, m)
        b = slope(M + h / 2 * a[0], m + h / 2 * a[1])
        c = slope(M + h / 2 * b[0], m + h / 2 * b[1])
        e = slope(M + h * c[0], m + h * c[1])
        M, m = (y + h / 6 * (p + 2 * q + 2 * r + s) for y, p, q, r, s in zip((M, m), a, b, c, e, strict=True))
    np.testing.assert_allclose((end * w[:, None]).T @ end, M, rtol=0, atol=1e-13)
    np.testing.assert_allclose(w @ end, m, rtol=0, atol=1e-13)
    # and at one instant to rounding
    v = in_space(Linear(1.0, Q=A, V=V))(x, x, w)
    M0 = (x * w[:, None]).T @ x
    np.testing.assert_allclose((v * w[:, None]).T @ x + (x * w[:, None]).T @ v, slope(M0, w @ x)[0], atol=1e-13)


def test_g15_causal_averaging():
    """Spectral norm below Hardy's 2; the l^1 norm is the harmonic number."""
    n = 400
    T = in_space(Softmax(0.0), mask=Causal())(np.eye(n), np.eye(n), np.full(n, 1 / n))
    assert np.linalg.norm(T, 2) == pytest.approx(1.7088722695, abs=1e-9)
    assert abs(T).sum(0).max() == pytest.approx((1 / np.arange(1, n + 1)).sum(), rel=1e-12)
    assert abs(T).sum(0).max() == pytest.approx(6.5699, abs=1e-4)


def test_g16_the_mean_of_a_sinkhorn_cloud():
    V, mu, eps, t = np.array([[0.3, -0.2], [0.5, 0.1]]), cloud(10, 2, 13), 0.8, 0.7
    run = flow(in_space(Sinkhorn(1.0, Q=symmetric(2, 14), V=V, eps=eps)), mu, t, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(mu.weights @ run.points[0][-1], expm(V * t / eps) @ (mu.weights @ mu.points), atol=1e-11)
