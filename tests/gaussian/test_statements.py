"""What is said beforehand (classifier, limits, ranks, energies), against what happens."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import InputError
from measureformer.fields import L2, Linear, MultiHead, Scaled, Sinkhorn, Softmax
from measureformer.gaussian import (
    Fate,
    blow_up_direction,
    classify,
    conditional_cov,
    covariance_rate,
    disc_grid,
    effective_sample_size,
    gaussian_energy,
    gaussian_flow,
    lyapunov,
    projected_euler,
    script_law,
    softmax_limit,
    stationary_check,
)
from measureformer.measures import Gaussian

SEEDS = st.integers(0, 10**6)
FEW = settings(max_examples=3)


def spd(rng, d, low=0.3):
    G = rng.normal(size=(d, d))
    return G @ G.T / d + low * np.eye(d)


@FEW
@given(SEEDS)
def test_the_limit_is_where_the_flow_goes(seed):
    rng = np.random.default_rng(seed)
    q, start = rng.normal(size=(1, 3)), Gaussian(np.zeros(3), spd(rng, 3))
    said = classify(Softmax(Q=q, K=-q), start)
    assert said.answer == "converges" and said.rank == 2
    N = np.linalg.svd(q)[2][1:].T
    np.testing.assert_allclose(said.limit, N @ np.linalg.inv(N.T @ np.linalg.inv(start.cov) @ N) @ N.T, atol=1e-12)
    for law in (Softmax(Q=q, K=-q), L2(Q=q, K=-q)):
        end = gaussian_flow(law, start, 1e5, rtol=1e-6, converged=None).final
        assert abs(end.cov - said.limit).max() < 1e-3
        np.testing.assert_allclose(classify(law, start).limit, said.limit, atol=1e-12)


@FEW
@given(SEEDS, st.sampled_from([Softmax, L2, Sinkhorn]))
def test_rank_of_the_limit_for_opposite_queries_and_keys(seed, law):
    """Q of rank 1 and V positive definite: rank d - 1, above the conserved conditional covariance."""
    rng = np.random.default_rng(seed)
    q, V, start = rng.normal(size=(1, 3)), spd(rng, 3), Gaussian(np.zeros(3), spd(rng, 3))
    law = law(1.0, Q=q, K=-q, V=V)
    said = classify(law, start)
    assert said.answer == "converges" and said.rank == 2 and stationary_check(law, start).lowest == 2
    run = gaussian_flow(law, start, 1e4, rtol=1e-8, converged=None)
    values = np.linalg.eigvalsh(run.final.cov)
    assert values[0] < 1e-2 * values[1]
    assert np.linalg.eigvalsh(run.final.cov - conditional_cov(law, start))[0] > -1e-8
    before, after = lyapunov(law, start), lyapunov(law, run.final)
    assert after[0] < before[0] and before[1] < 0


@FEW
@given(SEEDS)
def test_blow_up_between_its_bounds(seed):
    rng = np.random.default_rng(seed)
    V, start = spd(rng, 2), Gaussian(np.zeros(2), spd(rng, 2))
    A = spd(rng, 2) / 2 + 0.3 * np.array([[0.0, 1.0], [-1.0, 0.0]])
    said = classify(Softmax(Q=A, V=V), start)
    assert said.answer == "blows up" and said.earliest < said.latest
    run = gaussian_flow(Softmax(Q=A, V=V), start, 2 * said.latest, rtol=1e-7)
    assert run.fate is Fate.BLOW_UP and said.earliest <= float(run.time) <= said.latest
    twice = classify(Softmax(Q=-A, V=-V), start)  # only the product counts
    assert twice.answer == "blows up" and twice.latest == pytest.approx(said.latest)


def test_the_direction_of_a_blow_up():
    A, S0 = np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([[2.0, 1.0], [1.0, 2.0]])
    end = gaussian_flow(Softmax(Q=A), Gaussian(np.zeros(2), S0), 1.0, rtol=1e-8).final.cov
    w = blow_up_direction(S0, A)
    np.testing.assert_allclose(end / np.trace(end), np.outer(w, w), atol=1e-5)
    with pytest.raises(InputError, match="no positive eigenvalue"):
        blow_up_direction(S0, -S0)
    with pytest.raises(InputError, match="blows up at"):
        softmax_limit(S0, A)


def test_answers_in_words():
    rng = np.random.default_rng(3)
    start, V, q = Gaussian([1.0, 0.0], spd(rng, 2)), spd(rng, 2), np.array([[1.0, 2.0]])
    skew = np.array([[0.0, 1.0], [-1.0, 0.0]])
    A = -q.T @ q
    round_start = Gaussian([0.0, 0.0], 0.5 * np.eye(2))
    expected = [
        (Softmax(Q=A + 0.1 * skew, V=V), start, "global"),  # ker M is not in ker A
        (Softmax(Q=A, V=V), start, "converges"),
        (Softmax(Q=np.diag([1.0, -1.0]), V=V), start, "unknown"),
        (Softmax(Q=-np.eye(2), V=rng.normal(size=(2, 2))), start, "unknown"),
        (Softmax(Q=np.zeros((2, 2))), start, "converges"),
        (L2(Q=q, K=np.array([[2.0, 1.0]]), V=V), start, "unknown"),
        (L2(Q=rng.normal(size=(2, 2)), K=V, V=skew), start, "global"),
        (Sinkhorn(Q=rng.normal(size=(2, 2)), V=skew), start, "global"),
        (Linear(Q=np.eye(2)), start, "blows up"),
        (MultiHead((Softmax(Q=A), Softmax(Q=-np.eye(2), V=2 * np.eye(2)))), start, "converges"),
        (MultiHead((Softmax(Q=A, V=V), Softmax(Q=np.eye(2), V=skew))), start, "unknown"),
        (MultiHead((Softmax(Q=skew + np.eye(2), V=skew), Softmax(Q=2 * np.eye(2)))), round_start, "blows up"),
        (MultiHead((Softmax(Q=A), L2())), start, "unknown"),
        (Scaled(Softmax(), -1.0), start, "converges"),
    ]
    for law, gaussian, answer in expected:
        said = classify(law, gaussian)
        assert said.answer == answer and said.reason, (law, said)
    said = classify(expected[11][0], round_start)
    c = 2.0  # trace of skew (skew + I) + 2 I is -2 + 4, times 2 / d
    assert said.latest == pytest.approx(1 / (c * 0.5))
    run = gaussian_flow(expected[11][0], round_start, 2.0, rtol=1e-9)
    # the round solution is unstable: rounding has made S oblong by the time that it is 1e6 times as large
    assert float(run.time) == pytest.approx(said.latest, rel=1e-4)
    with pytest.raises(InputError, match="function of time"):
        classify(Softmax(V=lambda t: V), start)
    with pytest.raises(InputError, match="one measure"):
        classify(Softmax(), Gaussian(np.zeros((2, 2)), np.eye(2)))


@pytest.mark.parametrize("law", [Softmax, L2, Sinkhorn])
def test_stationary_on_an_isotropic_line(law):
    """A = diag(1, -1): v = (1, 1) has v^T A v = 0, so S = v v^T is at rest whatever V is."""
    V = np.random.default_rng(1).normal(size=(2, 2))
    law = law(1.0, Q=np.diag([1.0, -1.0]), V=V)
    at_rest = stationary_check(law, Gaussian(np.zeros(2), np.ones((2, 2))))
    assert at_rest.rate < 1e-14 and at_rest.isotropy < 1e-14 and (at_rest.rank, at_rest.lowest, at_rest.highest) == (1, 0, 1)
    moving = stationary_check(law, Gaussian(np.zeros(2), np.eye(2)))
    assert moving.rate > 0.1 and moving.isotropy == pytest.approx(1) and moving.rank == 2


ENERGIES = {
    "softmax": lambda A, c: Softmax(1.0, Q=A, V=c * A),
    "linear": lambda A, c: Linear(1.0, Q=A, V=c * A),
    "sinkhorn": lambda A, c: Sinkhorn(1.0, Q=A, V=c * A, eps=0.7),
    "l2": lambda A, c: L2(0.8, Q=A, K=A, V=c * 0.8 * A.T @ A),
    "l2, opposite": lambda A, c: L2(0.8, Q=-A, K=A, V=c * 0.8 * A.T @ A),
}


@pytest.mark.parametrize("c", [1.0, -2.0])
@pytest.mark.parametrize("name", ENERGIES)
def test_energies_are_gradient_flows(name, c):
    """The rate by differences of the value along the flow, by the chain rule, and as the squared speed."""
    rng = np.random.default_rng(2)
    A, S = spd(rng, 3) - np.eye(3), spd(rng, 3)
    law, mu = ENERGIES[name](A, c), Gaussian(np.zeros(3), S)
    found = gaussian_energy(law, mu)
    assert found is not None and found.residual < 1e-12
    rate, h = covariance_rate(law, mu), 1e-5
    ends = [gaussian_energy(law, Gaussian(np.zeros(3), S + e * rate)) for e in (h, -h)]
    assert (ends[0].value - ends[1].value) / (2 * h) == pytest.approx(found.rate, rel=1e-7)
    assert np.sign(found.rate) == np.sign(found.pace)


def test_no_energy_without_symmetry():
    mu = Gaussian(np.zeros(2), np.eye(2))
    assert gaussian_energy(Softmax(Q=np.array([[1.0, 1.0], [0.0, 1.0]])), mu) is None
    assert gaussian_energy(Softmax(Q=np.diag([1.0, 2.0])), mu) is None
    assert gaussian_energy(L2(Q=np.diag([1.0, 2.0]), V=np.diag([1.0, 2.0])), mu) is None
    assert gaussian_energy(MultiHead((Softmax(), Softmax())), mu) is None


def test_the_published_algorithm_on_a_panel():
    """Rank-one panels: steps as published (medians 166 and 122, 11 to 85 with two heads); then the same starts, integrated."""
    q, starts = np.array([[0.40632365, 0.91372922]]), disc_grid(10, 0.5)
    assert [len(disc_grid(n)) for n in (20, 30, 40)] == [276, 648, 1184] and len(starts) == 100
    for name, heads, steps in (("softmax", 1, 166), ("l2", 1, 122), ("multi-head", 2, None)):
        run = projected_euler(script_law(name, q, -q, np.eye(2), heads=heads), starts, 0.5, tol_low=1e-4)
        assert (run.outcome == "converged").all()
        if steps:
            assert int(np.median(run.iterations)) == steps
        else:
            assert (run.iterations.min(), run.iterations.max()) == (11, 85)
    law = script_law("softmax", q, -q, np.eye(2))
    limits = np.stack([softmax_limit(S, -q.T @ q / 2**0.5) for S in starts])
    script = projected_euler(law, starts, 0.5, tol_low=1e-4)
    traces = [np.trace(S, axis1=1, axis2=2) for S in (script.cov, limits)]
    np.testing.assert_allclose([(T.min(), T.max()) for T in traces], [(0.155, 0.859), (0.1465, 0.8508)], atol=5e-4)
    true = gaussian_flow(law, Gaussian(np.zeros((100, 2)), starts), 1e5, rtol=1e-8, converged=1e-8)
    assert abs(true.final.cov - limits).max() < 1e-4
    with pytest.raises(InputError, match="the script knows"):
        script_law("sigmoid", q, q, np.eye(2))


def test_tokens_behind_an_average():
    """Scores are Gaussian with variance |S^{1/2} A x|^2, and (E e^s)^2 / E e^{2s} = e^{-variance}; the mean of a Gaussian counts too."""
    rng = np.random.default_rng(0)
    m, S, A = np.array([0.5, -1.0]), np.array([[0.3, 0.1], [0.1, 0.2]]), np.array([[0.7, -0.4], [0.2, 0.5]])
    x, y = rng.multivariate_normal(m, S, 200), rng.multivariate_normal(m, S, 100_000)
    share = np.exp(x @ A.T @ y.T)
    exponents = -np.log((share.mean(1) ** 2) / (share**2).mean(1))
    variances = np.einsum("ni,ij,nj->n", x, A.T @ S @ A, x)
    np.testing.assert_allclose(exponents, variances, rtol=0.1, atol=0.01)
    whole = rng.multivariate_normal(m, S, 400_000)
    mean = np.einsum("ni,ij,nj->n", whole, A.T @ S @ A, whole).mean()
    assert effective_sample_size(Gaussian(m, S), A, 50) == pytest.approx(50 * np.exp(-mean), rel=2e-3)
