"""Wasserstein distances of discrete measures on the sphere, W_2 and W_infinity, with the geodesic distance as ground cost."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from .._brief import brief
from ..geometry.sphere import distance
from ..measures import Empirical
from .cost import atoms, geodesic_cost, same_dimension
from .coupling import MASS_TOLERANCE, MAX_PAIRS, Coupling, common_masses, halving_coupling, optimal_coupling

# Integer flows are computed with 32 bits.
_QUANTA = 2**30


@dataclass(frozen=True)
class Transport:
    """What it takes to carry one measure to another.

    Attributes:
        value: the Wasserstein distance in radians, or an upper bound of it.
        exact: whether ``value`` is the distance itself (up to rounding; weights count as equal if they agree to 1e-12).
        method: how it was found; the name of the bound if it is not exact.
        coupling: a coupling that reaches ``value``.
        lower: a rigorous lower bound; ``value`` itself if exact.
    """

    value: float
    exact: bool
    method: str
    coupling: Coupling
    lower: float
    __repr__ = brief


def wasserstein2(mu: Empirical, nu: Empirical, *, max_pairs: int = MAX_PAIRS) -> Transport:
    r"""$W_2(\mu, \nu) = (\min_\gamma \int d_g(x, y)^2 \, d\gamma)^{1/2}$ in radians.

    In this order: if all atoms of one measure, each sent to its nearest atom of the other, bring the right masses, every term is as small
    as it can be and the value is exact in O(n log n); then assignment (as many equal atoms on both sides) or network simplex;
    beyond ``max_pairs`` pairs of atoms an upper bound and a lower one.

    Args:
        mu: a measure on the sphere.
        nu: a measure on the same sphere.
        max_pairs: the most entries of a cost matrix.

    Raises:
        InputError: the dimensions differ, or a point is off the sphere.

    Example:
        >>> mu, nu = Empirical(np.eye(3)), Empirical(np.eye(3)[::-1].copy())
        >>> wasserstein2(mu, nu).value
        0.0
    """
    return _transport(mu, nu, _root_mean_square, _solve_w2, max_pairs)


def wasserstein_inf(mu: Empirical, nu: Empirical, *, max_pairs: int = MAX_PAIRS) -> Transport:
    r"""$W_\infty(\mu, \nu) = \min_\gamma \max_{(x, y) \in \mathrm{supp}\,\gamma} d_g(x, y)$ in radians, the bottleneck distance.

    An atom cannot travel less than to its nearest partner, so the nearest-neighbour path of ``wasserstein2`` is exact here too. Otherwise
    the least distance r for which the pairs at most r apart carry a coupling is found by bisection over all distances: the test is a
    maximum flow (masses that are multiples of a common quantum) or a transport problem with costs 0 and 1.

    Args:
        mu: a measure on the sphere.
        nu: a measure on the same sphere.
        max_pairs: the most entries of a distance matrix.

    Raises:
        InputError: the dimensions differ, or a point is off the sphere.
    """
    return _transport(mu, nu, _largest, _solve_inf, max_pairs)


def _root_mean_square(lengths: np.ndarray, mass: np.ndarray) -> float:
    largest = float(lengths.max())
    return largest * float(np.sqrt(mass @ (lengths / largest) ** 2 / mass.sum())) if largest > 0 else 0.0


def _largest(lengths: np.ndarray, mass: np.ndarray) -> float:
    return float(lengths.max())


def _transport(mu, nu, size, solve, max_pairs) -> Transport:
    """The common course of both distances; ``size`` turns lengths and masses into a distance, ``solve`` finds an optimal coupling."""
    same_dimension(mu, nu, ("mu", "nu"))
    (x, a), (y, b) = atoms(mu, "mu"), atoms(nu, "nu")
    lower = 0.0
    for swapped, source, target in ((False, (x, a), (y, b)), (True, (y, b), (x, a))):
        coupling, lengths = _nearest(*source, *target)
        if coupling is not None:
            value = size(lengths[coupling.rows], coupling.mass)
            if swapped:
                coupling = Coupling(coupling.cols, coupling.rows, coupling.mass)
            return Transport(value, True, "nearest-neighbour bijection", coupling, value)
        lower = max(lower, size(lengths, source[1]))
    whole_a, whole_b, total = common_masses(a, b)
    exact = len(a) * len(b) <= max_pairs
    if exact:
        coupling, method = solve(geodesic_cost(x, y), whole_a, whole_b)
        exact = not method.startswith("upper bound")
    else:
        coupling, method = _large(x, y, whole_a, whole_b)
    value = size(distance(x[coupling.rows], y[coupling.cols]), coupling.mass)
    coupling = Coupling(coupling.rows, coupling.cols, coupling.mass / total)
    return Transport(value, exact, method, coupling, value if exact else lower)


def _nearest(x, a, y, b) -> tuple[Coupling | None, np.ndarray]:
    """Sends each atom of x to its nearest atom of y: the coupling if the masses that arrive are those of y, and the distances travelled."""
    from scipy.spatial import KDTree

    target, atom_of_row = Empirical(y, b).merged()  # equal atoms of y are one destination
    nearest = np.asarray(KDTree(target.points).query(x)[1])
    lengths = np.asarray(distance(x, target.points[nearest]))
    arrived = np.bincount(nearest, a, minlength=target.size)
    if np.abs(arrived - target.weights).max() > MASS_TOLERANCE:
        return None, lengths
    if target.size == len(y):
        return Coupling(np.arange(len(a)), nearest, a), lengths
    # Deal each destination's arrivals out to its copies: lay all destinations end to end, the k-th on [k, k + 1], and overlay the cuts.
    (rows, row_ends), (cols, col_ends) = _laid_out(nearest, a), _laid_out(atom_of_row, b)
    ends = np.union1d(row_ends, col_ends)
    starts = np.concatenate([[0.0], ends[:-1]])
    middle = (starts + ends) / 2
    mass = (ends - starts) * target.weights[middle.astype(int)]
    return Coupling(rows[np.searchsorted(row_ends, middle)], cols[np.searchsorted(col_ends, middle)], mass), lengths


def _laid_out(place: np.ndarray, mass: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lays masses end to end, those of place k in proportion on [k, k + 1]: their order, and where each ends."""
    order = np.argsort(place, kind="stable")
    place, mass = place[order], mass[order]
    filled = np.cumsum(mass)
    begin = np.searchsorted(place, place)  # the first item of the same place
    share = (filled - (filled - mass)[begin]) / np.bincount(place, mass)[place]
    share[np.append(place[1:] != place[:-1], True)] = 1.0
    return order, place + share


