"""Couplings of two discrete measures: exact ones from a cost matrix, and a fast one for clouds too large for a matrix."""

import warnings
from fractions import Fraction
from math import lcm
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from .cost import geodesic_cost
from .few_columns import few_columns

# Two sums of weights that differ by less than this are equal: weights are known up to rounding only.
MASS_TOLERANCE = 1e-12
# Pairs of atoms up to which the full cost matrix is used: 5000 x 5000, about 1.2 GB with the network simplex.
MAX_PAIRS = 25_000_000
# The network simplex stops after this many pivots; what it has then is a coupling, but perhaps not the best one.
_MAX_PIVOTS = 100_000_000
# With so many times more rows than columns, and so many pairs, ``few_columns`` solves small problems instead.
_MANY, _SIMPLE = 50, 100_000


class Coupling(NamedTuple):
    """A sparse coupling: ``mass[e]`` travels from atom ``rows[e]`` of the first measure to atom ``cols[e]`` of the second."""

    rows: Int[np.ndarray, " e"]
    cols: Int[np.ndarray, " e"]
    mass: Float[np.ndarray, " e"]


def common_masses(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray, float]:
    """Both weight vectors in units of a common quantum 1/Q, if there is one: whole numbers, whose sums a computer adds without error.

    Without this, 1/60 + 1/60 + 1/60 differs from 1/20 by a rounding error, and a solver sends that error across the sphere.

    Returns:
        The masses of both measures and their total: (a Q, b Q, Q), or (a, b, 1.0) if no quantum fits to 14 digits.
    """
    total = 1
    for value in np.unique(np.concatenate([a, b])):
        fraction = Fraction(value).limit_denominator(1_000_000)
        total = lcm(total, fraction.denominator)
        if total > 2**40 or abs(value - fraction) > 1e-14 * value:
            return a, b, 1.0
    whole = np.rint(a * total), np.rint(b * total)
    return (*whole, float(total)) if whole[0].sum() == whole[1].sum() == total else (a, b, 1.0)


