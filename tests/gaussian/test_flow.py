"""Properties of the Gaussian flow: closed forms, semigroup, positivity, rank, batches, and every kind of end."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import Empirical, InputError, flow
from measureformer.fields import L2, Linear, ParticleField, Softmax
from measureformer.gaussian import Fate, conditional_cov, gaussian_flow, softmax_blow_up, softmax_cov
from measureformer.geometry import Euclidean
from measureformer.measures import Gaussian

SEEDS = st.integers(0, 10**6)
FEW = settings(max_examples=3)


def instance(seed, d=3, rank=None):
    rng = np.random.default_rng(seed)
    G = rng.normal(size=(d, rank or d))
    return 0.5 * rng.normal(size=(d, d)), rng.normal(size=(d, d)), Gaussian(rng.normal(size=d), G @ G.T / 2)


@FEW
@given(SEEDS, st.sampled_from([1, 3]))
def test_closed_form_against_the_integrator(seed, rank):
    A, _, start = instance(seed, rank=rank)
    blow_up = softmax_blow_up(start.cov, A)
    t = min(0.8 * blow_up, 2.0)
    run = gaussian_flow(Softmax(Q=A), start, t, converged=None)
    S = softmax_cov(start.cov, A, t)
    np.testing.assert_allclose(run.final.cov, S, atol=1e-8 * abs(S).max())
    with pytest.raises(InputError, match="blow-up"):
        softmax_cov(start.cov, A, blow_up if np.isfinite(blow_up) else np.nan)


@FEW
@given(SEEDS)
def test_semigroup_and_saved_times(seed):
    A, V, start = instance(seed)
    law = L2(0.5, Q=A, V=V / 3)
    whole = gaussian_flow(law, start, 1.0, saveat=[0.0, 0.4, 1.0], converged=None)
    np.testing.assert_allclose(whole.cov[0], start.cov, atol=1e-12)
    half = Gaussian(whole.mean[1], whole.cov[1])
    rest = gaussian_flow(law, half, 0.6, converged=None).final
    np.testing.assert_allclose(rest.cov, whole.cov[2], rtol=1e-8, atol=1e-9)
    np.testing.assert_allclose(rest.mean, whole.mean[2], rtol=1e-8, atol=1e-9)


@FEW
@given(SEEDS, st.sampled_from(["adaptive", "congruence"]))
def test_covariances_stay_positive_and_ranks_never_grow(seed, method):
    A, V, start = instance(seed, rank=2)
    run = gaussian_flow(Softmax(Q=A, V=V), start, 0.5, saveat=4, method=method)
    for S in run.cov[np.isfinite(run.cov).all((1, 2))]:
        values = np.linalg.eigvalsh(S)
        assert (S == S.T).all() and values[0] > -1e-12 * values[-1]
        assert abs(values[0]) < 1e-10 * values[-1]


def test_the_congruence_method_is_of_first_order():
    A, V, start = instance(1)
    law = Softmax(Q=A, V=V / 2)
    exact = gaussian_flow(law, start, 0.2).final.cov
    errors = [np.linalg.norm(gaussian_flow(law, start, 0.2, method="congruence", step=h).final.cov - exact) for h in (0.004, 0.002)]
    assert errors[0] / errors[1] == pytest.approx(2, rel=0.1) and errors[1] < 0.02 * np.linalg.norm(exact)


def test_a_batch_is_its_members():
    A, V, _ = instance(2)
    starts = [instance(seed, rank=rank)[2] for seed, rank in ((3, 3), (4, 1), (5, 2))]
    law = Softmax(Q=A, V=V)
    many = gaussian_flow(law, Gaussian(np.stack([g.mean for g in starts]), np.stack([g.cov for g in starts])), 0.3, saveat=2)
    for k, start in enumerate(starts):
        one = gaussian_flow(law, start, 0.3, saveat=2)
        assert one.fate is many.fates[k]
        np.testing.assert_allclose(many.cov[k], one.cov, rtol=1e-8)
        np.testing.assert_allclose(float(many.time[k]), float(one.time), rtol=1e-9)
    with pytest.raises(InputError, match="3 measures"):
        _ = many.fate


def test_parameters_may_depend_on_time():
    """V(t) = 2t, A = -1/2 in one dimension: s' = -2t s^2, s = 1 / (1/s_0 + t^2)."""
    law = Softmax(Q=np.array([[-0.5]]), V=lambda t: np.array([[2.0 * t]]))
    run = gaussian_flow(law, Gaussian(np.zeros((2, 1)), np.array([[[1.0]], [[4.0]]])), 3.0)
    np.testing.assert_allclose(run.final.cov.ravel(), [1 / (1 + 9), 1 / (0.25 + 9)], rtol=1e-10)


