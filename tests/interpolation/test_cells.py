"""Many source atoms, few target atoms: Theorem 1.1 and beyond."""

import numpy as np
import pytest

from instances import overlapping_caps
from measureformer import ConditioningError, Empirical, InputError, flow, interpolate, wasserstein2
from measureformer.geometry import distance, normalize


def distances(plan, sources, targets):
    moved = flow(plan.schedule, sources).measures
    layered = [Empirical(plan.network(mu.points, mu.weights), mu.weights) for mu in sources]
    return [wasserstein2(mu, nu).value for ms in (moved, layered) for mu, nu in zip(ms, targets, strict=True)]


@pytest.mark.parametrize("eps", [1e-1, 1e-3, 1e-6])
def test_one_atom_targets(eps):
    """Theorem 1.1, d = 4, N = 3: the number of segments does not depend on eps; only the time of the one attention segment does."""
    sources, targets = overlapping_caps(4, 3, 200, 1, m=1)
    plan = interpolate(sources, targets, eps=eps).plan
    assert plan.schedule.segments_by_phase()["cluster"] == 1
    assert len(plan.schedule) <= 8
    assert max(distances(plan, sources, targets)) <= eps
    assert plan.attention.amount <= 6 + 1.2 * np.log(1 / min(eps, 1e-2))


def test_segments_do_not_depend_on_the_number_of_source_atoms():
    lengths = []
    for n in (80, 400):
        sources, targets = overlapping_caps(3, 2, n, 2, m=8)
        plan = interpolate(sources, targets, eps=1e-2).plan
        assert max(distances(plan, sources, targets)) <= 1e-2
        lengths.append(len(plan.schedule))
    assert max(lengths) <= 2 * (16 - 1) + 2 + 3 + 8
    assert abs(lengths[0] - lengths[1]) <= 2  # a boost more or less


def test_unequal_targets():
    """Masses 1/2, 1/3, 1/6 of 60 equal atoms: 30, 20 and 10 of them."""
    sources, targets = overlapping_caps(3, 2, 60, 3, m=3)
    targets = [Empirical(nu.points, [3, 2, 1]) for nu in targets]
    plan = interpolate(sources, targets, eps=1e-2).plan
    assert max(distances(plan, sources, targets)) <= 1e-2
    end = flow(plan.schedule, sources[:1]).measures[0]
    nearest = np.argmin([[distance(x, y) for y in targets[0].points] for x in end.points], axis=1)
    assert np.bincount(nearest).tolist() == [30, 20, 10]


def test_equal_means():
    """Two measures with equal means: contraction alone would bring them together, but the boost before it makes the means differ."""
    h = 0.6
    ring = [normalize(np.array([0.8 * np.cos(t), 0.8 * np.sin(t), h])) for t in 2 * np.pi * np.arange(24) / 24]
    sources = [Empirical(np.array(ring[::2])), Empirical(np.array(ring[::3]))]
    rng = np.random.default_rng(0)
    targets = [Empirical(normalize(rng.normal(size=(2, 3)) - [3, 0, 0])) for _ in range(2)]
    np.testing.assert_allclose(sources[0].mean(), sources[1].mean(), atol=1e-15)
    plan = interpolate(sources, targets, eps=1e-2, strategy="cells").plan
    assert max(distances(plan, sources, targets)) <= 1e-2


def test_strategy_compact_matches_atoms():
    sources, targets = overlapping_caps(3, 2, 12, 4, m=3)
    auto, compact = (interpolate(sources, targets, eps=1e-2, strategy=s).plan.schedule for s in ("auto", "compact"))
    assert len(auto) < len(compact)
    assert "cluster" in auto.segments_by_phase() and "cluster" not in compact.segments_by_phase()


def test_too_many_atoms_to_be_matched_singly():
    rng = np.random.default_rng(0)
    x = normalize(rng.normal(size=(30_000, 3)) + [4, 0, 0])
    with pytest.raises(InputError, match="30000 atoms.*'auto' or 'cells'"):
        interpolate([Empirical(x)], [Empirical(-x[:8])], eps=1e-2, strategy="compact")
    result = interpolate([Empirical(x)], [Empirical(-x[:8])], eps=1e-2)
    assert result.strategy == "cells" and max(result.plan.matching.errors) <= 1e-2


def test_equal_sources_cannot_be_told_apart():
    """The same points in two measures, one of them turned by nothing at all but rounding: refused, with the reason."""
    x = normalize(np.random.default_rng(0).normal(size=(12_000, 3)) + [4, 0, 0])
    nearly = x.copy()
    nearly[0] = normalize(nearly[0] + 1e-15)
    with pytest.raises(ConditioningError, match="phase cluster"):
        interpolate([Empirical(x), Empirical(nearly)], [Empirical(-x[:2]), Empirical(x[:2] * [-1, 1, 1])], eps=1e-2)
