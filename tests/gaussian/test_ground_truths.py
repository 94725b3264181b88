"""Ground truths G1 to G9, G11 and G14 of the Gaussian closures, at all printed digits."""

import numpy as np
import pytest

from measureformer.fields import L2, Linear, MultiHead, Sinkhorn, Softmax, split_heads
from measureformer.gaussian import (
    Fate,
    conditional_cov,
    covariance_rate,
    gaussian_flow,
    l2_scale,
    meanfield_check,
    script_law,
    sinkhorn_scale,
    softmax_blow_up,
    softmax_cov,
    softmax_limit,
    softmax_moments,
    softmax_scale,
)
from measureformer.measures import Gaussian

S0 = np.array([[2.0, 1.0], [1.0, 2.0]])
START = Gaussian(np.zeros(2), S0)
A1 = np.array([[1.0, 2.0], [0.0, -1.0]])


def rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def flat(S):
    return np.asarray(S)[[0, 0, 1], [0, 1, 1]]


def test_g1_blow_up():
    T = 0.1371459425887159
    assert softmax_blow_up(S0, A1) == pytest.approx(T, rel=1e-15)
    run = gaussian_flow(Softmax(Q=A1), START, 1.0, saveat=[0.1, 0.9 * T])
    assert run.fate is Fate.BLOW_UP and float(run.time) == pytest.approx(T, rel=1e-11)
    for S in (run.cov[0], softmax_cov(S0, A1, 0.1)):
        np.testing.assert_allclose(S, np.array([[65, 40], [40, 35]]) / 9, rtol=1e-10)
    for S in (run.cov[1], softmax_cov(S0, A1, 0.9 * T)):
        assert np.trace(S) == pytest.approx(28.443946729875393, rel=1e-10)


@pytest.mark.parametrize(("law", "left"), [(Softmax, 2.8e-5), (L2, 1.4e-5)])
def test_g2_limit_of_rank_one(law, left):
    q = np.array([[0.6, 0.8]])
    limit = np.array([24, -18, 13.5]) / 37
    np.testing.assert_allclose(flat(softmax_limit(S0, -q.T @ q)), limit, rtol=1e-13)
    run = gaussian_flow(law(Q=q, K=-q), START, 1e4, converged=None)
    assert abs(flat(run.final.cov) - limit).max() == pytest.approx(left, rel=0.02)
    assert run.steps < 200


V3, A3 = 1.3 * rotation(0.4), 0.7 * rotation(0.5)
C3 = 2 * 1.3 * 0.7 * np.cos(0.9)
ROUND = Gaussian(np.zeros(2), 0.8 * np.eye(2))


def test_g3_rotations_under_softmax():
    run = gaussian_flow(Softmax(Q=A3, V=V3), ROUND, 2.0, saveat=[0.5], rtol=1e-9)
    np.testing.assert_allclose(run.cov[0], 1.4612727742040559 * np.eye(2), atol=1e-8)
    assert softmax_scale(0.8, C3, 0.5) == pytest.approx(1.4612727742040559, rel=1e-14)
    assert float(run.time) == pytest.approx(1.1048941005948143, rel=1e-8)
    assert softmax_blow_up(np.array([[0.8]]), np.array([[C3 / 2]])) == pytest.approx(1.1048941005948143, rel=1e-14)


def test_g4_rotations_under_l2():
    """K = .9 I and Q = .7 R: the score matrix K^T Q is .63 R."""
    s = 5.150840457027609
    run = gaussian_flow(L2(Q=A3, K=0.9 * np.eye(2), V=V3), ROUND, 2.0)
    np.testing.assert_allclose(run.final.cov, s * np.eye(2), atol=1e-9)
    assert l2_scale(0.8, 0.9 * C3, 0.81, 2.0) == pytest.approx(s, rel=1e-14)


