"""Figures of the literature. Group 11: kinetic merges, staircase. Group 12: exponents. Group 15: fractions. Group 19: no layer norm."""

import json

import numpy as np
import pytest

from measureformer import InputError
from measureformer.dynamics import discrete_front, gamma_curve
from measureformer.experiments.literature import (
    FIGURES,
    Page,
    Settings,
    causal,
    kinetic,
    mode_selection,
    no_layer_norm,
    normalisation,
    random_matrices,
    reproduce,
    staircase,
)
from measureformer.experiments.literature import phase_diagram as phases
from measureformer.experiments.shelf import Shelf, discard_shelf
from measureformer.fields.attention import attention_weights
from measureformer.geometry import normalize


def test_group_11_kinetic_merges_of_flow_and_published_scheme():
    times = [merge.time for merge in kinetic.exact_merges().merges]
    np.testing.assert_allclose(times[:3], [1.267, 2.409, 5.195], atol=1e-3)
    assert times[3] == pytest.approx(328.4, abs=0.1)
    merged, _, energies = kinetic.layered_merges(0.1)
    assert merged[-1] == pytest.approx(364.1, abs=0.11)
    assert (np.diff(energies) > -1e-14).all()


@pytest.mark.parametrize(("beta", "jumps", "end"), [(500.0, (0.0168, 0.0469, 0.1130), 0.1223), (4000.0, (0.0164, 0.0384, 0.0899), 0.0923)])
def test_group_11_staircase(beta, jumps, end):
    tau, energies = staircase.staircase(beta)
    found = staircase.jump_times(tau, energies)
    np.testing.assert_allclose(found[1:4], jumps, atol=1.2e-4)
    assert found[-1] == pytest.approx(end, abs=2e-4)
    if beta == 4000.0:  # on the middle of every plateau but the first
        np.testing.assert_allclose(np.interp([0.008, 0.028, 0.06], tau, energies), staircase.PLATEAUS[1:4], atol=1e-3)


def test_group_11_the_published_staircase_follows_the_exact_one():
    tau, energies = staircase.published_scheme(2000.0)
    exact = np.interp(tau, *staircase.staircase(2000.0))
    assert np.median(abs(energies - exact)) < 2e-3 and abs(energies - exact).max() < 0.05
    assert tau[-1] > 0.09 and energies[-1] == pytest.approx(1, abs=1e-3)


def test_group_12_exponents_by_simulation():
    """Every scheme has -2 against its clock: exp(-2t), exp(-2 alpha t), t^-2, exp(-4 sqrt t). Layers of step 0.02 are within their step."""
    rows = normalisation.equiangular_exponents(horizon=100.0, eta=0.05)
    assert len(rows) == 6
    for name, flow, layers in rows:
        assert flow == pytest.approx(-2, abs=0.03), name
        assert layers == pytest.approx(-2, abs=0.06), name


@pytest.mark.parametrize(("d", "beta"), [(2, 4.0), (8, 6.0)])
def test_group_15_fractions_in_small(d, beta):
    times, samples = np.array(phases.REFERENCE_TIMES), 96
    mean, error, counts = phases.gathered_pairs(np.random.default_rng(0), d, np.array([beta]), times, samples)
    for found, known in zip(mean[:, 0], phases.REFERENCE[d, beta], strict=True):
        assert abs(found - known) < 3 * phases.standard_error(known, samples)
    assert (error < 0.03).all() and np.median(counts) == {2: 2, 8: 3}[d]


def test_group_15_dense_and_gram_agree_and_the_front_is_sharp_in_high_dimension(monkeypatch):
    betas, times = np.array([6.0, 7.5]), np.array([30.0])
    mean, *_ = phases.gathered_pairs(np.random.default_rng(1), 4096, betas, times, 2)
    np.testing.assert_array_equal(mean, [[1.0, 0.0]])
    assert betas[0] < discrete_front(30.0, 32, 0.1) < betas[1]
    sparse = phases.gathered_pairs(np.random.default_rng(2), 8, np.array([4.0]), np.array([10.0]), 200)[0]
    monkeypatch.setattr(phases, "_DENSE", 2)
    gram = phases.gathered_pairs(np.random.default_rng(3), 8, np.array([4.0]), np.array([10.0]), 200)[0]
    assert abs(sparse - gram).max() < 4 * np.hypot(0.224, 0.224) / np.sqrt(200)


