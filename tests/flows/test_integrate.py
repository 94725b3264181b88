"""The independent integrator: against a naive one, against closed forms, and honest about failure."""

import jax
import numpy as np
import pytest

from measureformer import Empirical, InputError, Schedule, Segment, TransformerField, flow, integrate
from measureformer.geometry import normalize
from oracles import naive


def full_theta(seed, d=3, h=4):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(d, d)) / 2, rng.normal(size=(d, d)), rng.normal(size=(d, h)) / 2, rng.normal(size=(h, d)), rng.normal(size=h)


def test_against_a_naive_solver():
    rng = np.random.default_rng(0)
    measures = [Empirical(normalize(rng.normal(size=(n, 3))), rng.uniform(0.5, 1, n)) for n in (3, 5)]
    thetas = [full_theta(1), full_theta(2)]
    schedule = Schedule(Segment(TransformerField(*theta), t) for theta, t in zip(thetas, (0.6, 0.4), strict=True))
    result = integrate(schedule, measures, rtol=1e-10, atol=1e-10)
    assert result.failed_segment is None and result.steps > 4 and result.drift < 1e-8
    for mu, nu in zip(measures, result.measures, strict=True):
        expected = naive.solve(mu.points, mu.weights, [(0.6, *thetas[0]), (0.4, *thetas[1])])
        np.testing.assert_allclose(nu.points, expected, atol=1e-7)
        np.testing.assert_allclose(np.linalg.norm(nu.points, axis=1), 1, atol=4e-16)


def test_against_closed_forms_and_the_chunks_fit_together():
    """70 segments: more than one chunk."""
    rng = np.random.default_rng(3)
    e = np.eye(3)
    segments = []
    for k in range(70):
        if k % 2:
            field = TransformerField(W=rng.normal(size=(3, 1)), b=np.ones(1))
        else:
            t = rng.uniform(-1, 1)
            field = TransformerField(W=np.outer(e[0], [50.0, -50.0]), U=np.stack([e[1] - t * e[2], e[1] - (t + 0.01) * e[2]]))
        segments.append(Segment(field, 0.2))
    mu = Empirical(normalize(rng.normal(size=(20, 3))))
    seen = []
    result = integrate(Schedule(segments), [mu], progress=seen.append)
    assert seen == [64, 70]
    exact = flow(Schedule(segments), [mu])
    assert exact.methods == {"shear": 35, "boost": 35}
    np.testing.assert_allclose(result.measures[0].points, exact.measures[0].points, atol=1e-7)


def test_measures_do_not_see_each_other():
    rng = np.random.default_rng(4)
    schedule = Schedule([Segment(TransformerField(V=np.eye(3), B=2 * np.eye(3)), 1.0)])
    mu, nu = (Empirical(normalize(rng.normal(size=(n, 3)))) for n in (4, 7))
    together = integrate(schedule, [mu, nu]).measures[0].points
    np.testing.assert_allclose(together, integrate(schedule, [mu]).measures[0].points, atol=1e-9)


def test_a_segment_that_cannot_be_integrated_is_named():
    good = Segment(TransformerField(V=np.eye(3)), 0.1)
    hopeless = Segment(TransformerField(W=np.full((3, 1), np.inf), b=np.ones(1)), 1.0)
    assert integrate(Schedule([good, hopeless]), [Empirical(np.eye(3))]).failed_segment == 1


def test_global_precision_is_left_alone():
    jax.config.update("jax_enable_x64", False)
    try:
        result = integrate(Schedule([Segment(TransformerField(V=np.eye(3)), 0.5)]), [Empirical(np.eye(3))])
        assert jax.numpy.ones(1).dtype == np.float32
    finally:
        jax.config.update("jax_enable_x64", True)
    assert result.measures[0].points.dtype == np.float64
    exact = flow(Schedule([Segment(TransformerField(V=np.eye(3)), 0.5)]), [Empirical(np.eye(3))]).measures[0].points
    np.testing.assert_allclose(result.measures[0].points, exact, atol=1e-9)


def test_dimensions_must_agree():
    with pytest.raises(InputError, match="dimension"):
        integrate(Schedule([Segment(TransformerField(V=np.eye(3)), 0.5)]), [Empirical(np.eye(4))])