@pytest.mark.parametrize(("eps", "s"), [(1.0, 7.607455553132801), (0.5, 313.4539184140796)])
def test_g5_rotations_under_sinkhorn(eps, s):
    """Values from the implicit solution with 40 digits."""
    run = gaussian_flow(Sinkhorn(Q=A3, V=V3, eps=eps), ROUND, 2.0)
    np.testing.assert_allclose(run.final.cov / s, np.eye(2), atol=1e-10)
    assert sinkhorn_scale(0.8, C3, 0.7, 2.0, eps) == pytest.approx(s, rel=2e-14)


def test_g6_l2_with_a_singular_key_blows_up():
    law = L2(Q=np.array([[0.0, 1.0]]), K=np.array([[1.0, 0.0]]), V=np.diag([0.0, 1.0]))
    run = gaussian_flow(law, Gaussian(np.zeros(2), [[1.0, 0.5], [0.5, 1.0]]), 5.0, saveat=[1.5], rtol=1e-9)
    np.testing.assert_allclose(flat(run.cov[0]), [1, 1, 4], rtol=1e-8)
    assert run.fate is Fate.BLOW_UP and float(run.time) == pytest.approx(3, rel=1e-8)


def test_g7_two_heads():
    heads = [(1.0, 0.2, 0.5, 0.3), (-0.4, 1.0, 0.9, -0.2)]
    law = MultiHead(tuple(Softmax(Q=a * rotation(b), V=v * rotation(alpha)) for v, alpha, a, b in heads))
    c = sum(2 * v * a * np.cos(alpha + b) for v, alpha, a, b in heads)
    assert softmax_scale(0.8, c, 0.5) == pytest.approx(0.9415990740600, abs=5e-14)
    np.testing.assert_allclose(gaussian_flow(law, ROUND, 0.5).final.cov, 0.9415990740600 * np.eye(2), atol=1e-11)


