"""Heights: directions along which all points lie far apart, and the least change that keeps them apart."""

from typing import NamedTuple

import numpy as np


class Direction(NamedTuple):
    """A unit vector of the chart, and the smallest gap between the sorted heights of the points along it."""

    vector: np.ndarray
    gap: float


def smallest_gap(heights: np.ndarray) -> float:
    """The smallest difference between two of the numbers (infinite for a single one)."""
    return float(np.diff(np.sort(heights)).min(initial=np.inf))


def best_direction(
    points: np.ndarray, *, across: np.ndarray | None = None, tries: int = 4096, refined: int = 8, seed: int = 0
) -> Direction:
    r"""A direction a that makes $\min_{j \ne k} |\langle a, \xi_j - \xi_k \rangle|$ large.

    A random direction leaves a gap of about 1/K^2 of the range, and slopes grow like 1/gap. Many directions are compared; within the cone
    of directions that sort the points in the same order, the best one is a linear program, which is solved for the few most promising.

    Args:
        points: chart coordinates, shape (K, D), D >= 2.
        across: if given, a unit vector that the direction must make an angle of at least 30 degrees with.
        tries: directions compared; halved for each doubling of K beyond 1024, so that the cost stays near K log K.
        refined: linear programs solved.
        seed: of the directions.

    Returns:
        The best direction found.
    """
    count, dimension = points.shape
    tries = max(tries * 1024 // max(count, 1024), 256)
    rng = np.random.default_rng(seed)
    if dimension == 2:
        angle = np.pi * (np.arange(tries) + rng.uniform()) / tries
        candidates = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    else:
        candidates = rng.normal(size=(tries, dimension))
        if across is not None:  # there is room: look orthogonally
            candidates -= np.outer(candidates @ across, across)
        candidates /= np.linalg.norm(candidates, axis=1, keepdims=True)
    if across is not None:
        candidates = candidates[np.abs(candidates @ across) <= np.cos(np.pi / 6)]
    if count == 1:
        return Direction(candidates[0], np.inf)
    block = max(1, 2**21 // count)
    gaps = np.concatenate(
        [np.diff(np.sort(candidates[i : i + block] @ points.T, axis=1), axis=1).min(axis=1) for i in range(0, len(candidates), block)]
    )
    best = Direction(candidates[gaps.argmax()], float(gaps.max()))
    for k in np.argsort(gaps)[: -refined - 1 : -1]:
        refinement = _refine(points, candidates[k])
        if refinement.gap > best.gap:
            best = refinement
    return best


def _refine(points: np.ndarray, start: np.ndarray) -> Direction:
    """max g subject to <a, xi_(k+1) - xi_(k)> >= g in the order that ``start`` gives, a in a small box round it; then a/|a|."""
    from scipy.optimize import linprog

    order = np.argsort(points @ start)
    steps = np.diff(points[order], axis=0)
    gaps = steps @ start
    # Only the tightest gaps can bind after a small move; the result is measured on all of them.
    tight = np.argsort(gaps)[: 40 * points.shape[1]]
    scale = gaps[tight].max()
    program = linprog(
        np.append(np.zeros(points.shape[1]), -1.0),
        A_ub=np.hstack([-steps[tight] / scale, np.ones((tight.size, 1))]),
        b_ub=np.zeros(tight.size),
        bounds=[(v - 0.05, v + 0.05) for v in start] + [(None, None)],
        method="highs",
    )
    if program.x is None:
        return Direction(start, float(gaps.min()))
    vector = program.x[:-1] / np.linalg.norm(program.x[:-1])
    return Direction(vector, smallest_gap(points @ vector))


def spread(heights: np.ndarray, gap: float) -> np.ndarray:
    r"""The nearest heights, in the sum of squares, that keep the order and are at least ``gap`` apart.

    With z_(k) = h_(k) - k gap the constraint is that z increases: isotonic regression. Equal heights keep the order in which they are
    given.

    Args:
        heights: shape (K,).
        gap: >= 0.

    Returns:
        The new heights, in the order of the arguments.
    """
    from scipy.optimize import isotonic_regression

    order = np.argsort(heights, kind="stable")
    slots = gap * np.arange(heights.size)
    moved = np.empty_like(heights)
    moved[order] = isotonic_regression(heights[order] - slots).x + slots
    return moved