def staircase_coupling(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"]) -> Coupling:
    """The coupling that fills the second measure in order with the first in order (north-west corner rule). The sums must agree."""
    ends_a, ends_b = np.cumsum(a), np.cumsum(b)
    stops = np.union1d(ends_a[:-1], ends_b[:-1])
    stops = stops[stops < min(ends_a[-1], ends_b[-1])]
    starts = np.concatenate([[0.0], stops])
    mass = np.diff(np.append(starts, ends_a[-1]))
    return Coupling(np.searchsorted(ends_a[:-1], starts, "right"), np.searchsorted(ends_b[:-1], starts, "right"), mass)


def optimal_coupling(cost: Float[np.ndarray, "n m"], a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"]) -> tuple[Coupling, str]:
    """A coupling of least total cost: by assignment if all masses are equal, by network simplex otherwise.

    Solvers round in proportion to the largest cost, which ruins tiny optima. So the problem is solved again with every cost clipped
    slightly above the largest one in use: an optimum of the clipped problem that uses no clipped entry is an optimum of the full one.

    Args:
        cost: non-negative costs.
        a: masses of the rows.
        b: masses of the columns, with the same sum.

    Returns:
        The coupling, and the name of the method ("assignment", "network simplex", or an upper bound's name if it stopped early).
    """
    scale = float(cost.max())
    if scale == 0:
        return staircase_coupling(a, b), "assignment"
    best, lowest = None, np.inf
    while True:
        coupling, method = _solve(np.minimum(cost, scale) / scale, a, b)
        used = cost[coupling.rows, coupling.cols]
        total, reach = float(coupling.mass @ used), float(used.max())
        if best is None or total < lowest:
            best, lowest = coupling, total
        if reach == 0 or reach > scale / 64:
            return best, method
        scale = 4 * reach


def _solve(cost: Float[np.ndarray, "n m"], a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"]) -> tuple[Coupling, str]:
    if len(a) == len(b) and np.ptp(a) <= 1e-14 * a[0] and np.ptp(b) <= 1e-14 * b[0]:
        from scipy.optimize import linear_sum_assignment

        rows, cols = linear_sum_assignment(cost)
        return Coupling(rows, cols, a.astype(float)), "assignment"
    if len(a) >= _MANY * len(b) and cost.size > _SIMPLE:
        plan = few_columns(cost, a, b, _priced)
        if plan is not None:
            rows, cols = np.nonzero(plan)
            return Coupling(rows, cols, plan[rows, cols]), "network simplex"
    from ot.lp import emd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its warning about the limit of pivots is in the log as well
        plan, log = emd(a, b, cost, numItermax=_MAX_PIVOTS, log=True, center_dual=False, check_marginals=False)
    if log["warning"] is not None and not np.allclose(plan.sum(axis=1), a, rtol=0, atol=MASS_TOLERANCE * a.sum()):
        rows, cols, mass = staircase_coupling(a, b)
        return Coupling(rows, cols, mass), "upper bound: staircase, because the network simplex failed"
    rows, cols = np.nonzero(plan)
    method = "network simplex" if log["warning"] is None else "upper bound: network simplex, stopped early"
    return Coupling(rows, cols, plan[rows, cols]), method


def _priced(cost: np.ndarray, a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The plan and the prices of the columns (dual variables), by network simplex; None if it failed."""
    from ot.lp import emd

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plan, log = emd(a, b, cost, numItermax=_MAX_PIVOTS, log=True, center_dual=False, check_marginals=False)
    return None if log["warning"] is not None else (np.asarray(plan), np.asarray(log["v"]))


def short_coupling(
    x: Float[np.ndarray, "n d"], y: Float[np.ndarray, "m d"], a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"]
) -> Coupling:
    """A coupling for the squared geodesic distance: optimal up to MAX_PAIRS pairs of atoms, by halving beyond."""
    if len(x) * len(y) > MAX_PAIRS:
        return halving_coupling(x, y, a, b)
    return optimal_coupling(geodesic_cost(x, y) ** 2, a, b)[0]


def halving_coupling(
    x: Float[np.ndarray, "n d"],
    y: Float[np.ndarray, "m d"],
    a: Float[np.ndarray, " n"],
    b: Float[np.ndarray, " m"],
    *,
    leaf: int = 128,
) -> Coupling:
    """A good coupling in O((n + m) (log n + leaf)): both clouds are cut at equal masses along their widest direction, again and again.

    Pieces with at most ``leaf`` squared pairs are solved exactly for the squared geodesic distance. A cut never divides an atom of x
    unless its piece has no other, so that whole masses stay whole.
    """
    done: list[Coupling] = []
    pieces = [(np.arange(len(a)), a, np.arange(len(b)), b)]
    while pieces:
        rows, row_mass, cols, col_mass = pieces.pop()
        if len(rows) == 1 or len(cols) == 1 or len(rows) * len(cols) <= leaf**2:
            part, _ = optimal_coupling(geodesic_cost(x[rows], y[cols]) ** 2, row_mass, col_mass)
            done.append(Coupling(rows[part.rows], cols[part.cols], part.mass))
            continue
        both = np.concatenate([x[rows], y[cols]])
        direction = np.linalg.eigh(np.cov(both.T))[1][:, -1]
        by_row, by_col = np.argsort(x[rows] @ direction, kind="stable"), np.argsort(y[cols] @ direction, kind="stable")
        rows, row_mass, cols, col_mass = rows[by_row], row_mass[by_row], cols[by_col], col_mass[by_col]
        filled, received = np.cumsum(row_mass), np.cumsum(col_mass)
        cut = int(np.argmin(np.abs(filled[:-1] - filled[-1] / 2))) + 1
        split = min(int(np.searchsorted(received, filled[cut - 1])), len(cols) - 1)  # this atom of y is divided
        left, right = col_mass[: split + 1].copy(), col_mass[split:].copy()
        right[0] = max(received[split] - filled[cut - 1], 0.0)
        left[-1] -= right[0]
        right[-1] = right[-1] or row_mass[cut:].sum()  # a mass below rounding still has to go somewhere
        pieces.append((rows[:cut], row_mass[:cut], cols[: split + 1][left > 0], left[left > 0]))
        pieces.append((rows[cut:], row_mass[cut:], cols[split:][right > 0], right[right > 0]))
    return Coupling(*(np.concatenate(parts) for parts in zip(*done, strict=True)))
