"""Affine fields against quadrature, singular and batched covariances, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer import InputError
from measureformer.fields import L2, LAWS, Linear, MultiHead, Scaled, Sigmoid, Sinkhorn, Softmax, Unnormalised, split_heads
from measureformer.gaussian import affine_field, closure_defect, gaussian_flow, keeps_gaussians, masked_defect, masked_gaussian_flow
from measureformer.gaussian.field import standard_nodes
from measureformer.measures import Gaussian

Q, K, V = np.array([[0.6, 0.2], [-0.1, 0.5]]), np.array([[0.5, -0.3], [0.2, 0.4]]), np.array([[0.5, 0.4], [-0.3, -0.6]])
MU = Gaussian([0.4, -0.2], [[0.8, 0.2], [0.2, 0.5]])
# by law: the largest error of the affine field on the quadrature's nodes within two standard deviations
CASES = {
    "softmax": (Softmax(0.7, Q, K, V), 40, 1e-13),
    "l2": (L2(0.7, Q, K, V), 90, 1e-10),
    "sinkhorn": (Sinkhorn(0.7, Q, K, V, eps=1.3), 24, 1e-10),
    "linear": (Linear(0.7, Q, K, V), 20, 1e-13),
    "heads": (MultiHead((Softmax(1.0, Q, K, V), L2(0.5, K, Q, V)), (V, K)), 90, 1e-10),
    "repulsive": (Scaled(Softmax(0.7, Q, K, V), -2.0), 40, 1e-13),
}


@pytest.mark.parametrize("name", CASES)
def test_the_affine_field_is_the_field(name):
    law, nodes, tolerance = CASES[name]
    z, w = standard_nodes(2, nodes)
    kept = w > 1e-25
    y, w = MU.from_standard(z[kept]), w[kept] / w[kept].sum()
    x = MU.from_standard(z[(abs(z) < 2).all(1)])
    u, B = affine_field(law, MU)
    np.testing.assert_allclose(law(x, y, w), u + (x - MU.mean) @ B.T, rtol=0, atol=tolerance)


@given(st.integers(0, 10**6))
def test_linear_attention_is_affine_for_every_cloud(seed):
    x = np.random.default_rng(seed).normal(size=(7, 2))
    law = Linear(0.7, Q, K, V)
    mu = Gaussian(x.mean(0), np.cov(x.T, bias=True))
    u, B = affine_field(law, mu)
    np.testing.assert_allclose(law(x, x, np.full(7, 1 / 7)), u + (x - mu.mean) @ B.T, atol=1e-13 * (1 + abs(x).max() ** 3))


@pytest.mark.parametrize("name", CASES)
def test_singular_covariances_are_limits_of_regular_ones(name):
    law, v = CASES[name][0], np.array([[1.0], [0.5]])
    singular = affine_field(law, Gaussian([0.1, 0.2], v @ v.T))
    near = affine_field(law, Gaussian([0.1, 0.2], v @ v.T + 1e-9 * np.eye(2)))
    np.testing.assert_allclose(np.hstack([singular.u[:, None], singular.B]), np.hstack([near.u[:, None], near.B]), atol=1e-7)


@pytest.mark.parametrize("name", ["softmax", "l2", "sinkhorn", "heads"])
def test_batches_jax_and_derivatives(name):
    law = CASES[name][0]
    rng = np.random.default_rng(1)
    G = rng.normal(size=(3, 4, 2, 2))
    many = Gaussian(rng.normal(size=(3, 4, 2)), G @ np.swapaxes(G, -1, -2))
    u, B = affine_field(law, many)
    one = affine_field(law, Gaussian(many.mean[1, 2], many.cov[1, 2]))
    np.testing.assert_allclose(u[1, 2], one.u, atol=1e-13)
    np.testing.assert_allclose(B[1, 2], one.B, atol=1e-13)
    if name not in ("softmax", "sinkhorn"):
        return
    value = jax.jit(jax.value_and_grad(lambda s: jnp.trace(law.on_gaussian(jnp.asarray(MU.mean), s * jnp.asarray(MU.cov))[1])))
    trace, slope = value(1.0)
    assert float(trace) == pytest.approx(np.trace(law.on_gaussian(MU.mean, MU.cov)[1]), rel=1e-13)
    h = 1e-5
    ends = [np.trace(law.on_gaussian(MU.mean, (1 + e) * MU.cov)[1]) for e in (h, -h)]
    assert float(slope) == pytest.approx((ends[0] - ends[1]) / (2 * h), rel=1e-6)


@pytest.mark.parametrize("name", [name for name in LAWS if name != "multi-head"])
def test_the_table_of_laws_says_which_keep_gaussians(name):
    assert keeps_gaussians(LAWS[name]()) == LAWS[name].about.gaussian.startswith("yes")


def test_single_precision_stays():
    mu = Gaussian(np.float32([0, 0]), np.eye(2, dtype=np.float32))
    law = Softmax(1.0, Q.astype(np.float32))
    assert law.on_gaussian(mu.mean, mu.cov)[1].dtype == np.float32


@pytest.mark.parametrize(
    "law", [Sigmoid(1.0, Q, K, V), Unnormalised(1.0, Q, K, V), MultiHead((Softmax(1.0, Q, K, V), Sigmoid(1.0, Q, K, V)))]
)
def test_laws_that_do_not_preserve_gaussians_refuse_with_the_residual(law):
    rest = closure_defect(law, MU).residual
    assert rest > 1e-3 and not keeps_gaussians(law)
    with pytest.raises(InputError, match=r"not preserved .*misses [0-9.]+ %"):
        gaussian_flow(law, MU, 1.0)


def test_the_defect_of_an_affine_field_is_zero_and_its_fit_is_the_field():
    found, exact = closure_defect(Softmax(1.0, Q, K, V), MU), affine_field(Softmax(1.0, Q, K, V), MU)
    assert found.residual < 1e-12
    np.testing.assert_allclose(found.nearest.B, exact.B, atol=1e-12)
    np.testing.assert_allclose(found.nearest.u, exact.u, atol=1e-12)


def test_a_mask_preserves_gaussians_only_if_position_says_nothing():
    law, labels = Softmax(1.0, Q, K, V), np.array([0.2, 0.5, 0.9])
    same = Gaussian(np.tile(MU.mean, (3, 1)), np.tile(MU.cov, (3, 1, 1)))
    run = masked_gaussian_flow(law, labels, same, 0.5)
    np.testing.assert_allclose(run.final.cov[2], gaussian_flow(law, MU, 0.5).final.cov, rtol=1e-12)
    assert masked_defect(law, same).residual < 1e-10
    moved = Gaussian(same.mean + np.array([[0.0, 0], [1, 0], [2, 1]]), same.cov)
    with pytest.raises(InputError, match="not preserved"):
        masked_gaussian_flow(law, labels, moved, 0.5)
    assert masked_defect(law, moved).residual > 1e-3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gaussian_flow(Softmax(1.0, np.eye(3)), MU, 1.0), "Q has shape"),
        (lambda: gaussian_flow(Softmax(1.0, V=np.ones((3, 2))), MU, 1.0), "V must be square"),
        (lambda: gaussian_flow(Softmax(1.0, Q, np.ones((1, 2))), MU, 1.0), "equally many rows"),
        (lambda: gaussian_flow(L2(1.0, Q, np.ones((1, 2))), MU, 1.0), "equally many rows"),
        (lambda: gaussian_flow(L2(-1.0), MU, 1.0), "beta = -1.0"),
        (lambda: Sinkhorn(eps=0.0), "eps must be positive, got 0.0"),
        (lambda: Sinkhorn(eps=-1.0), "eps must be positive"),
        (lambda: split_heads(np.eye(3), np.eye(3), np.eye(3), 2), r"heads = 2 does not divide the dimension d = 3; take one of \[1, 3\]"),
        (lambda: split_heads(Q, K, V, 0), "heads = 0"),
        (lambda: gaussian_flow(Softmax(), MU, -1.0), "horizon"),
        (lambda: gaussian_flow(Softmax(), MU, 1.0, method="euler"), "congruence"),
        (lambda: gaussian_flow(Softmax(), MU, 1.0, rtol=0.0), "rtol"),
        (lambda: gaussian_flow(Softmax(), MU, 1.0, max_steps=0), "max_steps"),
        (lambda: closure_defect(Softmax(), Gaussian(np.zeros((2, 2)), np.eye(2))), "one measure"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(InputError, match=message):
        make()
