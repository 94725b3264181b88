"""Refinement: fewer segments, the same places, the same answer each time."""

import time

import numpy as np
import pytest

from instances import cap, overlapping_caps, subset
from measureformer import Empirical, InputError, flow, integrate, interpolate, wasserstein2
from measureformer.geometry import distance, normalize
from measureformer.interpolation import lower_bound
from measureformer.interpolation import pairing as pairing_module
from measureformer.interpolation.hemisphere import RADIUS, straight_route
from measureformer.interpolation.pairing import Stages, best_pairing


def worst(measures, targets) -> float:
    """The largest W_2."""
    return max(wasserstein2(mu, nu).value for mu, nu in zip(measures, targets, strict=True))


def executed(plan, sources, targets) -> list[float]:
    """The largest W_2 after the schedule by closed forms, after the original equation, and after the network."""
    network = [Empirical(plan.network(mu.points, mu.weights), mu.weights) for mu in sources]
    original = integrate(plan.schedule, sources, rtol=1e-12, atol=1e-12).measures
    return [worst(measures, targets) for measures in (flow(plan.schedule, sources).measures, original, network)]


@pytest.mark.parametrize(
    "make",
    [
        lambda: overlapping_caps(3, 2, 10, 0),
        pytest.param(lambda: subset(3, 16, 1), marks=pytest.mark.slow),
        pytest.param(lambda: overlapping_caps(5, 2, 12, 2), marks=pytest.mark.slow),
    ],
)
def test_fewer_segments_of_the_same_effect(make):
    sources, targets = make()
    plain, refined = (interpolate(sources, targets, eps=1e-6, refine=seconds).plan for seconds in (None, 1.0))
    assert len(refined.schedule) <= 0.6 * len(plain.schedule) and len(refined.network.layers) <= 0.6 * len(plain.network.layers)
    assert refined.schedule.width == plain.schedule.width and refined.schedule.horizon == pytest.approx(1.0)
    exact, original, network = executed(refined, sources, targets)
    assert exact < 1e-8 and original < 1e-7 and network < 1e-8
    assert (refined.attention, refined.network_attention) == (plain.attention, plain.network_attention)
    assert f"{len(refined.schedule)} segments instead of {len(plain.schedule)}" in refined.notes[-1]
    d, K = sources[0].dimension, sum(mu.size for mu in sources)
    assert f"at least {lower_bound(K, d, plain.schedule.width)} segments" in refined.notes[-1]
    assert lower_bound(K, d, plain.schedule.width) <= len(refined.schedule)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_ninety_six_points(tmp_path, seed):
    """d = 3, N = 4, n = 24, width 3: without refinement about 2 K = 192 segments; at most half of them with it, certified."""
    certificate = interpolate(*overlapping_caps(3, 4, 24, seed), eps=1e-6, refine=20.0).save(tmp_path)
    assert certificate["passed"]
    assert certificate["schedule"]["segments"] <= 96 and certificate["network"]["layers"] <= 96
    assert certificate["schedule"]["width"] == 3
    assert max(certificate["network"]["w2_after"]) < 1e-8


