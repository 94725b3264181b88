"""Panels and histograms of covariances: the published counts, and the flow beside them."""

import numpy as np
import pytest

from measureformer import InputError
from measureformer.experiments.literature import covariance_panels as panels
from measureformer.experiments.literature import rank_histograms, rank_runs
from measureformer.gaussian import Fate, projected_euler, softmax_blow_up, softmax_limit
from measureformer.gaussian.stationary import heads_of

CASES = [(group, case) for group in panels.GROUPS for case in group.cases]
SMALL = [pair for pair in CASES if pair[0].title in ("to zero", "to a line of rank one, or to a plane")]


def by_file(pair):
    return pair[1].file


def plain_loop(law, S, h, low, high=1e3, most=10_000):
    """The script for one covariance: |S'| is looked at before a step, the trace after it."""
    for step in range(most):
        half = law.on_gaussian(np.zeros(len(S)), S, 0.0)[1] @ S
        rate = half + half.T
        if np.linalg.norm(rate) < low:
            return "converged", step, S
        S = S + h * rate
        values, vectors = np.linalg.eigh(S)
        if values[0] < 0:
            S = vectors @ np.diag(np.where(values < 0, 1e-14, values)) @ vectors.T
        if np.trace(S) > high:
            return "diverged", step, S
    return "max_iter", most, S


@pytest.mark.parametrize("pair", SMALL[4:], ids=by_file)
def test_small_panels_have_the_published_counts(pair):
    assert panels.counts(panels.script_run(*pair, pair[0].starts)) == pair[1].counts


@pytest.mark.slow
@pytest.mark.parametrize("pair", CASES, ids=by_file)
def test_all_panels_have_the_published_counts(pair):
    assert panels.counts(panels.script_run(*pair, pair[0].starts)) == pair[1].counts


