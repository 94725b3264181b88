"""The best that any map can do: whole atoms, placed anywhere, against a target measure."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ..measures import Empirical
from .bounds import placement_lower_bound
from .cost import atoms, geodesic_cost, same_dimension
from .coupling import MAX_PAIRS, Coupling, common_masses, halving_coupling, optimal_coupling, short_coupling, staircase_coupling
from .frechet import frechet_means
from .grouping import short_ways, whole_groups
from .polytope import best_vertex, count_trees
from .wasserstein import wasserstein2

_MOST_TREES = 50_000
# The entries of all cost matrices of a search together; less is tried (and reported) beyond.
_SEARCH_WORK = 8_000_000
_MOST_ROUNDS = 100
_QUICK_PAIRS = 1_000_000


@dataclass(frozen=True)
class Placement:
    """Where the atoms of a source should go to come as close to a target as whole atoms can.

    Attributes:
        positions: a position on the sphere for each source atom; equal source atoms have equal positions. Bitwise equal to target atoms
            wherever an atom serves only one.
        value: W_2 in radians between the target and the source moved to these positions.
        exact: whether no placement does better (up to rounding).
        method: how it was found: "exact: ..." or "upper bound: ...".
        lower: a rigorous lower bound for all placements, in radians.
    """

    positions: Float[np.ndarray, "n d"]
    value: float
    exact: bool
    method: str
    lower: float

    @property
    def attainable(self) -> float:
        """The least W_2 that a map is known to reach (an infimum: a flow keeps atoms apart that share a place here)."""
        return self.value


def best_placement(
    source: Empirical, target: Empirical, *, seed: int = 0, starts: int = 8, kicks: int = 128, quick: bool = False
) -> Placement:
    r"""Minimises $W_2(\sum_j a_j \delta_{z_j}, \nu)$ over positions z_j on the sphere: a flow may place atoms anywhere but splits none.

    With $\nu = \sum_k b_k \delta_{y_k}$ the square is the minimum over couplings $\gamma$ of a and b of
    $\sum_j \min_z \sum_k \gamma_{jk}\, d_g(z, y_k)^2$. In this order:

    1. whole atoms fill every target atom: zero;
    2. few atoms: all vertices of the transport polytope (the objective is concave in the coupling);
    3. otherwise alternate Frechet means for a fixed coupling and an optimal coupling for fixed positions, until nothing improves: from the
       optimal coupling of the source where it stands, from couplings along tours of the target atoms, and from random changes of the best
       so far. An upper bound, unless it meets the lower bound.

    Atoms of equal mass then swap places so that they move as little as possible.

    Args:
        source: its weights matter, and its points for the first start and the short ways.
        target: the measure to come close to.
        seed: of the random starts and kicks.
        starts: the most starts; fewer for large measures (``method`` says how many).
        kicks: the most random changes of the best placement that are tried after the starts; fewer for large measures.
        quick: where only the value is wanted: beyond a million pairs of atoms no search, and the ways are not made short.

    Raises:
        InputError: the dimensions differ, or a point is off the sphere.

    Example:
        >>> triangle, pair = Empirical(np.eye(3)), Empirical(np.eye(3)[:2])
        >>> best = best_placement(triangle, pair)  # one atom has to stand half-way: (pi/2)^2 / 12
        >>> round(best.value**2 * 12 / (np.pi / 2) ** 2, 12), best.exact
        (1.0, True)
    """
    same_dimension(source, target, ("source", "target"))
    mu, atom_of_row = Empirical(*atoms(source, "source")).merged()
    nu, _ = Empirical(*atoms(target, "target")).merged()
    x, y = np.asarray(mu.points), np.asarray(nu.points)
    a, b, total = common_masses(np.asarray(mu.weights), np.asarray(nu.weights))
    groups = whole_groups(a, b)
    if groups is not None:
        positions, lower, method = y[groups], 0.0, "exact: whole atoms fill every target atom"
    else:
        positions, lower, method = _place(x, y, a, b, seed, starts, kicks, _QUICK_PAIRS if quick else MAX_PAIRS)
        lower = float(np.sqrt(lower / total))
    moved = Empirical(positions if quick else short_ways(x, positions, a), mu.weights)
    value = wasserstein2(moved, nu).value
    exact = value - lower <= 1e-12 or value - lower <= 1e-12 * value
    if exact and method.startswith("upper bound"):
        method = "exact: meets the lower bound"
    return Placement(np.asarray(moved.points)[atom_of_row], value, exact, method, min(lower, value))


def _place(x, y, a, b, seed: int, starts: int, kicks: int, most_pairs: int) -> tuple[np.ndarray, float, str]:
    """Positions, a lower bound of the squared value times the total mass, and the method, when no grouping is known."""
    if max(len(x), len(y)) * len(y) > most_pairs:
        means = frechet_means(y, halving_coupling(x, y, a, b), len(a))
        return means.points, 0.0, "upper bound: Frechet means of a coupling by halving"
    square = geodesic_cost(y, y) ** 2
    lower = placement_lower_bound(a, b, square)
    if count_trees(len(a), len(b)) <= _MOST_TREES:
        best = best_vertex(a, b, y, square)
        if best.cost - best.lower <= 1e-14 * best.cost:
            name = f"exact: all vertices of the transport polytope ({best.trees} trees)"
        else:
            name = "upper bound: all vertices of the transport polytope, but some Frechet means are only local"
        return best.positions, max(lower, best.lower), name
    tries = _SEARCH_WORK // (len(a) * len(b))
    starts = max(1, min(starts, tries))
    kicks = max(0, min(kicks, tries - starts))
    rng = np.random.default_rng(seed)
    best_cost, positions = np.inf, x
    for attempt in range(starts + kicks):
        if attempt == 0:
            coupling = short_coupling(x, y, a, b)
        elif attempt < starts:
            coupling = _along_tour(a, b, square, rng)
        else:
            coupling = _kicked(positions, y, a, b, rng)
        cost, points = _alternate(y, a, b, coupling)
        if cost < best_cost:
            best_cost, positions = cost, points
        if best_cost <= lower * (1 + 1e-12):
            break
    return positions, lower, f"upper bound: alternating optimal transport from {starts} starts, {kicks} random changes"


def _along_tour(a, b, square, rng: np.random.Generator) -> Coupling:
    """Atoms in random order, dealt out along a tour of the target."""
    rows, tour = rng.permutation(len(a)), _tour(square, int(rng.integers(len(b))))
    stairs = staircase_coupling(a[rows], b[tour])
    return Coupling(rows[stairs.rows], tour[stairs.cols], stairs.mass)


def _kicked(positions, y, a, b, rng: np.random.Generator) -> Coupling:
    """An optimal coupling for changed costs: two or three atoms trade places, and every cost takes a random factor."""
    traders = rng.permutation(len(a))[: int(rng.integers(2, 4))]
    moved = positions.copy()
    moved[traders] = positions[np.roll(traders, 1)]
    factors = np.exp(rng.choice([0.3, 1.0]) * rng.normal(size=(len(a), len(b))))
    return optimal_coupling(geodesic_cost(moved, y) ** 2 * factors, a, b)[0]


def _tour(square: np.ndarray, first: int) -> np.ndarray:
    """From target atom to nearest target atom not yet seen, so that an atom shared by two is shared by neighbours."""
    tour = np.empty(len(square), int)
    seen = np.zeros(len(square), bool)
    for step in range(len(square)):
        tour[step] = first
        seen[first] = True
        first = int(np.argmin(np.where(seen, np.inf, square[first])))
    return tour


def _alternate(y, a, b, coupling: Coupling) -> tuple[float, np.ndarray]:
    """Frechet means for the coupling, an optimal coupling for the means, and so on; both steps can only lower the cost."""
    best, positions = np.inf, np.empty((0, y.shape[1]))
    for _ in range(_MOST_ROUNDS):
        means = frechet_means(y, coupling, len(a))
        cost = float(means.cost.sum())
        if not cost < best * (1 - 1e-12):
            break
        best, positions = cost, means.points
        coupling, _ = optimal_coupling(geodesic_cost(positions, y) ** 2, a, b)
    return best, positions
