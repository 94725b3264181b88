"""Pairing: which place each atom gets, so that the broken lines of the two stages have few pieces."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from .knots import fewest_pieces
from .match import across

# Pairings compared in one attempt, and the nominal time that an attempt takes for one atom, with a margin for slow machines.
_TOGETHER, _NOMINAL = 64, 2.5e-5
# Temperature at the beginning (in pieces), and what a factor e in the mean steepness counts against a piece.
_HOT, _STEEP = 0.6, 0.02


@dataclass(frozen=True)
class Stages:
    """What the two stages have to do, for any pairing of the K atoms with the K places.

    Attributes:
        xi, zeta: atoms and places in the chart, shape (K, d - 1).
        a, c: the directions whose heights the two stages gate on.
    """

    xi: np.ndarray
    zeta: np.ndarray
    a: np.ndarray
    c: np.ndarray

    def displacements(self, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What stage 1 moves (orthogonal to a) and what stage 2 moves (along ``across(a, c)``), if atom k goes to the place order[k]."""
        whole, along = self.zeta[order] - self.xi, across(self.a, self.c)
        second = np.multiply.outer((whole @ self.a) / (along @ self.a), along)
        return whole - second, second

    def chords(self, orders: np.ndarray) -> list[np.ndarray]:
        """Slopes of the chords of the scalar displacements, an array (batch, K - 1) for each stage that has such: stage 1 for d = 3 only.

        Args:
            orders: shape (batch, K), permutations.
        """
        along, unit = across(self.a, self.c), normal_in_plane(self.a)
        second = ((self.zeta @ self.a)[orders] - self.xi @ self.a) / (along @ self.a)
        later = np.empty_like(second)
        np.put_along_axis(later, orders, second, axis=1)
        stages = [(self.zeta @ self.c, later)]
        if unit is not None:
            first = (self.zeta @ unit)[orders] - self.xi @ unit - (along @ unit) * second
            stages.insert(0, (self.xi @ self.a, first))
        slopes = []
        for heights, values in stages:
            rows = np.argsort(heights)
            slopes.append(np.diff(values[:, rows], axis=1) / np.diff(heights[rows]))
        return slopes


def normal_in_plane(a: np.ndarray) -> np.ndarray | None:
    """The unit vector orthogonal to a in the plane; None in more dimensions, where there is no single one."""
    return np.array([-a[1], a[0]]) if a.size == 2 else None


def attempts_in(seconds: float, atoms: int) -> int:
    """How many attempts are nominally made in so many seconds: a number that does not depend on the machine."""
    return max(1, int(seconds / (_NOMINAL * max(atoms, 32))))


def best_pairing(
    stages: Stages,
    order: np.ndarray,
    classes: Sequence[np.ndarray],
    *,
    steepest: float,
    attempts: int,
    seconds: float = np.inf,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[np.ndarray, int]:
    r"""The pairing with the fewest pieces found by simulated annealing.

    A piece of a broken line holds two neighbouring points only where the slopes of the chords before and after it allow it (see ``cover``);
    at random that leaves about 0.77 K pieces a stage. Where atoms may exchange their places there are pairings with few more than the K/2
    that are needed at least.

    Args:
        stages: what is to be done.
        order: the pairing to start from, shape (K,).
        classes: rows that may exchange their places: atoms of one measure with equal weights.
        steepest: see ``cover``.
        attempts: each compares 64 pairings that differ from the present one by one or two exchanges.
        seconds: after so long it stops in any case (compilation does not count).
        seed: of the exchanges.
        progress: called with (attempts made, attempts).

    Returns:
        The pairing, and how many attempts were made: fewer than ``attempts`` if time ran out.
    """
    classes = [members for members in classes if len(members) > 1]
    if not classes:
        return order, attempts
    rng = np.random.default_rng(seed)
    rows, sizes = np.concatenate(classes), np.array([len(members) for members in classes])
    start = np.repeat(np.cumsum(sizes) - sizes, sizes)
    size, batch = np.repeat(sizes, sizes), np.arange(_TOGETHER)

    def cost(orders: np.ndarray) -> np.ndarray:
        chords = np.stack(stages.chords(orders))
        pieces = fewest_pieces(chords.reshape(-1, chords.shape[-1]), steepest).reshape(chords.shape[:2])
        return (pieces + _STEEP * np.log1p(np.abs(chords)).mean(axis=-1)).sum(axis=0)

    present = least = float(cost(order[None])[0])
    cost(np.repeat(order[None], _TOGETHER, axis=0))  # compiles
    best, deadline = order, time.monotonic() + seconds
    for done in range(attempts):
        if time.monotonic() > deadline:
            return best, done
        heat = _HOT * (1 - done / attempts) + 1e-3
        orders = np.repeat(order[None], _TOGETHER, axis=0)
        for twice in (np.ones(_TOGETHER, bool), rng.uniform(size=_TOGETHER) < 0.5):
            one = rng.integers(len(rows), size=_TOGETHER)
            two = start[one] + (rng.uniform(size=_TOGETHER) * size[one]).astype(int)
            i, j = rows[one], np.where(twice, rows[two], rows[one])
            orders[batch, i], orders[batch, j] = orders[batch, j], orders[batch, i]
        costs = cost(orders)
        k = int((costs - heat * rng.gumbel(size=_TOGETHER)).argmin())
        if costs[k] <= present or rng.uniform() < np.exp((present - costs[k]) / heat):
            order, present = orders[k], float(costs[k])
            if present < least:
                best, least = order, present
        if progress and done % 16 == 0:
            progress(done, attempts)
    return best, attempts
