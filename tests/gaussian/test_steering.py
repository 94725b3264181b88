"""Steering Gaussians: closed forms against the adaptive integrator and against clouds, obstructions, orbits, several at once."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import InputError, Schedule
from measureformer.gaussian.steering import certify, obstruction, orbit_dimension, steer, steered, verify_steering
from measureformer.gaussian.steering.moves import log_rotation, reshape
from measureformer.gaussian.steering.shooting import end_and_jacobian, loop, states_of
from measureformer.measures import Gaussian
from measureformer.transport import bures_wasserstein

SEEDS = st.integers(0, 10**6)
FEW = settings(max_examples=3)


def instance(rng, d, rank, N=1, equal=False):
    """N Gaussians, of eigenvalues between 0.3 and 3."""
    frames = np.linalg.qr(rng.normal(size=(N, d, d)))[0][..., :rank]
    covs = (frames * rng.uniform(0.3, 3, (N, 1, rank))) @ np.swapaxes(frames, 1, 2)
    return Gaussian(rng.normal(size=(N, d)), np.broadcast_to(covs[0], covs.shape) if equal else covs)


def furthest(schedule, start, goal):
    end = steered(schedule, start)
    rows = zip(end.mean, end.cov, goal.mean, goal.cov, strict=True)
    return max(bures_wasserstein(Gaussian(m, S), Gaussian(n, T)) for m, S, n, T in rows)


@FEW
@given(SEEDS, st.sampled_from([(2, 2), (3, 3), (2, 1), (4, 2)]), st.sampled_from([None, 0.3]))
def test_one_gaussian_reaches_every_other_of_its_rank(seed, shape, strength):
    rng = np.random.default_rng(seed)
    start, goal = instance(rng, *shape), instance(rng, *shape)
    found = steer(start, goal, strength=strength)
    assert found.reachable and len(found.schedule) <= (3 if shape[0] == shape[1] else 4) - (strength is None)
    # a deviation of zero is exact to the square root of rounding only
    assert furthest(found.schedule, start, goal) < (1e-9 if shape[0] == shape[1] else 1e-7)
    assert furthest(~found.schedule, goal, start) < 1e-6


def test_one_segment_for_mean_and_covariance_in_the_plane_and_on_the_line():
    rng = np.random.default_rng(1)
    found = steer(instance(rng, 2, 2), Gaussian([[3.0, 1.0]], [[[2.0, 0.5], [0.5, 0.4]]]))
    assert len(found.schedule) == 1 and max(found.after) < 1e-10
    line = steer(Gaussian([1.0], [[2.0]]), Gaussian([3.0], [[0.5]]))
    assert len(line.schedule) == 1 and max(line.after) < 1e-11
    # the Mahalanobis norms agree: v = 0, and one segment of that form is none
    assert len(steer(Gaussian([1.0], [[1.0]]), Gaussian([2.0], [[4.0]])).schedule) == 2


def test_the_inverse_covariance_goes_straight():
    rng = np.random.default_rng(2)
    start, goal = instance(rng, 3, 3), instance(rng, 3, 3)
    (segment,) = reshape(start.cov[0], goal.cov[0]).segments
    half = steered(Schedule([segment.lasting(0.5)]), start)  # in half the time, V doubled: the whole way
    np.testing.assert_allclose(half.cov, goal.cov, rtol=1e-9, atol=1e-10)
    field = segment.field
    middle = steered(Schedule([type(segment)(field, 0.5)]), start)
    straight = (np.linalg.inv(start.cov) + np.linalg.inv(goal.cov)) / 2
    np.testing.assert_allclose(np.linalg.inv(middle.cov), straight, rtol=1e-9, atol=1e-10)


def test_equal_covariances_move_together():
    rng = np.random.default_rng(3)
    start, goal = instance(rng, 3, 2, 2, equal=True), instance(rng, 3, 2, 2, equal=True)
    found = steer(start, goal)
    assert found.reachable and len(found.schedule) <= 4


@pytest.mark.parametrize(
    ("start", "goal", "reason"),
    [
        (([1.0, 0.0], np.eye(2)), ([1.0, 0.0], np.diag([1.0, 0.0])), "rank 2 and its target rank 1"),
        (([0.0, 0.0], np.eye(2)), ([1.0, 0.0], np.eye(2)), "the mean is zero and its target is not"),
        (([1.0, 0.0], np.eye(2)), ([0.0, 0.0], np.eye(2)), "not zero and its target is"),
        (([1.0], [[1.0]]), ([-1.0], [[1.0]]), "the other orientation"),
        (([[1.0, 0.0]] * 2, [np.eye(2)] * 2), ([[1.0, 0.0]] * 2, [np.eye(2), 2 * np.eye(2)]), "equal ones stay equal"),
        (([[1.0, 0.0], [2.0, 0.0]], [np.eye(2)] * 2), (np.eye(2), [np.eye(2)] * 2), "linear relations"),
        ((np.eye(2), [np.eye(2)] * 2), (np.eye(2)[::-1], [np.eye(2)] * 2), "the other orientation"),
        (([[0.0]] * 2, [[[1.0]], [[2.0]]]), ([[0.0]] * 2, [[[2.0]], [[3.0]]]), "1/s_i - 1/s_j never changes"),
        (([[1.0]] * 2, [[[1.0]], [[0.0]]]), ([[1.0]] * 2, [[[2.0]], [[0.0]]]), "log(s_i)/2"),
    ],
)
def test_obstructions(start, goal, reason):
    found = steer(Gaussian(*start), Gaussian(*goal))
    assert found.answer == "obstructed" and reason in found.reason and found.schedule is None


def test_on_the_line_nothing_else_obstructs():
    """1/s falls by 1/4 for both, the means of equal log m - log(s)/2 grow by the factor 3 beyond that."""
    s, m = np.array([1.0, 2.0]), np.array([1.0, -0.5])
    t = 1 / (1 / s - 0.25)
    start, goal = Gaussian(m[:, None], s[:, None, None]), Gaussian((3 * m * np.sqrt(t / s))[:, None], t[:, None, None])
    found = steer(start, goal)
    assert found.reachable and len(found.schedule) == 2 and max(found.after) < 1e-10


def test_what_is_conserved_is_conserved_by_random_controls():
    """The invariants behind the obstructions, under schedules that nobody chose for them."""
    rng = np.random.default_rng(4)
    start = Gaussian(np.array([[1.0], [-0.4]]), np.array([[[0.5]], [[1.5]]]))
    V, A = loop(rng, 4, 1, 0.3)
    end = steered(_schedule(V[:2], A[:2]), start)
    s, t, m, n = start.cov[:, 0, 0], end.cov[:, 0, 0], start.mean[:, 0], end.mean[:, 0]
    assert abs(t - s).min() > 1e-3
    assert 1 / t[0] - 1 / t[1] == pytest.approx(1 / s[0] - 1 / s[1], rel=1e-10)
    assert n[0] ** 2 * t[1] / (n[1] ** 2 * t[0]) == pytest.approx(m[0] ** 2 * s[1] / (m[1] ** 2 * s[0]), rel=1e-10)
    plane = instance(rng, 2, 2, 3, equal=True)
    V, A = loop(rng, 4, 2, 0.3)
    end = steered(_schedule(V[:2], A[:2]), plane)
    np.testing.assert_allclose(end.cov[0], end.cov[2], rtol=1e-10)
    assert obstruction(plane, end) is None


def _schedule(V, A):
    from measureformer.gaussian.steering.moves import attention

    return Schedule(attention(v, a, "any") for v, a in zip(V, A, strict=True))


def test_end_point_and_derivative():
    rng = np.random.default_rng(5)
    start = instance(rng, 2, 2, 2)
    V, A = loop(rng, 4, 2, 0.4)
    end, J = end_and_jacobian((V[:3], A[:3]), states_of(start))
    np.testing.assert_allclose(end, states_of(steered(_schedule(V[:3], A[:3]), start)), atol=1e-8)
    np.testing.assert_allclose(end_and_jacobian((V, A), states_of(start))[0], states_of(start), atol=1e-7)
    h, up, down = 1e-5, A[:3].copy(), A[:3].copy()
    up[1, 0, 1] += h
    down[1, 0, 1] -= h
    slope = (end_and_jacobian((V[:3], up), states_of(start))[0] - end_and_jacobian((V[:3], down), states_of(start))[0]) / (2 * h)
    np.testing.assert_allclose(J[:, 8 + 4 + 1], slope.ravel(), atol=1e-6)


@pytest.mark.parametrize(
    ("d", "rank", "N", "equal", "dimension"),
    [
        (1, 1, 3, False, 2),  # one number VA, one number V
        (2, 2, 2, False, 10),  # everything: N d (d + 3) / 2
        (2, 1, 2, False, 8),  # everything of that rank: N (d + r d - r (r - 1) / 2)
        (2, 2, 3, True, 7),  # one covariance, one linear map
    ],
)
def test_dimensions_of_orbits(d, rank, N, equal, dimension):
    assert orbit_dimension(instance(np.random.default_rng(6), d, rank, N, equal)) == dimension


def test_half_turns_have_a_logarithm():
    from scipy.linalg import expm

    U = np.diag([-1.0, 1.0, -1.0])
    K = log_rotation(U)
    np.testing.assert_allclose(expm(K), U, atol=1e-14)
    np.testing.assert_allclose(K, -K.T, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize(("d", "N"), [(2, 4), (3, 3)])
def test_several_gaussians_of_different_covariances(d, N):
    for seed in range(2):
        rng = np.random.default_rng(seed)
        start, goal = instance(rng, d, d, N), instance(rng, d, d, N)
        found = steer(start, goal)
        assert found.reachable and found.orbit == N * d * (d + 3) // 2
        assert furthest(found.schedule, start, goal) < 1e-6


def test_two_gaussians_with_one_schedule():
    start = Gaussian([[1.0, 0.0], [0.0, 1.0]], [np.eye(2), np.diag([2.0, 0.5])])
    goal = Gaussian([[1.2, 0.3], [-0.2, 1.0]], [[[1.3, 0.2], [0.2, 0.8]], [[1.5, -0.3], [-0.3, 0.6]]])
    found = steer(start, goal)
    assert found.reachable and found.orbit == 10
    assert furthest(found.schedule, start, goal) < 1e-7
    nothing = steer(start, goal, attempts=1, eps=1e-300)
    assert nothing.answer == "not found" and "proves nothing" in nothing.reason


def test_clouds_follow_and_certificates_are_checked_from_the_files(tmp_path):
    start, goal = Gaussian([1.0, 0.0], [[1.0, 0.3], [0.3, 0.8]]), Gaussian([0.0, 1.5], [[0.7, -0.2], [-0.2, 1.6]])
    harsh = certify(tmp_path, steer(start, goal), sizes=(200,))
    assert harsh["passed"] and harsh["schedule"]["segments"] == 2 and "tilt reaches" in harsh["clouds"]["warning"]
    made = certify(tmp_path, steer(start, goal, strength=0.2), sizes=(200,))
    assert made["passed"] and made["clouds"]["trusted"] and made["conditioning"]["largest_tilt"] <= 0.2
    assert made["clouds"]["w2_after"][0][0] < min(0.02, harsh["clouds"]["w2_after"][0][0] / 5) and made["pairs"][0]["w2_before"] > 1
    assert verify_steering(tmp_path).passed
    path = tmp_path / "certificate.json"
    stated = json.loads(path.read_text())
    stated["pairs"][0]["w2_after"] += 1e-3
    path.write_text(json.dumps(stated))
    assert "pairs[0].w2_after is stated" in verify_steering(tmp_path).problems[0]
    refused = certify(tmp_path, steer(start, Gaussian([0.0, 0.0], np.eye(2))))
    assert not refused["passed"] and refused["answer"] == "obstructed"
    assert not verify_steering(tmp_path).passed


@pytest.mark.parametrize(
    ("more", "message"), [({"eps": 0.0}, "eps must be positive"), ({"strength": -1.0}, "strength"), ({"attempts": 0}, "attempts must be")]
)
def test_bad_input(more, message):
    one = Gaussian([1.0], [[1.0]])
    with pytest.raises(InputError, match=message):
        steer(one, one, **more)
    with pytest.raises(InputError, match="as many targets"):
        steer(one, Gaussian([[1.0], [2.0]], np.ones((2, 1, 1))))
