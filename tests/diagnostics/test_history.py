import numpy as np

from measureformer import Empirical, flow, wasserstein2
from measureformer.diagnostics import record
from measureformer.geometry import normalize
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