def test_linear_attention_moves_the_moments_of_any_cloud_so():
    """Seven tokens, exactly: the Gaussian flow of their mean and covariance is that of the tokens."""
    rng = np.random.default_rng(6)
    x, A, V = rng.uniform(-1, 1, (7, 2)), 0.5 * rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
    law = Linear(1.0, Q=A, V=V)
    cloud = flow(ParticleField(law, Euclidean()), Empirical(x), 0.4, rtol=1e-12, atol=1e-13).measures[0]
    end = gaussian_flow(law, Gaussian(x.mean(0), np.cov(x.T, bias=True)), 0.4).final
    y = np.asarray(cloud.points)
    np.testing.assert_allclose(end.mean, y.mean(0), atol=1e-10)
    np.testing.assert_allclose(end.cov, np.cov(y.T, bias=True), atol=1e-10)


def test_a_dirac_under_linear_attention_blows_up():
    """x' = x^3, x(0) = 1/2: T* = 2."""
    run = gaussian_flow(Linear(), Gaussian([0.5], [[0.0]]), 3.0, rtol=1e-9)
    assert run.fate is Fate.BLOW_UP and float(run.time) == pytest.approx(2, rel=1e-8)


def test_what_becomes_of_a_gaussian():
    one = Gaussian([0.0], [[1.0]])
    assert gaussian_flow(Softmax(V=np.array([[-1.0]])), one, 1.0).fate is Fate.HORIZON
    still = gaussian_flow(Softmax(V=np.array([[-1.0]])), one, 1e6, converged=1e-6)
    assert still.fate is Fate.CONVERGED and still.rate < 1e-6
    # s' = -2 s^2, so s = 1 / (1 + 2t) and s' = 1e-6 at s = (5e-7)^(1/2)
    assert 1 / (1 + 2 * float(still.time)) == pytest.approx(float(still.final.cov[0, 0]), rel=1e-9)
    assert gaussian_flow(Softmax(), one, 1.0, max_steps=3).fate is Fate.STEPS
    wild = gaussian_flow(L2(V=np.array([[30.0]])), one, 1e4, method="congruence")  # s' = 120 s^2 / (1 + 2 s): an exponential
    assert wild.fate is Fate.OVERFLOW and float(wild.time) < 1e2


def test_a_mean_may_move_while_the_covariance_rests():
    """A Dirac mass under softmax, V = I: m' = m, S = 0."""
    run = gaussian_flow(Softmax(), Gaussian([1.0, 2.0], np.zeros((2, 2))), 1.0)
    assert run.fate is Fate.CONVERGED and float(run.time) == 1.0
    np.testing.assert_allclose(run.final.mean, np.e * np.array([1, 2]), rtol=1e-10)
    at_rest = gaussian_flow(Softmax(), Gaussian([0.0, 0.0], np.zeros((2, 2))), 1.0)
    assert at_rest.fate is Fate.CONVERGED and float(at_rest.time) == 0.0


@pytest.mark.slow
def test_a_mean_that_leaves_does_not_spoil_the_covariance():
    """K = -Q, V = I: the mean grows like e^t, the covariance converges."""
    q = np.array([[0.6, 0.8]])
    run = gaussian_flow(Softmax(Q=q, K=-q), Gaussian([1.0, 1.0], np.eye(2)), 2000.0, rtol=1e-9, converged=None)
    assert run.fate is Fate.HORIZON
    np.testing.assert_allclose(run.final.cov, softmax_cov(np.eye(2), -q.T @ q, 2000.0), atol=1e-8)