def test_a_killed_phase_diagram_goes_on(tmp_path):
    """The second run takes what the first one finished, and nothing else; the result is that of one run."""
    betas, times = np.array([1.0, 4.0, 9.0]), np.array([0.0, 2.0, 5.0])

    def run(parts, progress=None):
        return phases.gathered_pairs(np.random.default_rng(0), 2, betas, times, 64, parts=parts, progress=progress)

    def kill(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Shelf(tmp_path / "parts", {"seed": 0}), kill)
    assert (tmp_path / "parts" / "d2-beta0.npz").is_file()
    (tmp_path / "parts" / "d2-beta2.npz").unlink(missing_ok=True)
    stored = Shelf(tmp_path / "parts", {"seed": 0})
    marked = {**(stored.load("d2-beta0") or {}), "error": np.full(3, 7.0)}
    stored.save("d2-beta0", marked)
    again, whole = run(stored), run(None)
    np.testing.assert_array_equal(again[0], whole[0])
    np.testing.assert_array_equal(again[1][:, 0], 7)
    np.testing.assert_array_equal(again[1][:, 1:], whole[1][:, 1:])
    np.testing.assert_array_equal(again[2], whole[2])
    with pytest.raises(InputError, match="other parameters"):
        Shelf(tmp_path / "parts", {"seed": 1})
    discard_shelf(tmp_path / "parts")
    assert not (tmp_path / "parts").exists()


def test_fronts_begin_at_the_lowest_beta_and_end_at_the_horizon():
    flow, steps = phases._fronts(0.1)
    for front, end in ((flow, gamma_curve(30.0, 32)), (steps, discrete_front(30.0, 32, 0.1))):
        assert front.y[0] == 0.1 and front.x[-1] == pytest.approx(30, abs=1e-6) and front.y[-1] == pytest.approx(end, abs=1e-9)
        assert (np.diff(front.x) > 0).all()
    np.testing.assert_allclose(np.interp(10.0, steps.x, steps.y), discrete_front(10.0, 32, 0.1), atol=2e-2)


def test_graphs_are_counted_apart():
    near = np.zeros((3, 4, 4), bool) | np.eye(4, dtype=bool)
    near[1, 0, 3] = near[2, 0, 1] = near[2, 1, 2] = near[2, 2, 3] = True
    np.testing.assert_array_equal(phases._components(near | near.swapaxes(1, 2)), [4, 3, 1])


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 8])
def test_group_15_the_table(d):
    betas = np.array([beta for dimension, beta in phases.REFERENCE if dimension == d])
    mean, *_ = phases.gathered_pairs(np.random.default_rng(d), d, betas, np.array(phases.REFERENCE_TIMES), 1024)
    for column, beta in enumerate(betas.tolist()):
        for found, known in zip(mean[:, column], phases.REFERENCE[d, beta], strict=True):
            assert abs(found - known) < 3 * phases.standard_error(known, 1024)


@pytest.mark.parametrize("seed", range(3))
def test_group_19_hulls_are_nested(seed):
    """V = I: max_i <z_i, u> never grows, for any u; and tokens end where |z|^2 = max_j <z, z_j>."""
    rng = np.random.default_rng(seed)
    _, z = no_layer_norm.rescaled_run(np.eye(2), rng.uniform(-5, 5, (12, 2)), 6.0, saves=24)
    u = normalize(rng.normal(size=(200, 2)))
    support = (z @ u.T).max(1)
    assert (np.diff(support, axis=0) < 1e-6).all()
    end = z[-1]
    assert ((end @ end.T).max(1) - (end * end).sum(1) <= 0.02 * (end * end).sum(1).max()).mean() > 0.8


