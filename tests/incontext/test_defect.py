"""The distance from all push-forwards: the known obstructions, and exact cases."""

import numpy as np
import pytest
from hypothesis import given, settings

from measureformer.errors import InputError
from measureformer.incontext import support_defect
from measureformer.incontext.defect import decoded
from strategies import seeds

PAIR = np.array([[-1.0], [1.0]])


def test_the_obstructions():
    """A point cannot become a pair: 1. A pair of halves cannot become thirds: 1/3 in W_1, 4/9 in W_2 squared."""
    one, halves, thirds = np.ones(1), np.full(2, 0.5), np.array([1, 2]) / 3
    assert support_defect(one, PAIR, halves, p=1).value == pytest.approx(1, abs=1e-9)
    assert support_defect(halves, PAIR, thirds, p=1).value == pytest.approx(1 / 3, abs=1e-9)
    assert support_defect(halves, PAIR, thirds, p=2).value ** 2 == pytest.approx(4 / 9, abs=1e-9)
    assert support_defect(one, PAIR, halves, p=2).exact
    with pytest.raises(InputError, match="1 or 2"):
        support_defect(one, PAIR, halves, p=3)


@settings(max_examples=10)
@given(seed=seeds())
def test_push_forwards_have_none(seed):
    """Whatever merges: the subset sums say who went where."""
    rng = np.random.default_rng(seed)
    a, places = rng.dirichlet(np.ones(7)), rng.normal(size=(3, 2))
    group = rng.integers(0, 3, 7)
    used, where = np.unique(group, return_inverse=True)
    b = np.bincount(where, a)
    found = support_defect(a, places[used], b)
    assert found.exact and found.value == 0
    np.testing.assert_array_equal(found.placement, places[group])
    assert decoded(np.array([0.5, 0.5]), np.array([1 / 3, 2 / 3])) is None


@settings(max_examples=10)
@given(seed=seeds())
def test_against_all_vertices(seed):
    """Two atoms: all couplings that are extreme, one by one (the best places make the objective concave in the coupling)."""
    rng = np.random.default_rng(seed)
    a, b, y = rng.dirichlet(np.ones(2)), rng.dirichlet(np.ones(4)), rng.normal(size=(4, 2))
    best = np.inf
    for split in range(4):
        for code in range(16):
            first = np.array([b[k] if code >> k & 1 and k != split else 0.0 for k in range(4)])
            first[split] = a[0] - first.sum()
            if -1e-12 <= first[split] <= b[split] + 1e-12:
                rows = np.stack([first, b - first])
                best = min(best, sum(r @ ((y - r @ y / r.sum()) ** 2).sum(1) for r in rows))
    found = support_defect(a, y, b, p=2)
    assert found.value**2 >= best * (1 - 1e-9)
    assert found.value**2 <= best * 1.2 + 1e-12