@pytest.mark.parametrize("pair", [pair for pair in CASES if pair[1].h > 0.005 and pair[0].title != "to zero"], ids=by_file)
def test_a_batch_counts_the_steps_of_a_plain_loop(pair):
    group, case = pair
    starts = group.starts[:: len(group.starts) // 3]
    run = projected_euler(panels.law_of(group, case), starts, case.h, tol_low=group.tolerance, tol_high=case.high, max_iter=300)
    for k, S in enumerate(starts):
        outcome, step, _ = plain_loop(panels.law_of(group, case), S, case.h, group.tolerance, case.high, 300)
        assert (run.outcome[k], run.iterations[k]) == (outcome, step)


def test_weights_of_the_panels():
    np.testing.assert_allclose(panels.shrinking()[0], [[0.45805, 0.30835], [0.23149, 0.27742]], atol=1e-5)
    np.testing.assert_allclose(panels.shrinking()[2], [[2.66938, -0.69153], [-0.69153, 2.68745]], atol=1e-5)
    np.testing.assert_allclose(panels.one_query()[0], [[0.40632365, 0.91372922]], atol=1e-8)
    for weights, values in ((panels.mixed, (-3.321, 0.740)), (panels.growing, (0.16145, 4.02715))):
        Q, K, _ = weights()
        np.testing.assert_allclose(np.linalg.eigvalsh(K.T @ Q + Q.T @ K), values, atol=1e-3)
    np.testing.assert_allclose(panels.both_signs()[2], [[1.8318, -0.3769], [0.3481, -0.1163]], atol=1e-4)


def test_growth_blows_up_when_the_closed_form_says():
    group, case = next(pair for pair in CASES if pair[1].file == "trad_explosion")
    starts = group.starts[::100]
    flow = panels.true_flow(group, case, starts)
    assert (flow.fates == Fate.BLOW_UP).all()
    A = heads_of(panels.law_of(group, case), 2)[0][1]
    np.testing.assert_allclose(flow.time, [softmax_blow_up(S, A) for S in starts], rtol=1e-6)
    assert panels.answers(group, case, starts) == {"blows up": len(starts)}


def test_two_lines_are_where_a_vanishes():
    """Every limit has rank one, on v with <v, A v> = 0, also from the starts that the script gives up."""
    for group, case in CASES:
        if "mixed" in case.file:
            flow = panels.true_flow(group, case, group.starts[::25])
            assert (flow.fates == Fate.CONVERGED).all()
            top = np.linalg.eigh(flow.final.cov)[1][:, :, -1]
            angles = np.degrees(np.arctan2(top[:, 1], top[:, 0])) % 180
            assert abs(angles[:, None] - [121.856, 172.401]).min(1).max() < 0.05


@pytest.mark.slow
def test_what_the_script_calls_divergent_under_l2_comes_to_rest():
    """All 648 starts of L2_both, three of them at a trace above 4,000; the covariance then has rank one."""
    group, case = next(pair for pair in CASES if pair[1].file == "L2_both")
    flow = panels.true_flow(group, case, group.starts)
    trace = np.trace(flow.final.cov, axis1=1, axis2=2)
    assert (flow.rate < panels.REST * np.maximum(trace, 1)).all() and (trace > 4_000).sum() == 3
    assert set(flow.fates) <= {Fate.CONVERGED, Fate.HORIZON}


def test_disc_and_cone():
    S = np.array([[[2.0, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]])
    np.testing.assert_allclose(panels.in_disc(S), [[1, 0], [0, 0]])
    np.testing.assert_allclose(panels.in_cone(S), [[2, 0], [2, 2]])


def test_a_chain_is_that_of_a_loop_over_single_runs(monkeypatch):
    """Runs that fail keep their matrices and take the next covariance; with a loose tolerance and few steps, both kinds of failure."""
    monkeypatch.setitem(rank_runs.SCRIPT, ("softmax", "GᵀG"), ((0.09, 0.06, 0.02), 0.2, 100))
    block, S, i, found = rank_runs.block("softmax", "GᵀG", 4), rank_runs.starts(4, 999), 0, []
    while i < 10:
        law = rank_runs.script_law("softmax", block.Q[i], -block.Q[i], block.V[i])
        outcome, step, _ = plain_loop(law, S[len(found)], block.step, 0.2, most=100)
        found.append((i, outcome, step))
        i += outcome == "converged"
    chain = rank_runs.published_chain(block, 10)
    assert {outcome for _, outcome, _ in found} == {"converged", "diverged", "max_iter"}
    assert list(zip(chain.matrices.tolist(), chain.run.outcome, chain.run.iterations.tolist(), strict=True)) == found


def test_a_histogram_with_the_published_counts():
    chain = rank_runs.published_chain(rank_runs.block("l2", "I", 3))
    assert rank_histograms.tally(chain) == rank_histograms.PUBLISHED["l2", "I", 3]


@pytest.mark.slow
@pytest.mark.parametrize("key", rank_histograms.PUBLISHED, ids=str)
def test_all_histograms_have_the_published_counts(key):
    assert rank_histograms.tally(rank_runs.published_chain(rank_runs.block(*key))) == rank_histograms.PUBLISHED[key]


@pytest.mark.parametrize("key", [("softmax", "I", 3), ("l2", "I", 5), ("softmax", "GᵀG", 3)], ids=str)
def test_limits_have_the_rank_of_what_is_kept(key):
    d, block = key[2], rank_runs.block(*key)
    true = rank_runs.true_runs(block, 6)
    assert (true.kept == d - d // 2).all() and (true.theorem == d - d // 2).all() and (true.fates == Fate.CONVERGED).all()
    if true.exact is not None:
        np.testing.assert_allclose(true.exact[0], softmax_limit(rank_runs.starts(d, 1)[0], -block.Q[0].T @ block.Q[0]), atol=1e-10)
        assert abs(true.cov - true.exact).max() < 0.05
    assert np.median(true.steps) <= 30


@pytest.mark.parametrize("key", rank_histograms.PUBLISHED, ids=str)
def test_every_limit_has_rank_half_of_d(key):
    true = rank_runs.true_runs(rank_runs.block(*key))
    assert (true.limit_ranks == key[2] - key[2] // 2).all()
    assert true.steps.max() <= 30 and (true.fates == Fate.CONVERGED).all()


def test_no_other_dimension():
    with pytest.raises(InputError, match="3, 4 and 5"):
        rank_runs.block("l2", "I", 6)