def _solve_w2(lengths: Float[np.ndarray, "n m"], a: np.ndarray, b: np.ndarray) -> tuple[Coupling, str]:
    return optimal_coupling(lengths**2, a, b)


def _solve_inf(lengths: Float[np.ndarray, "n m"], a: np.ndarray, b: np.ndarray) -> tuple[Coupling, str]:
    total = a.sum()
    candidates = np.unique(lengths[lengths >= max(lengths.min(axis=0).max(), lengths.min(axis=1).max())])
    if 1.5 < total <= _QUANTA:  # whole masses, not fractions that sum to 1: flows are exact

        def carries(i: int) -> bool:
            return bool(_flow(lengths <= candidates[i], a, b).mass.sum() == total)

        best = _first(carries, len(candidates))
        return _flow(lengths <= candidates[best], a, b), "bottleneck flow"

    # Rounded down to quanta, masses lose less than one each, and so does a flow: what loses more is refuted. The rest is put to the proof.
    quanta_a, quanta_b = np.floor(a / total * _QUANTA), np.floor(b / total * _QUANTA)

    def not_refuted(i: int) -> bool:
        return bool(_flow(lengths <= candidates[i], quanta_a, quanta_b).mass.sum() >= _QUANTA - len(a) - len(b) - 1)

    def proved(i: int) -> bool:
        coupling, _ = optimal_coupling((lengths > candidates[i]).astype(float), a, b)
        far = lengths[coupling.rows, coupling.cols] > candidates[i]
        return bool(coupling.mass[far].sum() <= MASS_TOLERANCE * total)

    best = _first(proved, len(candidates), start=_first(not_refuted, len(candidates)))
    coupling, method = optimal_coupling((lengths > candidates[best]).astype(float), a, b)
    near = lengths[coupling.rows, coupling.cols] <= candidates[best]
    name = "bottleneck transport" if not method.startswith("upper bound") else method
    return Coupling(*(part[near] for part in coupling)), name


