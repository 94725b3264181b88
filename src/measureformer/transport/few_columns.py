"""Many atoms to few: optimal transport whose plan is clear for most rows, with a proof by duality."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

# A subsample of so many rows gives the first prices; the clearest rows are fixed, all but this part of them.
_SAMPLE, _OPEN = 2000, 0.05
_ROUNDS = 30

Solver = Callable[[np.ndarray, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray] | None]


def few_columns(
    cost: Float[np.ndarray, "n m"], a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"], solve: Solver, *, seed: int = 0
) -> Float[np.ndarray, "n m"] | None:
    r"""An optimal plan where n is much larger than m, by solving small problems only.

    With prices v of the columns, a row whose least $c_{jk} - v_k$ is much below the second least goes to that column in every optimal
    plan near these prices. So: prices from a subsample; rows with a clear choice are fixed; the rest is a small transport problem, whose
    own prices v must then agree with every choice that was fixed: $c_{jk} - v_k \ge c_{jk(j)} - v_{k(j)}$ for all k. If they do, v and
    the row minima are dual feasible and complementary to the plan, which is therefore optimal. If not, the rows that disagree are freed.

    Args:
        cost: costs, shape (n, m).
        a, b: masses with the same sum.
        solve: (cost, a, b) -> (plan, prices of the columns), exactly; None if it fails.
        seed: of the subsample.

    Returns:
        The plan; None if a small problem failed or the rounds ran out.
    """
    n, m = cost.shape
    rng = np.random.default_rng(seed)
    rows = rng.choice(n, min(n, _SAMPLE), replace=False)
    first = solve(cost[rows], np.full(len(rows), b.sum() / len(rows)), b)
    if first is None:
        return None
    prices = first[1]
    reduced = cost - prices
    choice = reduced.argmin(axis=1)
    two = np.partition(reduced, 1, axis=1)[:, :2] if m > 1 else np.column_stack([reduced, reduced + 1])
    free = np.zeros(n, bool)
    free[np.argsort(two[:, 1] - two[:, 0])[: max(int(_OPEN * n), m)]] = True
    for _ in range(_ROUNDS):
        left = b - np.bincount(choice[~free], a[~free], minlength=m)
        if (left < 0).any():  # too many chose this column: free those of them that are least sure
            over = np.flatnonzero(left < 0)
            sure = np.where(np.isin(choice, over) & ~free, two[:, 1] - two[:, 0], np.inf)
            free[np.argsort(sure)[: max(int(_OPEN * n), m)]] = True
            continue
        found = solve(cost[free], a[free], left)
        if found is None:
            return None
        part, prices = found
        reduced = cost - prices
        wrong = ~free & (reduced[np.arange(n), choice] > reduced.min(axis=1) + 1e-12 * cost.max())
        if not wrong.any():
            plan = np.zeros((n, m))
            plan[np.arange(n), choice] = a
            plan[free] = part
            return plan
        free |= wrong
        choice = np.where(free, choice, reduced.argmin(axis=1))
    return None
