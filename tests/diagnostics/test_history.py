import numpy as np

from measureformer import Empirical, flow, wasserstein2
from measureformer.diagnostics import record
from measureformer.geometry import normalize
from measureformer.schedule import Schedule, Segment
from schedule_samples import random_schedule


def test_record_notes_phase_ends_and_distances():
    rng = np.random.default_rng(0)
    theta = random_schedule(1)
    mu, nu = (Empirical(normalize(rng.normal(size=(4, 3)))) for _ in range(2))
    history = record(theta, [mu], [nu], samples=3)
    assert history.phases == ["start", "a", "b", "c"]
    assert history.segments.tolist() == [0, 1, 3, 5]
    np.testing.assert_array_equal(history.snapshots[0][0], mu.points)
    end = flow(theta, [mu]).measures[0]
    np.testing.assert_array_equal(history.snapshots[-1][0], end.points)
    assert history.curve_segments.tolist() == [0, 1, 2, 3, 5]
    np.testing.assert_allclose(history.curve_times[[0, -1]], [0, theta.horizon])
    assert history.curve[-1, 0] == wasserstein2(end, nu).value


def test_the_path_passes_through_the_segments():
    rng = np.random.default_rng(1)
    theta = random_schedule(1)
    mu, nu = (Empirical(normalize(rng.normal(size=(7, 3)))) for _ in range(2))
    history = record(theta, [mu, mu], [nu, nu], samples=2, within=2, kept=6)
    assert history.curve_segments.tolist() == [0, 0.5, 1, 3, 5]  # only the phase of one segment is looked into
    assert [rows.tolist() for rows in history.rows] == [[0, 3, 6]] * 2
    first, *_ = theta
    half = flow(Schedule([Segment(first.field, first.duration / 2)]), [mu]).measures[0]
    assert history.path[1].shape == (5, 3, 3)
    np.testing.assert_allclose(history.path[0][1], half.points[::3], atol=1e-10)
    np.testing.assert_array_equal(history.path[1][[0, 2, 3, 4]], [snapshot[1][::3] for snapshot in history.snapshots])
    np.testing.assert_allclose(history.curve_times[1], first.duration / 2)
    np.testing.assert_allclose(history.curve[1, 0], wasserstein2(half, nu).value, atol=1e-9)
    assert record(theta, [mu], [nu], samples=2).path == []
