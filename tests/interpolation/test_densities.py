"""Sources that are samples of densities: what counts is where fresh samples go."""

import numpy as np
import pytest

from instances import cap
from measureformer import Empirical, flow, interpolate, wasserstein2
from measureformer.geometry import exp, normalize, tangent
from measureformer.interpolation import make_task
from measureformer.interpolation.cells import plan_cells, quantise_targets


def three_caps(n: int, rng: np.random.Generator, apart: float = 0.25):
    """Three overlapping densities: caps of radius 0.6, centres 0.25 apart; targets of radius 0.5 opposite."""
    north, turns = np.array([0.0, 0.0, 1.0]), 2 * np.pi * np.arange(3) / 3
    ways = np.stack([np.cos(turns), np.sin(turns), np.zeros(3)], axis=1) / np.sqrt(3)
    centers, goals = exp(np.broadcast_to(north, (3, 3)), 0.25 * ways), -exp(np.broadcast_to(north, (3, 3)), apart * ways)
    return [cap(c, 0.6, n, rng) for c in centers], [cap(c, 0.5, n, rng) for c in goals]


def fresh_distances(result, sources, targets) -> list[float]:
    """W_2 after the schedule and after the network."""
    measures = [Empirical(x) for x in sources]
    moved = flow(result.schedule, measures).measures
    layered = [Empirical(result.network(mu.points, mu.weights)) for mu in measures]
    return [wasserstein2(mu, Empirical(y)).value for ms in (moved, layered) for mu, y in zip(ms, targets, strict=True)]


def planned(sources, targets, eps, **options):
    return interpolate([Empirical(x) for x in sources], [Empirical(y) for y in targets], eps=eps, **options)


@pytest.mark.parametrize("apart", [0.25, 1.2])
def test_three_overlapping_densities(apart):
    rng = np.random.default_rng(0)
    result = planned(*three_caps(1000, rng, apart), eps=0.1)
    assert result.strategy == "cells" and len(result.schedule) <= 600
    assert max(fresh_distances(result, *three_caps(1000, rng, apart))) <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize(("eps", "segments"), [(0.09, 1200), (0.05, 1500)])
def test_three_overlapping_densities_at_full_size(eps, segments):
    """The acceptance row: 3000 samples each; W_2 on fresh samples within eps for every pair."""
    rng = np.random.default_rng(1)
    result = planned(*three_caps(3000, rng), eps=eps)
    assert len(result.schedule) <= segments and result.schedule.width == 3
    assert max(fresh_distances(result, *three_caps(3000, rng))) <= eps


def test_atom_by_atom_matching_does_not_generalise():
    """The same task, matched singly: exact on the samples planned on, and of no use on fresh ones. This is why cells exist."""
    rng = np.random.default_rng(2)
    sources, targets = three_caps(100, rng)
    compact = planned(sources, targets, 0.1, strategy="compact")
    assert max(fresh_distances(compact, sources, targets)) < 1e-6
    assert max(fresh_distances(compact, *three_caps(100, rng))) > 0.3


def test_the_noise_of_the_means_is_taken_out():
    """Two samples whose means differ by 3 % of the radius along c arrive at the same slabs: recentring forgets the difference."""
    rng = np.random.default_rng(3)
    sources, targets = three_caps(1000, rng)
    result = planned(sources, targets, 0.1)
    assert {"cluster", "recentre", "unroll", "flatten"} <= set(result.schedule.segments_by_phase())
    turned = [normalize(x + 0.02 * tangent(x, np.broadcast_to(rng.normal(size=3), x.shape))) for x in sources]
    before = max(fresh_distances(result, sources, targets))
    assert max(fresh_distances(result, turned, targets)) <= 1.15 * before


def test_equal_means_and_equal_second_moments():
    """A disc and the ring with the same mean and the same inertia: only a bend tells them apart."""
    rng = np.random.default_rng(0)

    def sample(n):
        angle = rng.uniform(0, 2 * np.pi, (n, 1))
        polar = 0.42 + 0.02 * rng.uniform(size=(n, 1))
        ring = np.hstack([np.sin(polar) * np.cos(angle), np.sin(polar) * np.sin(angle), np.cos(polar)])
        return [cap(np.array([0.0, 0.0, 1.0]), 0.6, n, rng), ring]

    targets = [cap(normalize(np.array([s, 0.0, -0.2])), 0.5, 1500, rng) for s in (1.0, -1.0)]
    result = planned(sample(1500), targets, eps=0.12)
    assert result.schedule.segments_by_phase()["bend"] == 1
    assert max(fresh_distances(result, sample(1500), targets)) <= 0.12


def test_eight_measures_on_the_sphere():
    """N = 8, d = 3: along one direction eight means are too close for samples of 1000; in lanes they are not."""
    rng = np.random.default_rng(3)
    centers = [normalize(np.eye(3)[0] + 0.4 * normalize(rng.normal(size=3))) for _ in range(8)]
    goals = [normalize(-np.eye(3)[0] + 0.9 * normalize(rng.normal(size=3))) for _ in range(8)]

    def sample():
        return [cap(c, 0.7, 1000, rng) for c in centers], [cap(c, 0.7, 1000, rng) for c in goals]

    result = planned(*sample(), eps=0.14)
    assert "lanes" in result.schedule.segments_by_phase()
    assert max(fresh_distances(result, *sample())) <= 0.14


def test_higher_dimensions_against_the_quantisation_floor():
    """d = 8, N = 4, normal densities: never worse than 1.5 times what the same number of cells leaves on fresh samples."""
    rng = np.random.default_rng(1)
    d = 8
    centers = [normalize(np.eye(d)[0] + 0.4 * rng.normal(size=d) / np.sqrt(d)) for _ in range(4)]
    goals = [normalize(-np.eye(d)[0] + 0.8 * rng.normal(size=d) / np.sqrt(d)) for _ in range(4)]

    def normal(center, n, size):
        at = np.broadcast_to(center, (n, d))
        return exp(at, tangent(at, size * rng.normal(size=(n, d))))

    def sample(n):
        return [normal(c, n, 0.15) for c in centers], [normal(c, n, 0.12) for c in goals]

    sources, targets = sample(1000)
    result = planned(sources, targets, eps=0.4)
    new = sample(1000)
    task = make_task([(i, Empirical(x), Empirical(y)) for i, (x, y) in enumerate(zip(sources, targets, strict=True))])
    floors = [wasserstein2(q.measure, Empirical(y)).value for q, y in zip(quantise_targets(task, 0.4), new[1], strict=True)]
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
    rng = np.random.default_rng(4)
    sources, targets = three_caps(400, rng)
    task = make_task([(i, Empirical(x), Empirical(y)) for i, (x, y) in enumerate(zip(sources, targets, strict=True))])
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
