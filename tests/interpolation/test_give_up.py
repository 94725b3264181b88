"""Appendix A: supports that fill the sphere. What is given up costs at most pi sqrt(eta), and the rest arrives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instances import cap, fibonacci
from measureformer import Empirical, InputError, flow, interpolate, wasserstein2
from measureformer.flows import boost
from measureformer.geometry import Cap, distance, enclosing_cap, normalize
from measureformer.interpolation import make_task, plan_compact, verify
from measureformer.interpolation.give_up import cheapest_cap, opening, source_price, target_price, to_rim


def everywhere(n: int, d: int = 3, seed: int = 0) -> np.ndarray:
    return normalize(np.random.default_rng(seed).normal(size=(n, d)))


def light_cap(x: np.ndarray, center: np.ndarray, radius: float, light: float) -> Empirical:
    """Equal weights, those in the cap multiplied by ``light``."""
    return Empirical(x, np.where(distance(x, center) < radius, light, 1.0))


NORTH = np.array([0.0, 0.0, 1.0])


@given(st.integers(0, 10**6), st.sampled_from([2, 3, 5]))
@settings(max_examples=10)
def test_to_rim(seed, d):
    x = np.vstack([everywhere(200, d, seed), np.eye(d)[:1]])
    hole = Cap(np.eye(d)[0], 0.7)
    y = to_rim(x, hole)
    inside = distance(x, hole.center) < 0.7
    np.testing.assert_array_equal(y[~inside], x[~inside])
    np.testing.assert_allclose(distance(y[inside], hole.center), 0.7, atol=1e-14)
    np.testing.assert_allclose(distance(x[inside], y[inside]), 0.7 - distance(x[inside], hole.center), atol=1e-13)
    nu = Empirical(x)
    assert wasserstein2(nu, nu.moved(y)).value <= target_price(nu, hole) + 1e-12 <= 0.7 * np.sqrt(inside.mean()) + 1e-9


@pytest.mark.parametrize("price", [source_price, target_price])
@pytest.mark.parametrize("d", [2, 3, 4, 6])
def test_a_light_cap_is_found(d, price):
    """One cap is much lighter than all others; with several measures the worst one counts."""
    x = everywhere(400 if d < 6 else 3000, d)
    light = Cap(np.eye(d)[1], 0.6)
    measures = [
        light_cap(x, light.center, 0.65, 1e-4),
        light_cap(x[::2], light.center, 0.65, 1e-4),
        light_cap(x, -light.center, 0.65, 1e-3),
    ]
    found = cheapest_cap(measures[:2], 0.6, price)
    assert max(price(mu, found) for mu in measures[:2]) <= 1.01 * max(price(mu, light) for mu in measures[:2])
    trials = [Cap(c, 0.6) for c in everywhere(500, d, 1)]
    assert max(price(mu, cheapest_cap(measures, 0.6, price)) for mu in measures) <= min(
        max(price(mu, t) for mu in measures) for t in trials
    )


def test_the_boost_opens_the_hole_to_a_hemisphere():
    x = everywhere(500)
    hole = Cap(NORTH, 0.3)
    kept = distance(x, NORTH) >= 0.3
    moved = boost(x, opening(hole))
    assert distance(moved[kept], -NORTH).max() <= np.pi / 3 + 1e-12 < distance(moved[~kept], -NORTH).min()


def covering_task(seed: int = 0, n: int = 70):
    """Two sources, the second half of the first, that leave no cap of 0.7 rad; in one such cap they have little mass."""
    x = everywhere(n, 3, seed)
    mu = light_cap(x, NORTH, 0.72, 2e-3)
    sources = [mu, Empirical(x[::2], mu.weights[::2])]
    rng = np.random.default_rng(seed)
    goals = [cap(c, 0.5, len(s.weights), rng) for c, s in zip(np.eye(3)[:2], sources, strict=True)]
    return sources, [Empirical(y, s.weights) for y, s in zip(goals, sources, strict=True)]


def test_sources_that_fill_the_sphere():
    sources, targets = covering_task()
    assert enclosing_cap(sources[0].points).complement().radius < 0.7
    eps = 0.12
    task = make_task([(i, *pair) for i, pair in enumerate(zip(sources, targets, strict=True))], eps=eps, smallest_hole=0.7)
    given = [~pair.kept for pair in task]
    eta = [pair.source.weights[g].sum() for pair, g in zip(task, given, strict=True)]
    assert all(g.any() for g in given) and 0 < max(eta) <= (eps / (2 * np.pi)) ** 2
    plan = plan_compact(task, eps=eps)
    moved = flow(plan.schedule, sources).measures
    layered = [mu.moved(plan.network(mu.points, mu.weights)) for mu in sources]
    for clouds in (moved, layered):
        for mu, pair, g in zip(clouds, task, given, strict=True):
            price = np.pi * np.sqrt(pair.source.weights[g].sum())
            assert wasserstein2(mu, pair.target).value <= price + 1e-6 <= eps
            np.testing.assert_allclose(np.linalg.norm(mu.points[g], axis=1), 1, atol=1e-12)  # those given up are somewhere on the sphere
            kept = wasserstein2(Empirical(mu.points[~g], mu.weights[~g]), Empirical(pair.placement.positions[~g], mu.weights[~g])).value
            assert kept < 1e-6
    assert plan.schedule.segments_by_phase()["clear"] == 1
    assert any("are given up" in note for note in plan.notes)
    # attention saw the atoms that were given up: without them the others would go elsewhere
    without = [Empirical(mu.points[~g], mu.weights[~g]) for mu, g in zip(sources, given, strict=True)]
    assert (
        max(distance(a.points[~g], b.points).max() for a, b, g in zip(moved, flow(plan.schedule, without).measures, given, strict=True))
        > 1e-6
    )


def test_targets_that_fill_the_sphere_are_moved_to_a_rim():
    targets, sources = covering_task(1)
    eps = 0.12
    pairs = [(i, *pair) for i, pair in enumerate(zip(sources, targets, strict=True))]
    task = make_task(pairs, eps=eps, smallest_hole=0.7)
    assert all(pair.kept.all() for pair in task) and 0 < max(pair.price() for pair in task) <= eps / 4
    places = np.concatenate([pair.placement.positions for pair in task])
    assert enclosing_cap(places).complement().radius > 0.69
    assert max(pair.placement.attainable for pair in task) < 1e-12
    plan = plan_compact(task, eps=eps)
    moved = flow(plan.schedule, sources).measures
    for mu, pair, error in zip(moved, task, plan.matching.errors, strict=True):  # targets share atoms, which are moved apart
        assert wasserstein2(mu, pair.target).value <= pair.price() + error + 1e-9 <= eps
    assert any("clearing caps" in note for note in plan.notes)


@pytest.mark.parametrize("side", ["sources", "targets"])
def test_the_refusal_says_which_eps_would_do(side):
    filled, small = covering_task(2)

    def task(eps):
        pairs = zip(filled, small, strict=True) if side == "sources" else zip(small, filled, strict=True)
        return make_task([(f"m{i}", *pair) for i, pair in enumerate(pairs)], eps=eps, smallest_hole=0.7)

    with pytest.raises(
        InputError, match=rf"{side}: the supports together cover the sphere.*holds a fraction .* of measure 'm[01]'"
    ) as refusal:
        task(1e-3)
    enough = float(str(refusal.value).split("from 0.001 to ")[1])
    task(enough)
    with pytest.raises(InputError, match="cover the sphere"):
        task(0.9 * enough)


@pytest.mark.slow
def test_certified(tmp_path):
    """Eight hundred atoms leave no cap of 0.1 rad; one or two of them are given up."""
    x = fibonacci(800)
    rng = np.random.default_rng(0)
    sources, targets = [Empirical(x)], [Empirical(cap(NORTH, 0.8, 800, rng))]
    assert enclosing_cap(x).complement().radius < 0.1
    with pytest.raises(InputError, match="cover the sphere"):
        interpolate(sources, targets, eps=1e-3)
    certificate = interpolate(sources, targets, eps=0.3).save(tmp_path / "run")
    assert certificate["passed"] and any("given up" in note for note in certificate["notes"])
    assert verify(tmp_path / "run").passed