Q8, K8, V8 = np.array([[1.0, 2.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [1.0, -1.0]]), np.array([[2.0, -1.0], [1.0, 1.0]])
G8 = {
    "softmax": (script_law("softmax", Q8, K8, V8), (21.2132034356, 23.3345237792, 21.2132034356)),
    "l2": (script_law("l2", Q8, K8, V8), (6.0609152673, 7.8791898475, 8.4852813742)),
    "l2, no factor": (L2(1.0, Q8, K8, V8), (8.5714285714, 11.1428571429, 12.0)),
    "l2, whole exponent": (L2(2**-0.5, Q8, K8, V8), (8.0925643017, 10.3239750559, 10.9368729498)),
    "multi-head": (script_law("multi-head", Q8, K8, V8, heads=2), (24, 15, 0)),
    "sinkhorn": (script_law("sinkhorn", Q8, K8, V8), (3.8823937946, 5.3660145418, 3.8823937946)),
}
G9 = {
    "softmax": (2.9485243317, 2.0541669180, 3.0588868459),
    "l2": (2.1998167435, 1.2580913573, 2.2812668169),
    "multi-head": (3.1320324589, 1.6098611822, 2.0564777307),
    "sinkhorn": (2.1216412239, 1.1663175584, 2.1244863316),
}


@pytest.mark.parametrize("name", G8)
def test_g8_right_hand_sides(name):
    law, expected = G8[name]
    np.testing.assert_allclose(flat(covariance_rate(law, START)), expected, rtol=0, atol=6e-11)


@pytest.mark.parametrize("name", G9)
def test_g9_a_short_time_later(name):
    run = gaussian_flow(G8[name][0], START, 0.03)
    np.testing.assert_allclose(flat(run.final.cov), G9[name], rtol=0, atol=6e-11)


def test_mean_and_covariance_of_softmax_with_symmetric_scores():
    A, start = np.array([[0.5, -0.2], [-0.2, -0.7]]), Gaussian([1.0, -2.0], [[1.0, 0.3], [0.3, 0.8]])
    run = gaussian_flow(Softmax(Q=A), start, 0.6).final
    for m, S in ((run.mean, run.cov), softmax_moments(start.mean, start.cov, A, 0.6)):
        np.testing.assert_allclose(m, [3.6493260542, -2.7772184059], atol=6e-11)
        np.testing.assert_allclose(flat(S), [1.9533467766, 0.1585778892, 0.4576244641], atol=6e-11)


@pytest.mark.parametrize("law", [Softmax, L2, Sinkhorn, Linear])
def test_g11_what_queries_do_not_see_keeps_its_conditional_covariance(law):
    rng = np.random.default_rng(5)
    q, G = rng.normal(size=(1, 3)), rng.normal(size=(3, 3))
    law = law(1.0, Q=q, K=rng.normal(size=(1, 3)), V=rng.normal(size=(3, 3)))
    start = Gaussian(np.zeros(3), G @ G.T + np.eye(3))
    end = gaussian_flow(law, start, 0.2).final
    N = np.linalg.svd(q)[2][1:].T
    assert np.linalg.norm(end.cov - start.cov) > 0.1
    precision = [N.T @ np.linalg.inv(g.cov) @ N for g in (start, end)]
    np.testing.assert_allclose(precision[1], precision[0], rtol=1e-10)
    np.testing.assert_allclose(conditional_cov(law, start), N @ np.linalg.inv(precision[0]) @ N.T, atol=1e-12)
    np.testing.assert_allclose(conditional_cov(law, end), conditional_cov(law, start), atol=1e-10)


Q14, K14 = np.array([[0.6, 0.2], [-0.1, 0.5]]), np.array([[0.5, -0.3], [0.2, 0.4]])
V14, START14 = np.array([[0.5, 0.4], [-0.3, -0.6]]), Gaussian([0.4, -0.2], [[0.8, 0.2], [0.2, 0.5]])
G14 = {
    Softmax: ((0.70308632, -0.24840768), (1.19625041, 0.20799569, 0.31415012)),
    L2: ((0.5525052, -0.17057177), (1.35526952, 0.20544043, 0.26053867)),
    Sinkhorn: ((0.65836742, -0.239854), (1.14591599, 0.2150661, 0.32458495)),
}


@pytest.mark.parametrize("law", G14)
def test_g14_mean_and_covariance(law):
    end = gaussian_flow(law(1.0, Q=Q14, K=K14, V=V14), START14, 1.5).final
    np.testing.assert_allclose(end.mean, G14[law][0], atol=6e-9)
    np.testing.assert_allclose(flat(end.cov), G14[law][1], atol=6e-9)


@pytest.mark.slow
@pytest.mark.parametrize(("law", "n", "error"), [(Softmax, 3000, 0.004), (L2, 3000, 0.003), (Sinkhorn, 1000, 0.0006)])
def test_g14_clouds_are_as_near_as_the_table_says(law, n, error):
    check = meanfield_check(law(1.0, Q=Q14, K=K14, V=V14), START14, 1.5, (n,), seeds=(7,), rtol=1e-7, atol=1e-8)
    assert check.error[0] <= 1.5 * error, check.error


@pytest.mark.slow
def test_g14_clouds_do_not_blow_up_with_the_gaussian():
    """1-D, V = A = S = 1: the Gaussian has variance 1 / (1 - 2t); clouds stay behind."""
    table = {(250, 0.3): 2.006, (1000, 0.3): 2.085, (250, 0.45): 3.128, (1000, 0.45): 3.368, (250, 0.5): 3.663, (1000, 0.5): 3.994}
    one = Gaussian([0.0], [[1.0]])
    for (n, t), variance in table.items():
        check = meanfield_check(Softmax(), one, t, (n,), seeds=range(3), rtol=1e-7, atol=1e-8)
        assert check.cov[0, 0, 0] == pytest.approx(variance, rel=0.15)
        assert not check.trusted and check.warning
        gaussian = np.inf if t == 0.5 else 1 / (1 - 2 * t)
        assert check.cov[0, 0, 0] < gaussian


def test_heads_are_rows_of_v():
    law = split_heads(Q8, K8, V8, 2)
    pairs = [(np.diag(e) @ V8, np.outer(K8[k], Q8[k])) for k, e in enumerate(np.eye(2))]
    expected = sum(C @ S0 @ A @ S0 for C, A in pairs)
    np.testing.assert_allclose(covariance_rate(law, START), expected + expected.T, rtol=1e-14)
