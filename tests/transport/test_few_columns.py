"""Many atoms to few: the small problems give the optimum of the large one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instances import cap
from measureformer import Empirical, wasserstein2
from measureformer.transport import coupling
from measureformer.transport.few_columns import few_columns


@pytest.mark.parametrize(("n", "m"), [(6000, 1), (6000, 5), (6000, 40)])
@given(seed=st.integers(0, 1000))
def test_the_plan_is_optimal(n, m, seed):
    rng = np.random.default_rng(seed)
    cost, a, b = rng.uniform(size=(n, m)), np.ones(n), rng.dirichlet(np.ones(m)) * n
    plan = few_columns(cost, a, b, coupling._priced)
    np.testing.assert_allclose(plan.sum(axis=1), a, atol=1e-9)
    np.testing.assert_allclose(plan.sum(axis=0), b, atol=1e-6)
    reference, _ = coupling._priced(cost, a, b)
    assert (plan * cost).sum() == pytest.approx((reference * cost).sum(), rel=1e-12)


def test_it_is_what_the_distance_uses(monkeypatch):
    rng = np.random.default_rng(0)
    mu = Empirical(cap(np.eye(3)[2], 0.9, 20_000, rng))
    nu = Empirical(cap(np.eye(3)[0], 0.9, 7, rng), rng.uniform(0.5, 1.5, 7))
    fast = wasserstein2(mu, nu)
    monkeypatch.setattr(coupling, "_MANY", np.inf)
    assert fast.value == pytest.approx(wasserstein2(mu, nu).value, rel=1e-12) and fast.exact


def test_a_failing_solver_is_passed_on():
    assert few_columns(np.ones((200, 2)), np.ones(200), np.full(2, 100.0), lambda *_: None) is None
