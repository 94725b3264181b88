"""Group 11: the merges of kinetic.py and the plateaus of the staircase; the coarsened flow is the flow."""

import numpy as np
import pytest

from measureformer import Empirical, InputError, Schedule, Segment, TransformerField, flow
from measureformer.diagnostics import clusters, energy_gradient, interaction_energy
from measureformer.dynamics import coarsen, pair_time
from measureformer.flows import integrate_ode
from measureformer.geometry import distance, normalize

KINETIC = [0.0622, 0.2143, 1.8191, 2.9111, -3.0952]
# The clock of the published picture at the levels 0.36, 0.48, 0.76 of the energy, and at the end.
STAIRCASE = {
    500.0: [0.0168, 0.0469, 0.1130, 0.1223],
    1000.0: [0.0175, 0.0442, 0.1050, 0.1109],
    2000.0: [0.0171, 0.0412, 0.0970, 0.1008],
    4000.0: [0.0164, 0.0384, 0.0899, 0.0923],
}


def circle(angles):
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_group_11_kinetic():
    """First contacts at cosine 0.999; the last one, 328.405, agrees with the integration of the five angles below."""
    run = coarsen(Empirical(circle(KINETIC)), 4.0, 400.0)
    assert run.complete and run.measure.size == 1
    assert [merge.parts for merge in run.merges] == [((0,), (1,)), ((3,), (4,)), ((2,), (3, 4)), ((0, 1), (2, 3, 4))]
    np.testing.assert_allclose([merge.time for merge in run.merges], [1.2666, 2.4091, 5.1949, 328.4053], atol=1.5e-3)
    np.testing.assert_allclose([merge.time for merge in run.merges[:3]], [1.267, 2.409, 5.195], atol=6e-4)
    plateau = run.energies[(run.times > 20) & (run.times < 100)]
    assert 0.5202 <= plateau.min() and plateau.max() <= 0.5211
    assert [merge.mass for merge in run.merges] == pytest.approx([0.4, 0.4, 0.6, 1.0])
    assert [merge.clusters for merge in run.merges] == [4, 3, 2, 1]
    assert np.all(np.diff(run.energies) > -1e-12) and np.all(np.diff(run.times) >= 0)


def test_group_11_kinetic_without_coarsening():
    field, w = TransformerField(V=np.eye(2), B=4 * np.eye(2)), np.full(5, 0.2)
    mu = Empirical(circle(KINETIC))
    end = integrate_ode(lambda x: field(x, x, w), mu.points, 328.0, rtol=1e-11, atol=1e-11).value
    run = coarsen(mu, 4.0, 328.0)
    assert run.reached == 328 and run.complete and run.times[-1] == 328
    np.testing.assert_allclose(run.measure.points[run.labels], end, atol=2e-6)


@pytest.mark.parametrize("beta", [500.0, 4000.0, *(pytest.param(beta, marks=pytest.mark.slow) for beta in (1000.0, 2000.0))])
def test_group_11_staircase(beta):
    """Plateaus at sums of (m/5)^2 over times up to 10^132, and the jumps in the clock length / log(beta) of the picture."""
    reach = np.log(2000) / np.sqrt(2000)
    run = coarsen(Empirical(circle(0.5 * reach * np.array([0, 0.5, 2, 4, 7]))), beta, np.inf, law="peak", angle=1e-3)
    assert run.complete
    np.testing.assert_allclose([merge.energy for merge in run.merges], [0.28, 0.44, 0.52, 1], atol=2e-3)
    clock = np.sqrt(5) * run.lengths / np.log(beta)
    jumps = [float(np.interp(level, run.energies, clock)) for level in (0.36, 0.48, 0.76)]
    np.testing.assert_allclose([*jumps, clock[-1]], STAIRCASE[beta], atol=1.6e-4)
    assert run.times[-1] > {500.0: 1e14, 1000.0: 1e31, 2000.0: 1e64, 4000.0: 1e131}[beta]


@pytest.mark.parametrize("law", ["softmax", "unnormalised", "peak"])
def test_two_tokens_merge_when_the_closed_form_says(law):
    for beta, masses in [(9.0, (0.5, 0.5)), (16.0, (0.7, 0.3))]:
        mu = Empirical(np.eye(3)[:2], np.array(masses))
        run = coarsen(mu, beta, np.inf, law=law)
        assert run.merges[0].time == pytest.approx(pair_time(0.999, beta, masses=masses, law=law), rel=1e-8)
        assert run.merges[0].energy == pytest.approx(
            interaction_energy(circle([0.0, np.arccos(0.999)]), beta, mu.weights, normalisation="unit")
        )


@pytest.mark.parametrize("law", ["softmax", "unnormalised"])
def test_the_coarsened_flow_is_the_flow(law):
    rng, beta = np.random.default_rng(5), 6.0
    mu = Empirical(normalize(rng.normal(size=(12, 3))), rng.uniform(0.5, 1, 12))
    horizon = 25.0 if law == "softmax" else 1.0
    field = TransformerField(V=np.eye(3), B=beta * np.eye(3))
    if law == "softmax":
        end = flow(Schedule([Segment(field, horizon)]), [mu]).measures[0].points
    else:
        end = normalize(integrate_ode(lambda x: energy_gradient(x, beta, mu.weights), mu.points, horizon).value)
    run = coarsen(mu, beta, horizon, law=law)
    assert run.complete and run.times[-1] == horizon
    assert 1 < run.measure.size < 12
    assert distance(run.measure.points[run.labels], end).max() < 1e-5
    np.testing.assert_allclose(np.bincount(run.labels, mu.weights), run.measure.weights)
    assert run.merges[-1].clusters == clusters(end, np.arccos(0.999)).count


def test_what_never_moves_and_what_stops_early():
    opposite = Empirical(np.array([[1.0, 0.0], [-1.0, 0.0]]))
    rest = coarsen(opposite, 2.0, 50.0)
    assert rest.complete and rest.reached == 50 and rest.measure.size == 2 and not rest.merges
    assert not coarsen(Empirical(np.eye(2)), 1e4, np.inf).complete  # e^{-10000} is 0 in float64
    early = coarsen(Empirical(np.eye(2)), 9.0, np.inf, max_steps=3)
    assert not early.complete and early.measure.size == 2 and early.reached < 466
    same = coarsen(Empirical(np.tile(np.eye(2)[:1], (3, 1))), 2.0, 5.0)
    assert same.measure.size == 1 and same.complete and same.reached == 0
    for call, word in [
        (lambda: coarsen(opposite, -1.0, 5.0), "positive"),
        (lambda: coarsen(opposite, 1.0, 5.0, tol=1e-12), "tol"),
        (lambda: coarsen(opposite, 1.0, 5.0, law="sigmoid"), "choose one of"),
        (lambda: coarsen(Empirical(np.eye(2)), 2000.0, 5.0, law="unnormalised"), "law='peak'"),
    ]:
        with pytest.raises(InputError, match=word):
            call()


@pytest.mark.slow
def test_a_thousand_tokens_until_three_clusters_have_waited_for_each_other():
    """beta = 9 up to e^9: some 230 steps, since their length is that of the fastest atom, and clusters become atoms at time 15 to 20."""
    run = coarsen(Empirical(normalize(np.random.default_rng(0).normal(size=(1000, 3)))), 9.0, np.exp(9.0), max_steps=400)
    assert run.complete and run.measure.size <= 3 and run.merges[-1].clusters == run.measure.size
    assert (np.diff(run.energies) > -1e-12).all() and run.atoms[run.times > 30].max() < 10