def _first(test: Callable[[int], bool], count: int, start: int = 0) -> int:
    """The least index from start on that passes a monotone test (the last one passes). Gallops first: the answer tends to be near."""
    failed, passed, step = start - 1, start, 1
    while passed < count - 1 and not test(passed):
        failed, passed, step = passed, min(passed + step, count - 1), 2 * step
    while passed - failed > 1:
        middle = (failed + passed) // 2
        if test(middle):
            passed = middle
        else:
            failed = middle
    return passed


def _flow(allowed: Bool[np.ndarray, "n m"], a: np.ndarray, b: np.ndarray) -> Coupling:
    """As much mass as can flow over the allowed pairs. The masses are whole numbers with sums below 2^31."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_flow

    n, m = allowed.shape
    rows, cols = np.nonzero(allowed)
    tails = np.concatenate([np.full(n, n + m), rows, n + np.arange(m)])
    heads = np.concatenate([np.arange(n), n + cols, np.full(m, n + m + 1)])
    capacity = np.concatenate([a, np.full(len(rows), a.sum()), b]).astype(np.int32)
    graph = csr_array((capacity, (tails, heads)), shape=(n + m + 2, n + m + 2))
    flow = maximum_flow(graph, n + m, n + m + 1, method="dinic").flow[:n, n : n + m].tocoo()
    used = flow.data > 0
    return Coupling(flow.row[used].astype(int), flow.col[used].astype(int), flow.data[used].astype(float))


def _large(x, y, a, b) -> tuple[Coupling, str]:
    """The better of two couplings for clouds without a cost matrix."""
    halving = halving_coupling(x, y, a, b)
    accepted, rest_a, rest_b = _accept_nearest(x, y, a, b)
    left, open_ = np.flatnonzero(rest_a > 0), np.flatnonzero(rest_b > 0)
    greedy = accepted
    if len(left) and len(open_):
        rest = halving_coupling(x[left], y[open_], rest_a[left], rest_b[open_])
        rest = Coupling(left[rest.rows], open_[rest.cols], rest.mass)
        greedy = Coupling(*(np.concatenate(parts) for parts in zip(accepted, rest, strict=True)))
    cost_greedy, cost_halving = (float(c.mass @ distance(x[c.rows], y[c.cols]) ** 2) for c in (greedy, halving))
    if cost_greedy < cost_halving:
        return greedy, "upper bound: nearest neighbours while there is room, the rest by halving"
    return halving, "upper bound: halving"


def _accept_nearest(x, y, a, b) -> tuple[Coupling, np.ndarray, np.ndarray]:
    """Each atom of y takes what comes from the atoms of x that it is nearest to, the nearest ones first, until it is full."""
    from scipy.spatial import KDTree

    lengths, nearest = (np.asarray(found) for found in KDTree(y).query(x))
    order = np.lexsort([lengths, nearest])
    rows, cols, mass = order, nearest[order], a[order]
    before = np.cumsum(mass) - mass
    first = np.searchsorted(cols, cols)  # where the arrivals at the same atom begin
    room = b[cols] - (before - before[first])
    accepted = np.clip(room, 0.0, mass)
    rest_a, rest_b = a.copy(), b.copy()
    rest_a[rows] -= accepted
    rest_b -= np.bincount(cols, accepted, minlength=len(b))
    kept = accepted > 0
    return Coupling(rows[kept], cols[kept], accepted[kept]), np.maximum(rest_a, 0), np.maximum(rest_b, 0)
