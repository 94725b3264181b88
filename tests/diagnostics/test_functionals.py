"""Group 1 and G12: the functionals of linear, sigmoid, Sinkhorn attention and of the mean shift, against loops and their gradients."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer import Empirical, InputError
from measureformer.diagnostics import energy_of, linear_energy, mean_shift_energy, sigmoid_energy, transport_energy
from measureformer.fields import L2, Linear, ParticleField, Sigmoid, Sinkhorn, Softmax, Unnormalised
from measureformer.geometry import Euclidean

SEEDS = st.integers(0, 10**6)


def cloud(seed, n=5, d=3):
    rng = np.random.default_rng(seed)
    return Empirical(0.7 * rng.normal(size=(n, d)), rng.uniform(0.2, 1, n))


def matrix(seed, d=3):
    G = np.random.default_rng(seed + 1).normal(size=(d, d))
    return (G + G.T) / 2


def entropic(x, w, A, eps):
    """The value at the best plan: int -<Ax, y> d pi + eps KL(pi | mu x mu), the plan by alternate scaling."""
    kernel, u, v = np.exp(x @ A @ x.T / eps) * np.outer(w, w), np.ones(len(x)), np.ones(len(x))
    for _ in range(4000):
        u = w / (kernel @ v)
        v = w / (kernel.T @ u)
    plan = u[:, None] * kernel * v
    return sum(
        p * (-x[i] @ A @ x[j] + eps * np.log(p / (w[i] * w[j]))) for i in range(len(x)) for j in range(len(x)) if (p := plan[i, j]) > 0
    )


@given(SEEDS, st.sampled_from([0.3, 1.0, -0.8]))
def test_group_1_functionals_against_loops(seed, beta):
    mu, A = cloud(seed), matrix(seed)
    x, w = np.asarray(mu.points), np.asarray(mu.weights)

    def double(kernel):
        return sum(w[i] * w[j] * kernel(x[i], x[j]) for i in range(5) for j in range(5))

    for V, M in ((A, A), (None, np.eye(3))):
        linear = beta / 4 * double(lambda a, b, M=M: (a @ M @ b) ** 2)
        assert linear_energy(x, beta, w, V=V) == pytest.approx(linear, rel=1e-12)
        sigmoid = double(lambda a, b, M=M: np.log(1 + np.exp(beta * a @ M @ b - 0.4))) / (2 * beta)
        assert sigmoid_energy(x, beta, w, V=V, bias=-0.4) == pytest.approx(sigmoid, rel=1e-12)
        shift = double(lambda a, b, M=M: np.exp(-beta * (a - b) @ M @ (a - b))) / (4 * beta)
        assert mean_shift_energy(x, beta, w, V=V) == pytest.approx(shift, rel=1e-11)


@pytest.mark.parametrize(("beta", "eps"), [(1.0, 1.0), (1.5, 0.6), (-0.7, 0.8)])
def test_g12_the_entropic_cost_of_its_plan(beta, eps):
    mu, A = cloud(3), matrix(3)
    x, w = np.asarray(mu.points), np.asarray(mu.weights)
    expected = entropic(x, w, beta * A, eps) / (2 * beta * eps)
    assert transport_energy(x, beta, w, V=A, eps=eps) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("name", ["unnormalised", "softmax", "sigmoid", "linear", "sinkhorn", "l2"])
def test_g12_dissipation_by_differences(name, sign):
    """Spec 4, Section 5 on 40 random particles of R^d with random weights: dE/dt along the field is the dissipation to 1e-7."""
    A, mu, P = matrix(4), cloud(5, 40), matrix(6) @ matrix(6)
    Q = np.linalg.cholesky(P).T
    law = {
        "unnormalised": Unnormalised(1.3, Q=A, V=sign * A),
        "softmax": Softmax(1.3, Q=A, V=sign * A),
        "sigmoid": Sigmoid(1.3, Q=A, V=sign * A, bias=0.2),
        "linear": Linear(1.3, Q=A, V=sign * A),
        "sinkhorn": Sinkhorn(1.3, Q=A, V=sign * A, eps=0.9),
        "l2": L2(1.3, Q=Q, K=Q, V=sign * 2 * P, shift=True),
    }[name]
    field = ParticleField(law, Euclidean())
    x, w = np.asarray(mu.points), np.asarray(mu.weights)
    v, structure = field(x, x, w), energy_of(field)
    assert structure is not None and structure.law == name and "μ" in structure.formula
    h = 1e-3 / abs(v).max()
    F = [structure.energy(x + k * h * v, w) for k in (-3, -2, -1, 1, 2, 3)]
    slope = (-F[0] + 9 * F[1] - 45 * F[2] + 45 * F[3] - 9 * F[4] + F[5]) / (60 * h)
    rate = float(structure.rate(x, v, w))
    assert slope == pytest.approx(rate, rel=1e-7)
    assert np.sign(rate) == np.sign(structure.pace) == (-sign if name == "sinkhorn" else sign)


def test_blocks_batches_weightless_tokens_and_jax(monkeypatch):
    import measureformer.diagnostics.energy as module

    clouds = [cloud(s) for s in range(3)]
    x, w = np.stack([mu.points for mu in clouds]), np.stack([mu.weights for mu in clouds])
    for energy in (linear_energy, sigmoid_energy, mean_shift_energy, transport_energy):
        whole = energy(x, 1.2, w)
        for k in range(3):
            assert energy(x[k], 1.2, w[k]) == pytest.approx(whole[k], rel=1e-12)
            more = np.vstack([x[k], 2 * x[k][:1]]), 1.2, np.append(w[k], 0.0)
            assert energy(*more) == pytest.approx(whole[k], rel=1e-12)
        np.testing.assert_allclose(energy(jnp.asarray(x), 1.2, jnp.asarray(w)), whole, rtol=1e-12)
        assert energy(x[0], 1.2) == pytest.approx(energy(x[0], 1.2, np.full(5, 0.2)), rel=1e-14)
        monkeypatch.setattr(module, "_BLOCK", 1)
        np.testing.assert_allclose(energy(x, 1.2, w), whole, rtol=1e-13)
        monkeypatch.undo()


def test_refused():
    x = np.eye(3)
    for energy in (sigmoid_energy, mean_shift_energy, transport_energy):
        with pytest.raises(InputError, match="beta must be finite and not 0"):
            energy(x, 0.0)
    for energy in (linear_energy, sigmoid_energy, mean_shift_energy, transport_energy):
        with pytest.raises(InputError, match="symmetric"):
            energy(x, 1.0, V=np.triu(np.ones((3, 3))))
