"""Quantisation: the nearest measure with few atoms."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from .._brief import brief
from ..errors import InputError
from ..geometry import distance, normalize
from ..measures import Empirical

_ROUNDS = 60
# Lloyd's rounds run on at most this many atoms; the cells are then those of all atoms.
_MOST_ATOMS = 20_000
# The number of cells grows by this factor when the least number for a given error is sought.
_STEP = 1.2


@dataclass(frozen=True)
class Quantisation:
    """A measure of few atoms, and the cells of the measure that it stands for.

    Attributes:
        measure: sum_k b_k delta_{z_k}, b_k the mass of cell k.
        cell: for each atom of the original measure, the index k of its cell.
        error: W_2 between the two, radians (exact: every atom goes to the nearest z_k).
    """

    measure: Empirical
    cell: Int[np.ndarray, " n"]
    error: float
    __repr__ = brief


def quantise(mu: Empirical, cells: int, *, seed: int = 0) -> Quantisation:
    r"""A measure with at most ``cells`` atoms that is close to mu in $W_2$, masses free.

    Lloyd's algorithm on the sphere: cells are the Voronoi cells of the z_k, and z_k the normalised barycentre of its cell (the minimiser of
    the sum of squared chords). It starts from atoms drawn one after the other with probability proportional to the squared distance from
    those drawn before. A local minimum; with as many cells as atoms it is mu itself.

    Args:
        mu: a measure on the sphere.
        cells: the most atoms of the result, at least 1.
        seed: of the start.

    Raises:
        InputError: ``cells`` is less than 1.

    References:
        Graf, Luschgy, Foundations of Quantization for Probability Distributions (2000), Chapter 4: the error decreases like
        cells^{-1/(d-1)}.
    """
    if cells < 1:
        raise InputError(f"cells must be at least 1, got {cells}")
    x, w = np.asarray(mu.points, float), np.asarray(mu.weights, float)
    if cells >= len(x):
        return Quantisation(mu, np.arange(len(x)), 0.0)
    rng = np.random.default_rng(seed)
    rows = rng.choice(len(x), _MOST_ATOMS, replace=False) if len(x) > _MOST_ATOMS else np.arange(len(x))
    z = _lloyd(x[rows], w[rows], _spread_start(x[rows], w[rows], cells, rng))
    cell = _nearest(x, z)
    used, cell = np.unique(cell, return_inverse=True)
    error = float(np.sqrt(w @ distance(x, z[used][cell]) ** 2))
    return Quantisation(Empirical(z[used], np.bincount(cell, w)), cell, error)


def coarsest_quantisation(mu: Empirical, error: float, most: int, *, seed: int = 0) -> Quantisation:
    """The quantisation with the fewest cells (of a ladder with steps of a fifth) whose error is at most ``error``; with ``most`` cells if
    that many do not suffice.

    Args:
        mu: a measure on the sphere.
        error: W_2 allowed, radians.
        most: the most cells.
        seed: of the starts.
    """
    low, high, best = 0, 1, quantise(mu, 1, seed=seed)
    while best.error > error and high < min(most, mu.size):
        low, high = high, min(2 * high, most, mu.size)
        best = quantise(mu, high, seed=seed)
    while high > max(_STEP * low, low + 1) and best.error <= error:
        middle = max(int(np.sqrt(max(low, 1) * high)), low + 1)
        if middle >= high:
            break
        found = quantise(mu, middle, seed=seed)
        if found.error <= error:
            high, best = middle, found
        else:
            low = middle
    return best


def _spread_start(x: np.ndarray, w: np.ndarray, cells: int, rng: np.random.Generator) -> np.ndarray:
    chosen = np.empty(cells, int)
    chosen[0] = rng.choice(len(x), p=w / w.sum())
    nearest = ((x - x[chosen[0]]) ** 2).sum(1)
    for k in range(1, cells):
        mass = w * nearest
        chosen[k] = rng.choice(len(x), p=mass / mass.sum()) if mass.sum() > 0 else rng.integers(len(x))
        nearest = np.minimum(nearest, ((x - x[chosen[k]]) ** 2).sum(1))
    return x[chosen]


def _lloyd(x: np.ndarray, w: np.ndarray, z: np.ndarray) -> np.ndarray:
    before = np.empty(0)
    for _ in range(_ROUNDS):
        cell = _nearest(x, z)
        if np.array_equal(cell, before):
            break
        before = cell
        sums = np.stack([np.bincount(cell, w * column, minlength=len(z)) for column in x.T], axis=1)
        filled = np.linalg.norm(sums, axis=1) > 0
        z = np.where(filled[:, None], normalize(np.where(filled[:, None], sums, 1.0)), z)
    return z


def _nearest(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    from scipy.spatial import KDTree

    return np.asarray(KDTree(z).query(x)[1])
