"""Slabs: a thread of atoms is cut into pieces whose masses are those of the cells of its target."""

from dataclasses import dataclass

import numpy as np

from ..geometry import normalize
from ..measures import Empirical
from ..transport import Quantisation, best_placement, geodesic_cost, quantise, wasserstein2

# To find a gap that is wide enough a cut may move by this part of a slab's atoms, if the slab has so many.
_SLACK, _LEAST = 0.04, 4
# So many equal atoms make a slab of about any mass.
_MANY = 10
# Where weights differ, the places of the slabs are sought among so many times as many cells of the target.
_FINER = 4
# Masses count as about the same if they differ by less than this part.
_ALIKE = 0.05


@dataclass(frozen=True)
class Slabs:
    """The pieces of one measure, in the order of the heights.

    Attributes:
        rows: the atoms of each piece.
        places: where each piece should go, shape (M, d).
        error: W_2 between the target and the pieces at their places, radians; an upper bound if the target is large.
    """

    rows: list[np.ndarray]
    places: np.ndarray
    error: float


def cut(
    source: Empirical, heights: np.ndarray, target: Empirical, cells: Quantisation, ranks: np.ndarray, *, gap: float = 0.0, seed: int = 0
) -> Slabs:
    """Cut a measure by its heights into slabs, one for each cell of its target.

    Equal atoms: the slabs have the masses of the cells (up to whole atoms), taken in the order ``ranks``. Atoms of different weight are
    never split, so that the slabs have whatever masses they can, about equal ones: an atom heavier than a cell is a slab of its own, and
    if there are at most twice as many atoms as cells, every atom is. Their places are then the best for these masses
    (``transport.best_placement``), dealt out in the order ``ranks`` among slabs of about the same mass.

    Args:
        source: the measure.
        heights: of its atoms, shape (n,).
        target: where it goes.
        cells: a quantisation of the target.
        ranks: the order of the cells.
        gap: the room that a cut should have; a few atoms are left to the neighbouring slab for it where slabs have many.
        seed: of the search for the best places.
    """
    order = np.argsort(heights, kind="stable")
    masses = cells.measure.weights[ranks]
    equal = _fits(source, masses)
    if not equal:
        masses = np.full(cells.measure.size, 1 / cells.measure.size)
    few = not equal and source.size <= 2 * len(masses)
    ends = np.arange(1, source.size + 1) if few else cut_ends(heights[order], np.cumsum(source.weights[order]), np.cumsum(masses), gap)
    filled = np.diff(ends, prepend=0) > 0
    rows = np.split(order, ends[:-1])
    rows = [r for r, some in zip(rows, filled, strict=True) if some]
    if equal:
        places = cells.measure.points[ranks][filled]
    else:
        places = _best_places(source, rows, target, cells, ranks, seed)
    pieces = Empirical(places, [source.weights[r].sum() for r in rows])
    return Slabs(rows, places, _distance(pieces, target, cells))


def _fits(source: Empirical, masses: np.ndarray) -> bool:
    """Whether slabs of whole atoms can have these masses: equal atoms, and many of them to a slab or the right number."""
    if np.ptp(source.weights) > 1e-9 * source.weights.max():
        return False
    counts = masses * source.size
    return bool(counts.min() >= _MANY or np.abs(counts - np.rint(counts)).max() <= 1e-6)


def cut_ends(heights: np.ndarray, mass: np.ndarray, wanted: np.ndarray, gap: float = 0.0) -> np.ndarray:
    """How many atoms lie below the end of each slab: where the mass is nearest to what is wanted and the gap wide enough.

    Args:
        heights: of the atoms, in increasing order, shape (n,).
        mass: of the atoms up to each of them, shape (n,).
        wanted: of the slabs up to each of them, shape (M,).
        gap: see ``cut``.
    """
    n = len(heights)
    wanted = wanted[:-1] / wanted[-1] * mass[-1]
    right = np.clip(np.searchsorted(mass, wanted), 0, n - 1)
    left = np.maximum(right - 1, 0)
    ends = np.where(np.abs(mass[left] - wanted) <= np.abs(mass[right] - wanted), left, right) + 1
    ends[(right == 0) & (wanted < mass[0] / 2)] = 0
    gaps = np.diff(heights)
    slab = n / (len(wanted) + 1)
    reach = max(1, int(_SLACK * slab)) if slab >= _LEAST else 0
    for k in np.flatnonzero((ends > reach) & (ends < n - reach)):
        near = gaps[ends[k] - 1 - reach : ends[k] + reach]
        if reach and near[reach] < gap:
            wide = np.flatnonzero(near >= gap)
            ends[k] += (wide[np.abs(wide - reach).argmin()] if wide.size else int(near.argmax())) - reach
    return np.append(np.maximum.accumulate(ends), n)


def _best_places(source: Empirical, rows: list[np.ndarray], target: Empirical, cells: Quantisation, ranks: np.ndarray, seed: int):
    masses = np.array([source.weights[r].sum() for r in rows])
    centers = normalize(np.array([source.weights[r] @ source.points[r] for r in rows]))
    # centres that coincide would count as one atom
    centers = normalize(centers + 1e-9 * np.random.default_rng(seed).normal(size=centers.shape))
    finer = quantise(target, _FINER * cells.measure.size, seed=seed).measure
    places = best_placement(Empirical(centers, masses), finer, seed=seed, starts=2, kicks=16).positions
    rank = np.argsort(ranks)[geodesic_cost(places, cells.measure.points).argmin(axis=1)]
    kind = np.round(np.log(masses) / _ALIKE).astype(int)
    for k in np.unique(kind):
        alike = np.flatnonzero(kind == k)
        places[alike] = places[alike[np.argsort(rank[alike], kind="stable")]]
    return places


def _distance(pieces: Empirical, target: Empirical, cells: Quantisation) -> float:
    """W_2 between the pieces and the target, or the bound by way of the cells."""
    near = wasserstein2(pieces, cells.measure).value
    if near <= 1e-12 or pieces.size * target.size > 1_000_000:
        return near + cells.error if near > 1e-12 else cells.error
    return wasserstein2(pieces, target).value
