"""Claim 1 of Section 5.1 and Lemma B.2: a cluster is cut into pieces of equal mass, and each collapses."""

from typing import NamedTuple

import numpy as np

from ...errors import ConditioningError, InputError
from ...geometry import distance, tangent
from ...measures import Empirical
from ...schedule import Segment
from .cluster import spread
from .gate import NARROWEST, Gate, missing_digits, run, unit

_TRIALS = 64
# Radii of the balls, in units of the cluster's radius.
_RADII = (1.1, 1.5, 2.0, 3.0)


class Pieces(NamedTuple):
    """A move, and for each piece the indices of its atoms."""

    segments: list[Segment]
    measures: list[Empirical]
    groups: list[np.ndarray]


class _Cut(NamedTuple):
    """Balls of one radius along a great circle: gates, the points that they collapse to, the atoms; and the narrowest difference of heights
    between an atom inside and one outside."""

    gates: list[Gate]
    goals: list[np.ndarray]
    groups: list[np.ndarray]
    room: float


def collapse_ball(gate: Gate, points: np.ndarray, goal: np.ndarray, radius: float, *, phase: str = "cluster") -> Segment:
    r"""Lemma B.2 **corrected**. One segment that acts inside the ball B(z, R) and nowhere else: U = 1 z^T, b = -cos(R) 1, W 1 = omega, gate
    $(\langle z, x \rangle - \cos R)_+$ (the printed signs act on the complement). The points in it end within ``radius`` of omega.

    Args:
        gate: axis z, low = cos R.
        points: of the ball, shape (n, d).
        goal: omega, in the ball.
        radius: radians.
        phase: name of the segment.

    References:
        arXiv:2411.04551v3, Lemma B.2.
    """
    return gate.segment(goal, max(gate.travel_time(x, goal, radius) for x in points), phase)


def cut_into_pieces(
    measures: list[Empirical], i: int, m: int, radius: float, *, literal: bool = False, phase: str = "cluster", seed: int = 0
) -> Pieces:
    """Claim 1 of Section 5.1, with Lemma B.2: m segments turn measure i, a cluster of n atoms of equal mass, m a divisor of n, into m
    points of mass 1/m, and leave all the other measures where they are.

    A ball of a fixed radius travels along a great circle into the cluster. As soon as n/m atoms are in it, it collapses them to the point
    of it that lies farthest behind, which the ball leaves before it takes the next atoms. Great circle and radius are those (of a few
    hundred) that leave most room between the atoms inside and outside.

    Args:
        measures: with disjoint geodesic hulls.
        i: which to cut.
        m: number of pieces.
        radius: how close to its point each piece ends, radians.
        literal, phase, seed: see ``isolate``.

    Raises:
        InputError: m does not divide the number of atoms, or they have different weights.
        ConditioningError: no ball separates the atoms in float64.

    References:
        arXiv:2411.04551v3, Section 5.1, Claim 1, and Lemma B.2.
    """
    mu = measures[i]
    if mu.size % m or np.ptp(mu.weights) > 1e-9 / mu.size:
        raise InputError(
            f"a measure of {mu.size} atoms (weights {mu.weights.min():g} to {mu.weights.max():g}) has no {m} pieces of equal mass"
        )
    others = np.concatenate([nu.points for k, nu in enumerate(measures) if k != i] or [np.empty((0, mu.dimension))])
    rng = np.random.default_rng(seed)
    center, extent = unit(mu.mean()), spread(mu)
    if extent <= radius and m == 1:
        return Pieces([], measures, [np.arange(mu.size)])
    cuts = []
    for _ in range(_TRIALS):
        forward = unit(tangent(center, rng.normal(size=mu.dimension)))
        cuts += [_cut(mu.points, others, center, forward, factor * extent, m, literal) for factor in _RADII]
    best = max(cuts, key=lambda c: c.room)
    if best.room < NARROWEST:
        raise ConditioningError(
            f"phase {phase}: the best balls that cut measure {i} leave heights {max(best.room, 0):.1e} apart, and float64 gates need "
            f"{NARROWEST:.0e}: {missing_digits(NARROWEST, max(best.room, 1e-16))}"
        )
    segments: list[Segment] = []
    for gate, goal, group in zip(best.gates, best.goals, best.groups, strict=True):
        segments.append(collapse_ball(gate, mu.points[group], goal, radius, phase=phase))
    return Pieces(segments, run(segments, measures), best.groups)


def _cut(x: np.ndarray, others: np.ndarray, center: np.ndarray, forward: np.ndarray, R: float, m: int, literal: bool) -> _Cut:
    """The balls B(c(s), R) along c(s) = cos(s) center + sin(s) forward, where they hold the first q, 2q, ... atoms."""

    def at(s: float) -> np.ndarray:
        return np.cos(s) * center + np.sin(s) * forward

    nothing = _Cut([], [], [], -np.inf)
    # an atom is on the rim of the oncoming ball when <x, c(s)> = cos R, the first time
    along, up = x @ forward, x @ center
    ratio = np.cos(R) / np.hypot(along, up)
    if (np.abs(ratio) >= 1).any():
        return nothing
    enters = np.arctan2(along, up) - np.arccos(ratio)
    order = np.argsort(enters)
    q = len(x) // m
    gates, goals, groups, room = [], [], [], np.inf
    for p in range(m):
        group, later = order[p * q : (p + 1) * q], order[(p + 1) * q :]
        last = enters[group].max()
        s = (last + enters[later].min()) / 2 if len(later) else last + 0.1 * R
        z = at(s)
        strangers = np.concatenate([x[later], others, np.array(goals).reshape(-1, len(z))])
        inside, outside = float(distance(x[group], z).max()), float(distance(strangers, z).min()) if len(strangers) else np.pi / 2
        outside = min(outside, np.pi / 2)
        room = min(room, np.cos(inside) - np.cos(outside))
        if room <= 0:
            return nothing
        near, far = inside + (outside - inside) / 4, outside - (outside - inside) / 4
        gates.append(Gate(z, np.cos(far), None if literal else np.cos(near)))
        goals.append(at(s - inside))
        groups.append(group)
    return _Cut(gates, goals, groups, float(room))


def as_points(measures: list[Empirical], groups: list[list[np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The centres of the pieces of all the measures, shape (K, d), and the mass of each."""
    centers = [unit(mu.weights[g] @ mu.points[g]) for mu, pieces in zip(measures, groups, strict=True) for g in pieces]
    masses = [mu.weights[g].sum() for mu, pieces in zip(measures, groups, strict=True) for g in pieces]
    return np.array(centers), np.array(masses)
