"""Theorem 1.2, end to end: the schedule is executed by the independent integrator."""

import numpy as np
import pytest

from instances import cap, overlapping_caps
from measureformer import ConditioningError, Empirical, InputError, wasserstein2
from measureformer.flows import integrate
from measureformer.geometry import normalize
from measureformer.interpolation import make_task
from measureformer.interpolation.paper import PaperPlan, plan_paper


def task_of(sources, targets):
    return make_task([(k, mu, nu) for k, (mu, nu) in enumerate(zip(sources, targets, strict=True))])


def certified(sources, targets, eps=1e-4, **options) -> PaperPlan:
    plan = plan_paper(task_of(sources, targets), eps=eps, **options)
    final = integrate(plan.schedule, sources)
    assert final.failed_segment is None
    assert max(wasserstein2(mu, nu).value for mu, nu in zip(final.measures, targets, strict=True)) <= eps
    used = plan.schedule.segments_by_phase()
    assert used.keys() <= plan.bound.keys()
    assert all(used.get(phase, 0) <= plan.bound[phase] for phase in plan.bound)
    assert plan.schedule.horizon == pytest.approx(1.0) and plan.network is None
    return plan


@pytest.mark.parametrize("shared", [0.0, 0.34])
@pytest.mark.parametrize("seed", [0, 1])
def test_two_measures_of_three_atoms(seed, shared):
    """The acceptance row: d = 3, N = 2, three atoms each, also with an atom that both sources (and both targets) have."""
    sources, targets = overlapping_caps(3, 2, 3, seed, shared=shared)
    if shared:
        assert (sources[0].points[0] == sources[1].points[0]).all()
        targets[1] = Empirical(np.concatenate([targets[0].points[:1], targets[1].points[1:]]))
    plan = certified(sources, targets)
    assert plan.bound["match"] == 36
    if shared:
        assert {"disentangle sources", "match", "disentangle targets (backwards)"} <= plan.schedule.segments_by_phase().keys()


@pytest.mark.parametrize("shape", [(3, 3, 3), (4, 2, 3), *(pytest.param(s, marks=pytest.mark.slow) for s in ((3, 4, 8), (8, 3, 6)))])
def test_more(shape):
    certified(*overlapping_caps(*shape, 0, shared=0.34))


def test_phases_run_in_the_order_of_the_proof():
    sources, targets = overlapping_caps(3, 2, 6, 0, m=3)
    plan = certified(sources, targets)
    assert list(plan.bound) == [
        "orthant sources",
        "disentangle sources",
        "cluster",
        "match",
        "disentangle targets (backwards)",
        "orthant targets (backwards)",
    ]
    used = list(plan.schedule.segments_by_phase())
    assert used == [phase for phase in plan.bound if phase in used]
    assert plan.bound["cluster"] == 6 == plan.schedule.segments_by_phase()["cluster"]


def test_theorem_1_1_clusters_every_source_in_a_point():
    sources, targets = overlapping_caps(4, 3, 100, 0, m=1)
    plan = certified(sources, targets)
    assert plan.schedule.segments_by_phase()["cluster"] == 1
    assert len(plan.schedule) <= 40


def test_equal_means():
    angle = 2 * np.pi * np.arange(4)[:, None] / 4
    c, u = normalize(np.ones(3)), normalize(np.array([1.0, -1.0, 0.0]))

    def square(turn: float) -> Empirical:
        return Empirical(0.9 * c + np.sqrt(1 - 0.81) * (np.cos(angle + turn) * u + np.sin(angle + turn) * np.cross(c, u)))

    rng = np.random.default_rng(0)
    targets = [Empirical(cap(-axis, 0.4, 4, rng)) for axis in np.eye(3)[:2]]
    plan = certified([square(0.0), square(0.5)], targets)
    assert plan.schedule.segments_by_phase()["separate means sources"] == 1
    assert plan.bound["separate means sources"] == 2


def test_sources_and_targets_change_places():
    sources, targets = overlapping_caps(3, 2, 4, 0)
    certified(sources, sources[::-1])
    certified([sources[0]], [sources[0]])


def test_atoms_go_to_atoms_of_their_weight():
    sources, targets = overlapping_caps(3, 2, 3, 0)
    w = np.array([0.5, 0.3, 0.2])
    certified([Empirical(mu.points, w) for mu in sources], [Empirical(nu.points, w[::-1].copy()) for nu in targets])
    with pytest.raises(InputError, match="pair 0: the weights"):
        plan_paper(task_of([Empirical(sources[0].points, w)], targets[:1]), eps=1e-4)


def test_the_same_seed_gives_the_same_schedule():
    task = task_of(*overlapping_caps(3, 2, 3, 0))
    first, second = (plan_paper(task, eps=1e-4, seed=5, horizon=2.0).schedule for _ in range(2))
    assert first.horizon == pytest.approx(2.0)
    assert [s.duration for s in first] == [s.duration for s in second]
    assert all(np.array_equal(s.field.W, t.field.W) for s, t in zip(first, second, strict=True) if s.field.W is not None)


def test_the_literal_construction_is_refused_with_the_phase_and_the_digits():
    """Rank-one gates for worst-case times, on an instance that saturated gates solve."""
    sources, targets = overlapping_caps(3, 2, 3, 0)
    certified(sources, targets)
    with pytest.raises(ConditioningError, match=r"phase match: gathering lasts .* contract by exp\(-\d+\).* digits are missing"):
        plan_paper(task_of(sources, targets), eps=1e-4, literal=True)


def test_what_the_theorem_does_not_cover_is_refused():
    sources, targets = overlapping_caps(3, 2, 4, 0)
    with pytest.raises(InputError, match="4 source atoms and 3 target atoms"):
        plan_paper(task_of(sources[:1], [Empirical(targets[0].points[:3])]), eps=1e-4)
    with pytest.raises(InputError, match="pairs 0 and 1 have the same target"):
        plan_paper(task_of(sources, [targets[0], targets[0]]), eps=1e-4)
    with pytest.raises(InputError, match="eps must be positive"):
        plan_paper(task_of(sources, targets), eps=0.0)


def test_points_that_float64_cannot_tell_apart_are_refused():
    sources, targets = overlapping_caps(3, 1, 4, 0)
    x = np.concatenate([sources[0].points[:3], normalize(sources[0].points[:1] + 1e-10)])
    with pytest.raises(ConditioningError, match=r"phase match: .* digits are missing"):
        plan_paper(task_of([Empirical(x)], targets), eps=1e-4)
