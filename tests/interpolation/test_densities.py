"""Sources that are samples of densities: what counts is where fresh samples go."""

import numpy as np
import pytest

from instances import cap, normal_densities, three_caps
from measureformer import Empirical, flow, interpolate, wasserstein2
from measureformer.flows import boost
from measureformer.geometry import normalize
from measureformer.interpolation import make_task
from measureformer.interpolation.cells import plan_cells, quantise_targets


def fresh_distances(result, sources, targets) -> list[float]:
    """W_2 after the schedule and after the network."""
    moved = flow(result.schedule, sources).measures
    layered = [Empirical(result.network(mu.points, mu.weights)) for mu in sources]
    return [wasserstein2(mu, nu).value for ms in (moved, layered) for mu, nu in zip(ms, targets, strict=True)]


@pytest.mark.parametrize("apart", [0.25, 1.2])
def test_three_overlapping_densities(apart):
    result = interpolate(*three_caps(1000, 0, apart=apart), eps=0.1)
    assert result.strategy == "cells" and len(result.schedule) <= 600
    assert max(fresh_distances(result, *three_caps(1000, 1, apart=apart))) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("eps", "segments"), [(0.09, 1200), (0.05, 1500)])
def test_three_overlapping_densities_at_full_size(eps, segments):
    """The acceptance row: 3000 samples each; W_2 on fresh samples within eps for every pair."""
    result = interpolate(*three_caps(3000, 0), eps=eps)
    assert len(result.schedule) <= segments and result.schedule.width == 3
    assert max(fresh_distances(result, *three_caps(3000, 1))) <= eps


@pytest.mark.slow
def test_atom_by_atom_matching_does_not_generalise():
    """The same task, matched singly: exact on the samples planned on, and of no use on fresh ones. This is why cells exist."""
    sources, targets = three_caps(100, 2)
    compact = interpolate(sources, targets, eps=0.1, strategy="compact")
    assert max(fresh_distances(compact, sources, targets)) < 1e-6
    assert max(fresh_distances(compact, *three_caps(100, 3))) > 0.3


def test_the_noise_of_the_means_is_taken_out():
    """Sources that are pushed aside by 0.03 rad arrive all the same, though clustering magnifies the push about thirty times."""
    sources, targets = three_caps(1000, 3)
    result = interpolate(sources, targets, eps=0.1)
    assert {"cluster", "recentre", "unroll", "flatten"} <= set(result.schedule.segments_by_phase())
    rng = np.random.default_rng(3)
    pushed = [mu.moved(boost(mu.points, 0.02 * rng.normal(size=3))) for mu in sources]
    before = max(fresh_distances(result, sources, targets))
    assert max(fresh_distances(result, pushed, targets)) <= 1.5 * before


def test_equal_means_and_equal_second_moments():
    """A disc and the ring with the same mean and the same inertia: only a bend tells them apart."""
    rng = np.random.default_rng(0)

    def sample(n):
        angle = rng.uniform(0, 2 * np.pi, (n, 1))
        polar = 0.42 + 0.02 * rng.uniform(size=(n, 1))
        ring = np.hstack([np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)])
        return [Empirical(cap(np.array([0.0, 0.0, 1.0]), 0.6, n, rng)), Empirical(ring)]

    targets = [Empirical(cap(normalize(np.array([s, 0.0, -0.2])), 0.5, 1500, rng)) for s in (1.0, -1.0)]
    result = interpolate(sample(1500), targets, eps=0.12)
    assert result.schedule.segments_by_phase()["bend"] == 1
    assert max(fresh_distances(result, sample(1500), targets)) <= 0.12


@pytest.mark.slow
def test_eight_measures_on_the_sphere():
    """N = 8, d = 3: eight means in the plane, told apart by as wide gaps as there are."""
    rng = np.random.default_rng(3)
    centers = [normalize(np.eye(3)[0] + 0.4 * normalize(rng.normal(size=3))) for _ in range(8)]
    goals = [normalize(-np.eye(3)[0] + 0.9 * normalize(rng.normal(size=3))) for _ in range(8)]

    def sample():
        return [[Empirical(cap(c, 0.7, 2000, rng)) for c in side] for side in (centers, goals)]

    result = interpolate(*sample(), eps=0.14)
    assert max(fresh_distances(result, *sample())) <= 0.14


@pytest.mark.slow
def test_higher_dimensions_against_the_quantisation_floor():
    """d = 8, N = 4, normal densities: never worse than 1.5 times what the same number of cells leaves on fresh samples."""
    sources, targets = normal_densities(8, 4, 1000, 0)
    new = normal_densities(8, 4, 1000, 1)
    result = interpolate(sources, targets, eps=0.4)
    task = make_task([(i, mu, nu) for i, (mu, nu) in enumerate(zip(sources, targets, strict=True))])
    floors = [wasserstein2(q.measure, nu).value for q, nu in zip(quantise_targets(task, 0.4), new[1], strict=True)]
    for reached, floor in zip(fresh_distances(result, *new), floors * 2, strict=True):
        assert reached <= 1.5 * floor


def test_mixtures_of_densities_and_atoms():
    """A density, four unequal atoms, and a density with half its mass in one atom, all at once. Every atom stays whole."""
    rng = np.random.default_rng(1)
    north = np.eye(3)[2]
    weights = [None, [0.5, 0.2, 0.2, 0.1], np.append(np.full(599, 0.5 / 599), 0.5)]
    centers = [north, normalize(np.array([0.3, 0.0, 1.0])), normalize(np.array([0.0, 0.4, 1.0]))]

    def clouds(sign):
        points = [cap(sign * centers[0], 0.6, 800, rng), cap(sign * centers[1], 0.6, 4, rng)]
        points.append(np.vstack([cap(sign * centers[2], 0.5, 599, rng), [sign * north]]))
        return [Empirical(x, w) for x, w in zip(points, weights, strict=True)]

    sources, targets = clouds(1), clouds(-1)
    result = interpolate(sources, targets, eps=0.12, strategy="cells")
    reached = [wasserstein2(mu, nu).value for mu, nu in zip(flow(result.schedule, sources).measures, targets, strict=True)]
    assert max(reached) <= 0.12 and reached[1] < 0.01


def test_too_few_cells_are_said(monkeypatch):
    """An eps that no allowed number of cells reaches is not promised: the plan says what would be needed."""
    from measureformer.interpolation import cells

    monkeypatch.setattr(cells, "MOST_CELLS", 30)
    task = make_task([(i, mu, nu) for i, (mu, nu) in enumerate(zip(*three_caps(400, 4), strict=True))])
    plan = plan_cells(task, eps=0.05)
    assert plan is not None and plan.matching.errors.max() > 0.05
    assert any("out of reach: 10 cells leave" in note for note in plan.notes)


def test_many_samples_of_a_measure_that_fills_the_sphere():
    """Appendix A with cells: one atom of 5000 is given up."""
    rng = np.random.default_rng(0)
    source, target = (Empirical(normalize(rng.normal(size=(5000, 3)))) for _ in range(2))
    result = interpolate([source], [target], eps=0.5)
    assert result.strategy == "cells" and result.schedule.segments_by_phase()["clear"] == 1
    assert any("given up" in note for note in result.plan.notes)
    rows = slice(None, None, 5)
    moved = flow(result.schedule, [source]).measures[0]
    assert wasserstein2(Empirical(moved.points[rows]), Empirical(target.points[rows])).value <= 0.5
