"""The compact construction: does the planned schedule, executed, do what the theorem promises?"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instances import cap, overlapping_caps, subset
from measureformer import ConditioningError, Empirical, InputError, flow, interpolate, wasserstein2
from measureformer.geometry import normalize
from measureformer.interpolation.match import match
from strategies import rotations


def distances(plan, sources, targets):
    """W_2 after the schedule (exact and integrated flows) and after the network."""
    moved = flow(plan.schedule, sources).measures
    layered = [Empirical(plan.network(mu.points, mu.weights), mu.weights) for mu in sources]
    return [[wasserstein2(mu, nu).value for mu, nu in zip(ms, targets, strict=True)] for ms in (moved, layered)]


@given(st.integers(0, 10**6), st.sampled_from([(3, 3, 3), (3, 2, 2), (4, 3, 8), (6, 4, 6)]), st.sampled_from([0.0, 0.4, 1.0]))
@settings(max_examples=6)
def test_random_instances_with_shared_points(seed, shape, shared):
    d, N, width = shape
    n = 8
    sources, targets = overlapping_caps(d, N, n, seed, shared=shared * (n - 1) / n)
    plan = interpolate(sources, targets, eps=1e-6, width=width, seed=seed % 1000).plan
    assert max(map(max, distances(plan, sources, targets))) < 1e-7
    K = N * n
    assert len(plan.schedule) <= 2 * (-(-(K - 1) // (width // 2)) + 1) + 5
    assert plan.schedule.width <= width and plan.schedule.horizon == pytest.approx(1.0)


def test_a_subset_goes_elsewhere():
    """The demonstration: no point map can do this, one Transformer does."""
    sources, targets = subset(3, 20, 0)
    plan = interpolate(sources, targets, eps=1e-6).plan
    assert max(map(max, distances(plan, sources, targets))) < 1e-9
    assert plan.schedule.segments_by_phase()["disentangle"] == 1
    assert plan.network.attention_layers == 1


@given(st.floats(1e-7, 1e-2))
@settings(max_examples=6)
def test_tiny_gaps(gap):
    """Two atoms of one source, and two of the other, lie within the gap; so do two targets."""
    rng = np.random.default_rng(0)
    x, y = cap(np.eye(3)[0], 0.8, 6, rng), cap(-np.eye(3)[0], 0.8, 6, rng)
    x[1] = normalize(x[0] + gap * np.eye(3)[1])
    y[1] = normalize(y[0] + gap * np.eye(3)[2])
    sources = [Empirical(x), Empirical(normalize(x + gap * np.eye(3)[2]))]
    targets = [Empirical(y), Empirical(cap(np.eye(3)[2], 0.5, 6, rng))]
    plan = interpolate(sources, targets, eps=1e-5).plan
    assert max(map(max, distances(plan, sources, targets))) < 1e-5


@given(rotations(3), st.integers(0, 10**6))
@settings(max_examples=4)
def test_rotated_and_relabelled_tasks_are_solved_as_well(R, seed):
    sources, targets = subset(3, 10, seed)
    order = np.random.default_rng(seed).permutation(10)
    turned = [Empirical(mu.points[order[order < mu.size]] @ R.T) for mu in sources][::-1]
    goals = [Empirical(nu.points @ R.T) for nu in targets][::-1]
    plan = interpolate(turned, goals, eps=1e-6).plan
    assert max(map(max, distances(plan, turned, goals))) < 1e-8


def test_the_schedule_is_permutation_equivariant():
    sources, targets = subset(3, 10, 1)
    plan = interpolate(sources, targets, eps=1e-6).plan
    order = np.random.default_rng(0).permutation(10)
    straight = flow(plan.schedule, sources).measures[0].points
    shuffled = flow(plan.schedule, [Empirical(sources[0].points[order])]).measures[0].points
    np.testing.assert_allclose(shuffled, straight[order], atol=1e-9)


def test_merging_atoms():
    sources, targets = overlapping_caps(3, 2, 12, 0, m=4)
    plan = interpolate(sources, targets, eps=1e-2, strategy="compact").plan
    assert plan.matching.spread > 0 and any("moved apart" in note for note in plan.notes)
    assert 0 < max(map(max, distances(plan, sources, targets))) < 5e-3


def test_targets_that_coincide_across_measures():
    sources, targets = overlapping_caps(3, 3, 6, 0, shared=0)
    same = [targets[0]] * 3
    plan = interpolate(sources, same, eps=1e-3).plan
    assert max(map(max, distances(plan, sources, same))) < 1e-3


def test_equal_pairs_are_planned_once():
    sources, targets = subset(3, 10, 2)
    plan = interpolate([*sources, sources[0]], [*targets, targets[0]], eps=1e-6).plan
    assert max(map(max, distances(plan, [*sources, sources[0]], [*targets, targets[0]]))) < 1e-8
    assert len(plan.schedule) == len(interpolate(sources, targets, eps=1e-6).plan.schedule)


def test_fewer_atoms_than_the_target():
    sources, targets = overlapping_caps(3, 2, 2, 0, m=5)
    result = interpolate(sources, targets, eps=1.0)
    reached = distances(result.plan, sources, targets)
    for measured in reached:
        np.testing.assert_allclose(measured, [pair.placement.attainable for pair in result.task], atol=1e-6)


@pytest.mark.parametrize("n", [1, 2])
def test_smallest_tasks(n):
    rng = np.random.default_rng(0)
    for N in (1, 2):
        sources = [Empirical(cap(np.eye(3)[i], 0.3, n, rng)) for i in range(N)]
        targets = [Empirical(cap(-np.eye(3)[i], 0.3, n, rng)) for i in range(N)]
        plan = interpolate(sources, targets, eps=1e-8).plan
        assert max(map(max, distances(plan, sources, targets))) < 1e-9
        assert plan.network.attention_layers == (1 if plan.attention.amount else 0)


def test_source_equal_to_target():
    """The second target is a subset of the first: atoms that coincide are split by less than eps."""
    sources, _ = subset(3, 8, 0)
    plan = interpolate(sources, sources, eps=1e-6).plan
    assert 0 < max(map(max, distances(plan, sources, sources))) < 1e-6
    alone = interpolate(sources[:1], sources[:1], eps=1e-8).plan
    assert max(map(max, distances(alone, sources[:1], sources[:1]))) < 1e-12


def test_what_float64_cannot_split_is_refused():
    """Coinciding places must be split by less than eps; a ramp of that width has rounding errors 1e-16/eps: below 1e-8 nothing works."""
    sources, _ = subset(3, 8, 0)
    with pytest.raises(ConditioningError, match="phase match 2.*digits are missing"):
        interpolate(sources, sources, eps=1e-9)


def test_weights_alone_tell_measures_apart():
    """Same support, different weights: attention separates them; the target is met as well as whole atoms can."""
    rng = np.random.default_rng(0)
    x = cap(np.eye(3)[0], 0.6, 4, rng)
    sources = [Empirical(x, [0.4, 0.3, 0.2, 0.1]), Empirical(x, [0.1, 0.2, 0.3, 0.4])]
    goals = cap(-np.eye(3)[0], 0.6, 4, rng), cap(np.eye(3)[1], 0.6, 4, rng)
    targets = [Empirical(y, mu.weights) for y, mu in zip(goals, sources, strict=True)]
    plan = interpolate(sources, targets, eps=1e-6).plan
    assert max(map(max, distances(plan, sources, targets))) < 1e-8


def test_float32_gets_two_more_stages_when_they_help():
    """K = 256 atoms in d = 16: with two stages float32 is lost, with slopes of order K instead of K^2 it is within 1e-2."""
    sources, targets = overlapping_caps(16, 4, 64, 2)
    plan = interpolate(sources, targets, eps=1e-2).plan
    phases = [layer.phase for layer in plan.network.layers]
    assert "loosen" in phases and "settle" in phases and "loosen" not in plan.schedule.segments_by_phase()
    assert max(map(max, distances(plan, sources, targets))) < 1e-10
    for mu, nu in zip(sources, targets, strict=True):
        single = plan.network(mu.points, mu.weights, np.float32).astype(float)
        assert wasserstein2(Empirical(single, mu.weights), nu).value < 1e-2
    assert any("float32" in note for note in plan.notes)


@pytest.mark.parametrize("loosen", [0.3, 1.0])
def test_loosened_stages_see_wide_gaps_and_match_as_well(loosen):
    sources, targets = overlapping_caps(3, 2, 30, 0, shared=0)
    clouds = [mu.points for mu in sources], [nu.points for nu in targets], [mu.weights for mu in sources]
    plain, loose = match(*clouds, width=3, eps=1e-6), match(*clouds, width=3, eps=1e-6, loosen=loosen)
    assert max(loose.errors) < 1e-11 and max(plain.errors) < 1e-11

    def steepest(matching):
        return max(np.linalg.norm(s.field.W) * np.linalg.norm(s.field.U) for s in matching.segments if s.phase.startswith("match"))

    assert steepest(loose) < steepest(plain) / 2


def test_the_same_seed_gives_the_same_schedule():
    sources, targets = subset(3, 10, 3)
    one, two = (interpolate(sources, targets, eps=1e-6, seed=7).schedule for _ in range(2))
    for s, t in zip(one, two, strict=True):
        assert s.duration == t.duration and all(
            np.array_equal(getattr(s.field, k), getattr(t.field, k)) for k in "VBWUb" if getattr(s.field, k) is not None
        )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"eps": 0.0}, "eps must be positive"),
        ({"eps": np.nan}, "eps must be positive"),
        ({"eps": 1e-3, "width": 1}, "width must be at least 2"),
        ({"eps": 1e-3, "horizon": -1.0}, "horizon must be positive"),
        ({"eps": 1e-3, "strategy": "magic"}, "strategy must be one of"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        interpolate(*subset(3, 4, 0), **options)


def test_refusal_names_the_phase_and_the_digits():
    """Sources 1e-13 apart: float64 cannot separate them well enough for eps = 1e-9."""
    rng = np.random.default_rng(0)
    x = cap(np.eye(3)[0], 0.8, 6, rng)
    sources = [Empirical(x), Empirical(normalize(x + 1e-13 * rng.normal(size=x.shape)))]
    targets = [Empirical(cap(-np.eye(3)[k], 0.8, 6, rng)) for k in range(2)]
    with pytest.raises(ConditioningError, match=r"phase match 1.*digits are missing"):
        interpolate(sources, targets, eps=1e-9)