@pytest.mark.parametrize("seed", range(3))
def test_group_19_attention_is_boolean_in_one_dimension(seed):
    """V > 0, Q K > 0: at most one row is not a unit vector, and only the two extreme tokens are looked at."""
    z = no_layer_norm.rescaled_run(np.eye(1), np.random.default_rng(seed).uniform(-5, 5, (15, 1)), 9.0)[1][-1]
    P = attention_weights(np.exp(9.0) * z, np.exp(9.0) * z, np.full(15, 1 / 15), np.eye(1))
    assert no_layer_norm.boolean_rows(P) >= 14
    looked_at = set(P[P.max(1) > 0.99].argmax(1).tolist())
    assert looked_at <= {int(z.argmin()), int(z.argmax())}


@pytest.mark.parametrize("name", no_layer_norm.TRIPLES)
def test_group_19_at_most_three_hyperplanes(name):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        V, dual = no_layer_norm.value_matrix(rng, no_layer_norm.TRIPLES[name])
        top = max(np.linalg.eigvals(V), key=abs)
        np.testing.assert_allclose(V.T @ dual, top.real * dual, atol=1e-10)
        heights = no_layer_norm.rescaled_run(V, rng.uniform(-5, 5, (20, len(V))), 8.0, saves=2)[1] @ dual
        count, width = no_layer_norm.levels(heights[-1], 0.1 * float(np.ptp(heights[0])))
        assert count <= 3 and width < 0.02 * np.ptp(heights[0])


def test_the_fastest_mode_wins_when_it_has_a_start():
    run = mode_selection.quiet_start(5.0, 0.6, 0, particles=256, saves=2)
    masses = mode_selection.cluster_masses(run.theta[-1], run.weights[-1])
    assert len(masses) == 3 and masses.sum() > 0.9
    ends = mode_selection.predicted_angles(run.theta[0], run.weights[0], 3)
    gap = abs(np.exp(1j * run.theta[-1][:, None]) - np.exp(1j * ends)).min(1)
    assert np.median(gap) < 0.3


def test_clusters_of_angles():
    theta, w = np.array([0.0, 0.01, 3.0, 6.28]), np.array([0.3, 0.3, 0.39, 0.01])
    np.testing.assert_allclose(np.sort(mode_selection.cluster_masses(theta, w)), [0.39, 0.61])


def test_causal_tokens_follow_the_spectrum():
    x = normalize(np.random.default_rng(0).normal(size=(10, 3)))
    end = causal.causal_run(x, 1.0, [40.0])[-1]
    np.testing.assert_allclose(end, np.broadcast_to(x[0], end.shape), atol=1e-6)  # V = I: all to the first token
    end = causal.causal_run(x, 1.0, [40.0], np.diag([1.0, 0.2, -0.4]))[-1]
    np.testing.assert_allclose(abs(end[:, 0]), 1, atol=1e-6)
    assert causal.consumed(end, end[:1]) <= 1


def test_random_matrices_have_their_symmetries():
    rng = np.random.default_rng(0)
    B, V = random_matrices.draw_matrices(rng, "d", 16)
    np.testing.assert_allclose(B, B.T)
    np.testing.assert_allclose(V, B / 4)
    B, V = random_matrices.draw_matrices(rng, "c", 16)
    np.testing.assert_allclose(V, B.T / 4)
    assert np.linalg.eigvalsh(random_matrices.draw_matrices(rng, "b", 16)[1]).min() > -1e-12
    share = random_matrices.gathered(rng, "a", np.array([1.0]), np.array([0.0, 12.0]), 2, n=8, d=32)
    assert share[0, 0] == 0 and share[1, 0] > 0.5


@pytest.mark.slow
@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_a_page(name):
    page = reproduce(name, Settings(seed=1))
    assert isinstance(page, Page) and page.name == name
    assert page.statement and page.parameters and page.defects and page.pictures
    json.dumps(page.numbers, allow_nan=False)
    for table in page.tables:
        assert table.rows and all(len(row) == len(table.columns) for row in table.rows)


def test_an_unknown_figure_is_named():
    with pytest.raises(InputError, match="did you mean 'kinetic'"):
        reproduce("kinetics")