def test_the_bound():
    """Example of the specification: K (d - 1)/(2 h d + h)."""
    assert lower_bound(96, 3, 3) == -(-192 // 21) == 10
    assert lower_bound(1, 3, 3) == 1


@pytest.mark.slow
def test_the_same_seed_gives_the_same_plan(monkeypatch):
    monkeypatch.setattr(pairing_module, "_NOMINAL", 5e-3)  # few attempts: the clock shall not stop them
    sources, targets = overlapping_caps(3, 2, 8, 3)
    first, second, other = (interpolate(sources, targets, eps=1e-6, refine=10.0, seed=seed).plan for seed in (0, 0, 1))
    assert "clock" not in first.notes[-1]
    for one, two in zip(first.schedule, second.schedule, strict=True):
        np.testing.assert_array_equal(one.field.W, two.field.W)
    assert any(not np.array_equal(k, l) for k, l in zip(first.matching.order, other.matching.order, strict=True))


def test_the_clock_stops_it(monkeypatch):
    """On a machine for which the nominal number of attempts is too many."""
    monkeypatch.setattr(pairing_module, "_NOMINAL", 1e-8)
    start = time.monotonic()
    plan = interpolate(*overlapping_caps(3, 2, 8, 3), eps=1e-6, refine=0.5).plan
    assert time.monotonic() - start < 60
    assert "the clock stopped the search" in plan.notes[-1]


def test_places_that_coincide_stay_apart():
    sources, targets = overlapping_caps(3, 2, 12, 0, m=4)
    plan = interpolate(sources, targets, eps=1e-2, strategy="compact", refine=0.5).plan
    assert plan.matching.spread > 0 and any("moved apart" in note for note in plan.notes)
    assert max(executed(plan, sources, targets)) < 5e-3


@pytest.mark.slow
def test_small_and_idle_tasks():
    x = cap(np.eye(3)[0], 0.5, 5, np.random.default_rng(0))
    for sources, targets in (([x[:1]], [-x[:1]]), ([x], [x]), ([x[:2], x[1:3]], [x[:2], -x[1:3]])):
        measures, goals = [Empirical(p) for p in sources], [Empirical(p) for p in targets]
        assert max(executed(interpolate(measures, goals, eps=1e-6, refine=0.2).plan, measures, goals)) < 1e-6


def test_unequal_weights_are_not_exchanged():
    rng = np.random.default_rng(1)
    w = np.arange(1, 7) / 21
    sources = [Empirical(cap(np.eye(3)[i], 0.6, 6, rng), w) for i in (0, 1)]
    targets = [Empirical(cap(-np.eye(3)[i], 0.6, 6, rng), w) for i in (0, 1)]
    assert max(executed(interpolate(sources, targets, eps=1e-6, refine=0.2).plan, sources, targets)) < 1e-8


def test_annealing_finds_better_pairings():
    rng = np.random.default_rng(0)
    stages = Stages(rng.uniform(-1, 1, (40, 2)), rng.uniform(-1, 1, (40, 2)), np.eye(2)[0], np.eye(2)[1])
    start, classes = np.arange(40), [np.arange(20), np.arange(20, 40)]
    options = {"steepest": np.inf, "seed": 0}

    def pieces(order):
        from measureformer.interpolation.knots import cover

        return sum(int(cover(m).pieces[0]) for m in stages.chords(order[None]))

    order, done = best_pairing(stages, start, classes, attempts=150, **options)
    assert done == 150 and pieces(order) <= pieces(start) - 8
    assert pieces(order) >= 40  # each stage holds 40 points, two a piece
    for members in classes:
        assert set(order[members]) == set(members)
    first, second = stages.displacements(order)
    np.testing.assert_allclose(stages.xi + first + second, stages.zeta[order], atol=1e-12)
    np.testing.assert_allclose(first @ stages.a, 0, atol=1e-12)
    np.testing.assert_allclose(second @ stages.c, 0, atol=1e-12)


@pytest.mark.parametrize("d", [3, 8])
def test_the_straight_route(d):
    rng = np.random.default_rng(d)
    x, y = cap(normalize(rng.normal(size=d)), 1.2, 40, rng), cap(normalize(rng.normal(size=d)), 1.2, 40, rng)
    for sources, targets, most in ((x, y, 2), (x, x, 0), (x, -x, 2)):
        way = straight_route(sources, targets)
        assert len(way.inward) <= 1 and len(way.outward) <= 1 and len(way.inward) + len(way.outward) <= most
        inside, goal = way.enter(sources), way.leave_inverse(targets)
        assert max(distance(inside, way.pole).max(), distance(goal, way.pole).max()) <= max(RADIUS, np.deg2rad(70)) + 1e-9
        back = goal
        for w in way.outward:
            from measureformer.flows import boost

            back = boost(back, w)
        np.testing.assert_allclose(back, targets, atol=1e-12)


@pytest.mark.parametrize("seconds", [0.0, -1.0, np.nan, np.inf])
def test_refused_seconds(seconds):
    with pytest.raises(InputError, match="refine"):
        interpolate(*subset(3, 4, 0), eps=1e-6, refine=seconds)


def test_refused_with_the_papers_construction():
    with pytest.raises(InputError, match="leave refine out"):
        interpolate(*overlapping_caps(3, 2, 3, 0), eps=1e-4, strategy="paper", refine=1.0)


def test_slabs_are_left_as_they_are():
    sources, targets = overlapping_caps(3, 2, 40, 0, m=2, shared=0)
    plan = interpolate(sources, targets, eps=1e-2, refine=1.0).plan
    assert "not refined" in plan.notes[-1]
