"""d = 2: solved and certified where the cyclic order can be kept, refused otherwise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import ConditioningError, Empirical, InputError, flow, interpolate, wasserstein2
from measureformer.flows import integrate
from measureformer.geometry import distance
from measureformer.interpolation import verify
from measureformer.interpolation.circle import slide
from measureformer.schedule import Schedule


def circle(*angles) -> np.ndarray:
    angles = np.array(angles, float)
    return np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def worst(result) -> float:
    moved = flow(result.schedule, [p.source for p in result.task]).measures
    layered = [p.source.moved(result.network(p.source.points, p.source.weights)) for p in result.task]
    return max(wasserstein2(mu, p.target).value for clouds in (moved, layered) for mu, p in zip(clouds, result.task, strict=True))


@given(st.integers(0, 10**6), st.sampled_from([5, 24]), st.booleans())
@settings(max_examples=8)
def test_random_tasks_that_keep_the_order(seed, n, shared):
    """Two measures of interleaved atoms; or the second is part of the first, points and places alike."""
    rng = np.random.default_rng(seed)
    x, y = (circle(*np.sort(rng.uniform(0, 2 * np.pi, n))) for _ in range(2))
    y = np.roll(y, rng.integers(n), axis=0)
    mine = slice(None) if shared else slice(0, None, 2)
    sources, targets = ([Empirical(z[mine]), Empirical(z[1::2])] for z in (x, y))
    result = interpolate(sources, targets, eps=1e-6, seed=seed % 100)
    assert worst(result) < 1e-7
    assert len(result.schedule) <= n + 4 and result.schedule.width == 2 and result.network.attention_layers == 0


def test_slides_keep_the_order_and_move_points_rigidly():
    """The flow of every segment keeps the order of a fine grid, and is a translation of the chart beyond its ramp."""
    xi, zeta = np.array([-1.0, -0.2, 0.3, 0.9]), np.array([-0.7, -0.69, 0.8, 1.0])
    pole, axis = np.eye(2)[::-1]
    segments = slide(pole, axis, xi, zeta, 2)
    grid = np.unique(np.append(np.linspace(-3, 3, 302), xi))
    x = np.stack([grid, np.ones_like(grid)], axis=1)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    end = flow(Schedule(segments), [Empirical(x)]).measures[0].points
    height = end[:, 0] / end[:, 1]
    assert (np.diff(height) >= -1e-12).all()
    np.testing.assert_allclose(height[np.searchsorted(grid, xi)], zeta, atol=1e-12)
    np.testing.assert_allclose(np.diff(height[grid >= 0.9]), np.diff(grid[grid >= 0.9]), rtol=1e-9)
    np.testing.assert_allclose(integrate(Schedule(segments), [Empirical(x)]).measures[0].points, end, atol=1e-7)


CASES = {
    "one atom": ([circle(1.0)], [circle(4.0)]),
    "one atom stays": ([circle(1.0)], [circle(1.0)]),
    "one atom to its antipode": ([circle(1.0)], [circle(1.0 + np.pi)]),
    "two atoms change places": ([circle(0.0), circle(1.0)], [circle(1.0), circle(0.0)]),
    "all round the circle": ([circle(*np.arange(60) * np.pi / 30)], [circle(*np.arange(60) * np.pi / 30 + 0.05)]),
    "places that coincide": ([circle(0, 1, 2, 3), circle(0.5, 4)], [circle(5), circle(5, 6)]),
    "a target that wraps round the cut": ([circle(6.1, 0.1, 3, 3.5)], [circle(0, 3.2)]),
    "two atoms 1e-9 apart": ([circle(0, 1e-9, 1)], [circle(2, 3, 5)]),
    "two places 1e-9 apart": ([circle(0, 1, 2)], [circle(2, 2 + 1e-9, 5)]),
    "equal pairs": ([circle(0, 1, 2), circle(2, 1, 0)], [circle(2, 3, 4), circle(2, 3, 4)]),
}


@pytest.mark.parametrize("name", CASES)
def test_certified(name, tmp_path):
    sources, targets = ([Empirical(x) for x in side] for side in CASES[name])
    result = interpolate(sources, targets, eps=1e-6)
    assert worst(result) <= 1e-6
    certificate = result.save(tmp_path / "run")
    assert certificate["passed"] and certificate["schedule"]["dimension"] == 2
    assert verify(tmp_path / "run").passed


def test_more_neurons_change_nothing():
    sources, targets = ([Empirical(x) for x in side] for side in CASES["places that coincide"])
    narrow, wide = (interpolate(sources, targets, eps=1e-6, width=width) for width in (2, 7))
    assert wide.schedule.width == 7 and len(wide.schedule) == len(narrow.schedule)
    for a, b in zip(*(flow(r.schedule, sources).measures for r in (narrow, wide)), strict=True):
        assert distance(a.points, b.points).max() < 1e-9


def test_other_strategies_and_too_fine_places():
    sources, targets = ([Empirical(x) for x in side] for side in CASES["places that coincide"])
    with pytest.raises(InputError, match="d = 2: the theorem needs d >= 3"):
        interpolate(sources, targets, eps=1e-3, strategy="paper")
    with pytest.raises(ConditioningError, match="phase slide: .* digits are missing"):
        interpolate(sources, targets, eps=1e-13)


def test_crossing_is_refused():
    with pytest.raises(InputError, match=r"d = 2: points cannot pass each other.* would have to cross"):
        interpolate([Empirical(circle(k)) for k in (0, 1, 2)], [Empirical(circle(k)) for k in (0, 2, 1)], eps=1e-3)
