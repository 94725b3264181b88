r"""What no placement of whole atoms can beat: lower bounds for $\min_z W_2(\sum_j a_j \delta_{z_j}, \sum_k b_k \delta_{y_k})$.

Both rest on one inequality. On the sphere exp_z does not expand distances (its curvature is not negative), so
|log_z y_k - log_z y_l| >= d(y_k, y_l) =: D_kl for any z, and for any fractions p_k that sum to 1

    sum_k p_k d(z, y_k)^2  >=  1/2 sum_kl p_k p_l |log_z y_k - log_z y_l|^2  >=  1/2 sum_kl p_k p_l D_kl^2.
"""

import numpy as np
from jaxtyping import Float

from .coupling import MASS_TOLERANCE, optimal_coupling

# Work allowed for the set of all sums of weights: bits times atoms for whole masses, atoms for others (2^16 sums).
_MOST_BITS = 4_000_000_000
_MOST_ATOMS = 16


def placement_lower_bound(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"], square: Float[np.ndarray, "m m"]) -> float:
    """A lower bound of sum_j min_z sum_k gamma_jk d(z, y_k)^2 over all couplings gamma of a and b.

    Args:
        a: masses of the atoms that move.
        b: masses of the target atoms y_k, with the same sum.
        square: squared distances D_kl^2 of the target atoms.

    Returns:
        The larger of the two bounds below, in the units of the masses times rad^2.
    """
    return max(split_bound(a, b, square), spread_bound(a, b, square))


def split_bound(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"], square: Float[np.ndarray, "m m"]) -> float:
    r"""Whole atoms may not add up to b_k: some atom must then be shared between y_k and another target atom.

    Proof. With p = gamma_j/a_j and delta_k the distance from y_k to its nearest other target atom,
    sum_kl p_k p_l D_kl^2 >= sum_k delta_k^2 p_k (1 - p_k), so the cost is >= 1/2 sum_k delta_k^2 c_k with
    c_k = min sum_j a_j p_j (1 - p_j) over 0 <= p_j <= 1 with sum_j a_j p_j = b_k. That is concave: at a minimum all p_j but one are 0 or 1,
    and that one, of mass r + u, gives r. Sums of atoms are then b_k - r and b_k + u, so c_k >= r u/(r + u) for the sums nearest to b_k.
    """
    if len(b) == 1:
        return 0.0
    below, above = _nearest_sums(a, b)
    r, u = b - below, above - b
    nearest = (square + np.diag(np.full(len(b), np.inf))).min(axis=1)
    shared = np.divide(r * u, r + u, out=np.zeros_like(b), where=np.minimum(r, u) > MASS_TOLERANCE * b.sum())
    return float(nearest @ shared) / 2


def spread_bound(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"], square: Float[np.ndarray, "m m"]) -> float:
    r"""An atom heavier than target atoms must serve several: at best the nearest ones.

    Proof. 1/2 sum_l p_l D_kl^2 >= E_k(a_j), the value when p fills the atoms nearest to y_k in turn, p_l <= b_l/a_j, until the sum is 1.
    So the cost is >= min over gamma of sum_jk gamma_jk E_k(a_j): a transport problem with one row for each distinct a_j.
    """
    sizes, kind = np.unique(a, return_inverse=True)
    if len(sizes) * square.size > 500_000_000:
        sizes, kind = sizes[:1], np.zeros(len(a), int)  # E_k grows with a_j: the least of them is a bound for all
    by_distance = np.argsort(square, axis=1)
    near, room = np.take_along_axis(square, by_distance, axis=1), b[by_distance]
    before = np.cumsum(room, axis=1) - room
    needed = np.array([(near * np.clip(size - before, 0, room)).sum(axis=1) / (2 * size) for size in sizes])
    masses = np.bincount(kind, a)
    if len(sizes) == 1:
        return float(needed[0] @ b)
    coupling, method = optimal_coupling(needed, masses, b)
    if method.startswith("upper bound"):
        return float(needed.min(axis=0) @ b)
    return float(needed[coupling.rows, coupling.cols] @ coupling.mass)


def _nearest_sums(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each b_k the largest sum of some atoms that is <= b_k, and the smallest that is >= b_k; or bounds of them (at worst b_k)."""
    total = a.sum()
    slack = MASS_TOLERANCE * total
    if np.ptp(a) <= slack / len(a):
        below = np.floor((b + slack) / a[0]) * a[0]
        return np.minimum(below, b), np.where(b - below <= slack, b, below + a[0])
    if len(a) <= _MOST_ATOMS:
        sums = np.zeros(1)
        for mass in a:
            sums = np.concatenate([sums, sums + mass])
        sums = np.sort(sums)
        below = sums[np.searchsorted(sums, b + slack, "right") - 1]
        above = sums[np.minimum(np.searchsorted(sums, b - slack), len(sums) - 1)]
        return np.minimum(below, b), np.maximum(above, b)
    if total > 1.5 and max(len(a), len(b)) * total <= _MOST_BITS:  # whole masses: bit s of ``reached`` says that s is a sum
        reached = 1
        for mass in a:
            reached |= reached << int(mass)
        # s is a sum exactly if total - s is, so the sums above b_k are mirrored sums below.
        below = np.array([_highest_bit(reached, int(t)) for t in b], float)
        above = np.array([total - _highest_bit(reached, int(total - t)) for t in b], float)
        return below, above
    smallest = a.min()  # nothing is known but that no sum lies strictly between 0 and the lightest atom
    return np.where(b < smallest - slack, 0.0, b), np.where(b < smallest - slack, smallest, b)


def _highest_bit(bits: int, limit: int) -> int:
    return (bits & ((2 << limit) - 1)).bit_length() - 1
