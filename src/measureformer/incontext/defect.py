"""How far a measure is from every push-forward of another: whole atoms placed anywhere, compared with it in W_1 or W_2 of R^d."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..transport.coupling import optimal_coupling
from .masses import digits, subset_sums

_EXHAUSTIVE = 256  # assignments of output atoms to input atoms that are all tried as starts
_MOST_ROUNDS = 60


@dataclass(frozen=True)
class Defect:
    """min over y of W_p(sum_i a_i delta_{y_i}, nu).

    Attributes:
        value: W_p of the best placement found.
        exact: whether it is the minimum (masses that fit, or a single atom); otherwise an upper bound of it.
        placement: y, shape (n, k).
    """

    value: float
    exact: bool
    placement: np.ndarray


def support_defect(
    a: Float[np.ndarray, " n"], y: Float[np.ndarray, "m k"], b: Float[np.ndarray, " m"], *, p: int = 2, starts: int = 32, seed: int = 0
) -> Defect:
    r"""$\Delta_p(a; \nu) = \min_{z_1 \ldots z_n} W_p(\sum_i a_i \delta_{z_i}, \nu)$, $\nu = \sum_k b_k \delta_{y_k}$: zero if and only if
    nu is a push-forward of a measure with the masses a.

    One atom: the spread of nu round its mean (p = 2) or median (p = 1). Otherwise alternately an optimal coupling for fixed places and the
    best places for a fixed coupling, from all assignments of output to input atoms if they are few, else from random couplings.

    Args:
        a: masses of the input.
        y, b: atoms and masses of the image.
        p: 1 or 2.
        starts: random ones.
        seed: of them.

    Raises:
        InputError: p is neither 1 nor 2.
    """
    if p not in (1, 2):
        raise InputError(f"p must be 1 or 2, got {p}")
    a, b = a / a.sum(), b / b.sum()
    if len(a) == 1:
        place = _places(np.ones((1, len(b))) * b, y, p)
        return Defect(_value(a, place, y, b, p), p == 2 or y.shape[1] == 1, place)
    groups = decoded(a, b)
    if groups is not None:
        return Defect(0.0, True, y[groups])
    rng = np.random.default_rng(seed)
    best, placement = np.inf, np.repeat(y[:1], len(a), axis=0)
    for first in _starts(a, y, b, starts, rng):
        value, place = _alternate(a, first, y, b, p)
        if value < best:
            best, placement = value, place
    return Defect(float(best), False, placement)


def decoded(a: np.ndarray, b: np.ndarray, *, tolerance: float = 1e-12) -> np.ndarray | None:
    """For each mass of a the mass of b that it is a part of, if all of b are sums of disjoint sets of a; None if they are not.

    A depth-first search over the subsets whose sums fit, the heaviest b first.
    """
    if len(a) > 20 or len(b) > len(a):
        return None
    sums, codes = subset_sums(a)
    order = np.argsort(-b)
    options = []
    for k in order:
        low, high = np.searchsorted(sums, [b[k] - tolerance, b[k] + tolerance])
        options.append([int(code) for code in codes[low:high] if code])
        if not options[-1]:
            return None
    chosen: list[int] = []
    budget = [20_000]

    def search(level: int, used: int) -> bool:
        budget[0] -= 1
        if level == len(order):
            return used == 2 ** len(a) - 1
        for code in options[level]:
            if budget[0] > 0 and not code & used:
                chosen.append(code)
                if search(level + 1, used | code):
                    return True
                chosen.pop()
        return False

    if not search(0, 0):
        return None
    groups = np.empty(len(a), int)
    for k, code in zip(order, chosen, strict=True):
        groups[digits(code, len(a))] = k
    return groups


def _starts(a, y, b, starts, rng):
    n, m = len(a), len(b)
    if m**n <= _EXHAUSTIVE:
        for code in range(m**n):
            yield y[[code // m**i % m for i in range(n)]]
        return
    for _ in range(starts):
        yield y[rng.choice(m, size=n, p=b)] + 1e-3 * np.ptp(y) * rng.normal(size=(n, y.shape[1]))


def _alternate(a, place, y, b, p):
    best = np.inf
    for _ in range(_MOST_ROUNDS):
        plan = _plan(a, place, y, b, p)
        place = _places(plan, y, p)
        value = float((plan * _cost(place, y, p)).sum()) ** (1 / p)
        if not value < best * (1 - 1e-13):
            break
        best = value
    return best, place


def _plan(a, place, y, b, p) -> np.ndarray:
    coupling, _ = optimal_coupling(_cost(place, y, p), a, b)
    plan = np.zeros((len(a), len(b)))
    np.add.at(plan, (coupling.rows, coupling.cols), coupling.mass)
    return plan


def _cost(x, y, p) -> np.ndarray:
    return np.linalg.norm(x[:, None] - y[None], axis=2) ** p


def _places(plan, y, p) -> np.ndarray:
    """Means, or medians (on the line exact; in R^d the best of the atoms and of a few rounds of Weiszfeld's iteration)."""
    total = plan.sum(axis=1, keepdims=True)
    share = plan / np.where(total > 0, total, 1)
    means = share @ y
    if p == 2:
        return means
    if y.shape[1] == 1:
        order = np.argsort(y[:, 0])
        middle = (np.cumsum(share[:, order], axis=1) < 0.5 - 1e-15).sum(axis=1)
        return y[order[np.minimum(middle, len(order) - 1)]]
    place = means
    for _ in range(40):
        weight = share / np.maximum(np.linalg.norm(place[:, None] - y[None], axis=2), 1e-12)
        place = (weight @ y) / weight.sum(axis=1, keepdims=True)
    at_atoms = share @ np.linalg.norm(y[:, None] - y[None], axis=2)
    nearest = at_atoms.argmin(axis=1)
    there = (share * np.linalg.norm(place[:, None] - y[None], axis=2)).sum(axis=1)
    return np.where((at_atoms[np.arange(len(place)), nearest] <= there)[:, None], y[nearest], place)


def _value(a, place, y, b, p) -> float:
    return float((_plan(a, place, y, b, p) * _cost(place, y, p)).sum()) ** (1 / p)