@pytest.mark.slow
def test_a_hundred_thousand_flows_in_the_plane():
    import time

    rng = np.random.default_rng(0)
    G = rng.normal(size=(100_000, 2, 2))
    starts, Q = Gaussian(np.zeros((100_000, 2)), G @ np.swapaxes(G, -1, -2)), np.array([[1.0, 2.0], [0.0, 1.0]])
    before = time.perf_counter()
    run = gaussian_flow(Softmax(2**-0.5, Q, -Q), starts, 1.0, method="congruence")
    assert (run.fates == Fate.HORIZON).all()
    assert time.perf_counter() - before < 60  # 3 s alone on a quiet core


def test_implicit_steps_agree_with_explicit_ones_where_those_are_short():
    """V with eigenvalues 200 and 0.05, K = -Q: a stiff start and a slow end; Cov(X | QX) is kept whatever the tolerance."""
    law = Softmax(0.5, np.array([[1.0, 2.0, -1.0]]), np.array([[-1.0, -2.0, 1.0]]), np.diag([200.0, 1.0, 0.05]))
    start = Gaussian(np.zeros(3), [[4.0, 1.0, 0.0], [1.0, 3.0, -1.0], [0.0, -1.0, 5.0]])
    explicit, implicit = (gaussian_flow(law, start, 60.0, method=name, rtol=1e-8, converged=None) for name in ("adaptive", "implicit"))
    np.testing.assert_allclose(implicit.final.cov, explicit.final.cov, rtol=1e-6, atol=1e-7)
    assert 2 * implicit.steps < explicit.steps
    rough = gaussian_flow(law, start, 60.0, method="implicit", rtol=1e-2, converged=None)
    assert rough.steps < implicit.steps
    np.testing.assert_allclose(conditional_cov(law, rough.final), conditional_cov(law, start), rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("method", ["adaptive", "implicit"])
def test_a_batch_of_laws_is_each_law_for_itself(method):
    rng = np.random.default_rng(8)
    Q, K = rng.normal(size=(2, 3, 1, 2))
    start = Gaussian(rng.normal(size=(3, 2)), np.stack([np.eye(2), 2 * np.eye(2), np.eye(2) + 0.5]))
    law = L2(1.0, Q, K, np.broadcast_to(np.eye(2), (3, 2, 2)))
    whole = gaussian_flow(law, start, 0.5, method=method)
    for i in range(3):
        one = gaussian_flow(L2(1.0, Q[i], K[i], np.eye(2)), Gaussian(start.mean[i], start.cov[i]), 0.5, method=method)
        np.testing.assert_allclose(whole.final.cov[i], one.final.cov, rtol=1e-9)
        assert whole.steps[i] == one.steps
    with pytest.raises(InputError, match="there are 3 laws, and the measures have the batch"):
        gaussian_flow(law, Gaussian(np.zeros((2, 2)), start.cov[:2]), 0.5)


def test_steps_towards_a_blow_up_are_hardly_ever_rejected():
    run = gaussian_flow(Softmax(Q=np.array([[1.0, 2.0], [0.0, -1.0]])), Gaussian(np.zeros(2), [[2.0, 1.0], [1.0, 2.0]]), 1.0)
    assert run.fate is Fate.BLOW_UP and run.rejected <= 3
    assert run.time == pytest.approx(0.1371459425887159, rel=1e-10)


@pytest.mark.parametrize("size", [1e8, 1e20, 1e200])
def test_l2_of_a_huge_covariance_of_almost_rank_one(size):
    """B = V K^{-1} Q for infinite S; where I is lost in rounding nothing is singular."""
    v = np.array([0.6, 0.8])
    law = L2(1.0, np.array([[1.0, 0.5], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.3, 1.0]]), np.eye(2))
    B = law.on_gaussian(np.zeros(2), size * np.outer(v, v) + 0.1 * np.eye(2), 0.0)[1]
    w = np.linalg.solve(law.K, law.Q)
    assert np.isfinite(B).all()
    assert np.linalg.norm(B) < 10 * np.linalg.norm(w)
