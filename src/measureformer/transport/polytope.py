"""The vertices of the transport polytope of two small measures, all of them."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .coupling import MASS_TOLERANCE, Coupling
from .frechet import frechet_means

_BATCH = 256


class VertexOptimum(NamedTuple):
    """The best vertex: where its atoms go, its cost, a lower bound of the best cost, and how many trees were looked at."""

    positions: Float[np.ndarray, "n d"]
    cost: float
    lower: float
    trees: int


def count_trees(n: int, m: int) -> int:
    """The number of spanning trees of the complete bipartite graph: n^(m-1) m^(n-1)."""
    return n ** (m - 1) * m ** (n - 1)


def vertices(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"]) -> Float[np.ndarray, "v n m"]:
    """Every vertex of the set of couplings of a and b (some of them more than once).

    A vertex is a coupling that lives on a spanning tree of rows and columns, and a tree fixes it: a leaf hands all its mass to its only
    neighbour. Trees are written as pairs of Pruefer sequences, one of m - 1 rows and one of n - 1 columns: taking away the leaf of least
    label, write down its neighbour in the sequence of the neighbour's side. All sequences are decoded at once; negative masses mean that
    the tree has no vertex.
    """
    n, m = len(a), len(b)
    count = count_trees(n, m)
    digits = np.unravel_index(np.arange(count), (n,) * (m - 1) + (m,) * (n - 1)) if n + m > 2 else ()
    neighbours = np.zeros((count, n + m - 2), int)
    for place, digit in enumerate(digits):
        neighbours[:, place] = digit if place < m - 1 else digit + n
    tree = np.arange(count)
    degree = np.ones((count, n + m), int)
    np.add.at(degree, (tree[:, None], neighbours), 1)
    left = np.broadcast_to(np.concatenate([a, b]), (count, n + m)).copy()
    gamma = np.zeros((count, n, m))
    next_row, next_col = np.zeros(count, int), np.full(count, m - 1)
    for edge in range(n + m - 1):
        leaf = np.argmax(degree == 1, axis=1)
        from_row = leaf < n
        if edge < n + m - 2:
            other = neighbours[tree, np.where(from_row, next_col, next_row)]
            next_col, next_row = next_col + from_row, next_row + ~from_row
        else:
            other = n + m - 1 - np.argmax(degree[:, ::-1] == 1, axis=1)
        mass = left[tree, leaf]
        gamma[tree, np.where(from_row, leaf, other), np.where(from_row, other, leaf) - n] = mass
        left[tree, other] -= mass
        degree[tree, leaf] = 0
        degree[tree, other] -= 1
    tolerance = MASS_TOLERANCE * a.sum()
    gamma = gamma[(gamma >= -tolerance).all(axis=(1, 2))]
    return np.where(gamma > tolerance, gamma, 0.0)


def best_vertex(
    a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"], y: Float[np.ndarray, "m d"], square: Float[np.ndarray, "m m"]
) -> VertexOptimum:
    r"""The minimum over couplings gamma of $\sum_j \min_z \sum_k \gamma_{jk} d_g(z, y_k)^2$.

    The objective is a minimum of linear functions of gamma, hence concave, hence least at a vertex. Vertices are taken in the order of the
    lower bound 1/2 sum_jkl gamma_jk gamma_jl D_kl^2 / a_j (proof: module ``bounds``) until it passes the best cost found.

    Args:
        a: masses of the atoms that move.
        b: masses of the target atoms, with the same sum.
        y: the target atoms.
        square: their squared distances.
    """
    n, m = len(a), len(b)
    gamma = vertices(a, b)
    row_bounds = np.einsum("vjk,vjk->vj", gamma @ square, gamma) / (2 * a)
    bounds = row_bounds.sum(axis=1)
    order = np.argsort(bounds, kind="stable")
    best, positions, lower = np.inf, np.empty((n, y.shape[1])), np.inf
    for start in range(0, len(order), _BATCH):
        batch = order[start : start + _BATCH]
        if bounds[batch[0]] > best:
            break
        rows, which = np.unique(gamma[batch].reshape(-1, m), axis=0, return_inverse=True)
        which = which.reshape(len(batch), n)
        j, k = np.nonzero(rows)
        means = frechet_means(y, Coupling(j, k, rows[j, k]), len(rows))
        costs = means.cost[which].sum(axis=1)
        lower = min(lower, float(np.where(means.proved[which], means.cost[which], row_bounds[batch]).sum(axis=1).min()))
        winner = int(np.argmin(costs))
        if costs[winner] < best:
            best, positions = float(costs[winner]), means.points[which[winner]]
    return VertexOptimum(positions, best, min(lower, best), count_trees(n, m))
