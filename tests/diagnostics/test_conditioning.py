import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import Empirical, Schedule, Segment, TransformerField, flow
from measureformer.diagnostics import stretch
from measureformer.geometry import GnomonicChart, normalize
from schedule_samples import random_schedule


@given(st.integers(0, 10**6))
@settings(max_examples=3)
def test_against_finite_differences_of_probes(seed):
    """A passive probe is an atom of negligible weight: move it by +-h along each tangent direction and look where it ends."""
    rng = np.random.default_rng(seed)
    theta = random_schedule(seed)
    mu = Empirical(normalize(rng.normal(size=(3, 3))))
    largest, smallest, step = 0.0, np.inf, 1e-5
    for x in mu.points:
        basis = GnomonicChart(x).basis
        probes = normalize(np.concatenate([x + step * basis, x - step * basis]))
        extended = Empirical(np.concatenate([mu.points, probes]), np.concatenate([mu.weights, np.full(4, 1e-17)]))
        end = flow(theta, [extended]).measures[0].points[3:]
        values = np.linalg.svd((end[:2] - end[2:]) / (2 * step), compute_uv=False)
        largest, smallest = max(largest, values.max()), min(smallest, values.min())
    found = stretch(theta, [mu])
    assert found.tokens == 3
    assert found.largest == pytest.approx(largest, rel=5e-3)  # first order in the step where a probe crosses a gate
    assert found.smallest == pytest.approx(smallest, rel=2e-2)


def test_boost_stretches_as_its_formula_says():
    """tan(f/2) -> e^-l tan(f/2) stretches by e^l at the repelling and e^-l at the attracting pole, in every direction (it is conformal)."""
    theta = Schedule([Segment(TransformerField(W=2 * np.eye(3)[:, :1], b=np.ones(1)), 1.0)])
    x = np.eye(3)[:1]
    assert stretch(theta, [Empirical(np.vstack([x, -x]))])[:2] == pytest.approx((np.exp(2), np.exp(-2)))


def test_a_budget_means_fewer_tokens_and_says_so():
    theta = random_schedule(0)
    mu = Empirical(normalize(np.random.default_rng(0).normal(size=(60, 3))))
    part, whole = stretch(theta, [mu], budget=1.0), stretch(theta, [mu])
    assert (part.tokens, whole.tokens) == (16, 60)
    assert whole.smallest <= part.smallest <= part.largest <= whole.largest
