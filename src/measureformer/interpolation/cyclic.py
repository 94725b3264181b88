"""Maps of points of the circle that keep the cyclic order."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice, product

import numpy as np

from ..errors import InputError
from .task import Pair

_TURN = 2 * np.pi
# Angles closer than this are equal (radians).
_SAME = 1e-12
# Masses closer than this are equal.
_MASS = 1e-9
# Assignments tried for one place of the first atom; several only where targets share atoms with the place.
_MOST_TRIED = 256
# The table of the ways to fill a target has the square of this number of entries.
MOST_ATOMS = 4000


@dataclass(frozen=True)
class Motion:
    """A map of points that keeps the cyclic order.

    Attributes:
        points, places: the P different points in counter-clockwise order, and where they go, shapes (P, 2). Places may coincide. The first
            point is that after the widest gap (the smaller of the gaps before and after the motion counts).
        wanted: for each measure the places of its atoms, shape (n_i, 2).
    """

    points: np.ndarray
    places: np.ndarray
    wanted: list[np.ndarray]


@dataclass(frozen=True)
class _Atoms:
    """One measure seen from the cut: its atoms in counter-clockwise order.

    Attributes:
        rows: of the source, in that order, shape (n,).
        start: how far round the circle from the cut each atom is, in [0, 2 pi).
        options: angles of places that fill its target in that cyclic order, shape (m, n).
        costs: sum of the weights times squared distances, for each option.
        still: whether all the atoms go to one place, for each option.
    """

    rows: np.ndarray
    start: np.ndarray
    options: np.ndarray
    costs: np.ndarray
    still: np.ndarray


def cyclic_places(pairs: Sequence[Pair]) -> Motion:
    """The map of points that carries every source to its target, keeps the cyclic order of all points together, and moves them least.

    In each measure whole atoms fill the target atoms one after the other round the circle; at most n ways for n atoms. (If they cannot fill
    it, the places are those of ``pair.placement``.) Once one atom has its place, the places of all measures are known, but for those that
    share that place: seen from there they follow each other in the order of the atoms. So it is enough to try the ways of one measure.

    Args:
        pairs: on the circle, different sources.

    Raises:
        InputError: there is none; the message names the first two atoms that would have to cross, or the point that would have to be at two
            places, in the map that breaks the order least often.
    """
    if (total := sum(p.source.size for p in pairs)) > MOST_ATOMS:
        raise InputError(f"d = 2: the sources have {total} atoms, and at most {MOST_ATOMS} can be matched on a circle; thin the clouds")
    tables = [_ways(pair) for pair in pairs]
    first = min(range(len(pairs)), key=lambda i: len(tables[i]))
    cut = _angle(pairs[first].source.points).min()
    atoms = [_seen_from(cut, pair, table) for pair, table in zip(pairs, tables, strict=True)]
    best, least, nearest = None, np.inf, None
    for k in range(len(atoms[first].options)):
        zero = atoms[first].options[k, 0]
        for choice in islice(product(*(_fitting(a, zero) if i != first else [k] for i, a in enumerate(atoms))), _MOST_TRIED):
            goals = _lifted(atoms, choice, zero)
            breaks = _breaks(atoms, goals)
            cost = sum(a.costs[c] for a, c in zip(atoms, choice, strict=True))
            if not breaks and cost < least:
                best, least = (choice, goals), cost
            if breaks and (nearest is None or (len(breaks), cost) < nearest[:2]):
                nearest = (len(breaks), cost, breaks[0], goals, zero)
    if best is None:
        assert nearest is not None
        raise InputError(_crossing(pairs, atoms, *nearest[2:]))
    return _motion(pairs, atoms, *best)


def _angle(x: np.ndarray) -> np.ndarray:
    return np.arctan2(x[:, 1], x[:, 0]) % _TURN


def _apart(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The distance of two angles along the circle."""
    return np.abs((a - b + np.pi) % _TURN - np.pi)


def _ways(pair: Pair) -> np.ndarray:
    """Angles of places for the atoms in counter-clockwise order from angle 0 on; a row for each way to fill the target with whole atoms."""
    order, goal = np.argsort(_angle(pair.source.points)), np.argsort(_angle(pair.target.points))
    a, b, y = pair.source.weights[order], pair.target.weights[goal], _angle(pair.target.points)[goal]
    n, ways = len(a), []
    for start in range(n):  # this atom is the first one at the first target atom
        mass = np.roll(a, -start)
        slot = np.minimum(np.searchsorted(np.cumsum(b), np.cumsum(mass) - mass / 2), len(b) - 1)
        if np.abs(np.bincount(slot, mass, len(b)) - b).max() <= _MASS:
            ways.append(np.roll(y[slot], start))
    if not ways:
        places = _angle(pair.placement.positions)
        around = np.argsort(places, kind="stable")
        places, masses = places[around], pair.source.weights[around]
        ways = [np.roll(places, -k) for k in range(n) if np.abs(np.roll(masses, -k) - a).max() <= _MASS]
    if not ways:
        raise InputError(
            f"d = 2: the atoms of measure {pair.label!r} cannot fill the atoms of its target in cyclic order, and points cannot pass each "
            f"other on a circle; change the weights"
        )
    return np.array(ways)


def _seen_from(cut: float, pair: Pair, ways: np.ndarray) -> _Atoms:
    angle = _angle(pair.source.points)
    rows = np.argsort(angle)
    shift = int(np.argmin((angle[rows] - cut) % _TURN))
    rows, ways = np.roll(rows, -shift), np.roll(ways, -shift, axis=1)
    costs = _apart(ways, angle[rows]) ** 2 @ pair.source.weights[rows]
    still = _apart(ways, ways[:, :1]).max(axis=1) <= _SAME
    return _Atoms(rows, (angle[rows] - cut) % _TURN, ways, costs, still)


def _fitting(atoms: _Atoms, zero: float) -> list[int]:
    """The options in which places follow each other in the order of the atoms, seen from ``zero``; the cheapest one if there is none."""
    first, last = atoms.options[:, 0], atoms.options[:, -1]
    round_ = (zero - last) % _TURN + (first - zero) % _TURN
    found = np.flatnonzero(atoms.still | (np.abs(round_ - (first - last) % _TURN) <= _SAME))
    return found.tolist() if found.size else [int(atoms.costs.argmin())]


def _lifted(atoms: Sequence[_Atoms], choice: Sequence[int], zero: float) -> list[np.ndarray]:
    """How far round the circle from ``zero`` each place is, in [0, 2 pi]: ``zero`` itself counts as 2 pi once another place came before."""
    goals = []
    for a, c in zip(atoms, choice, strict=True):
        goal = (a.options[c] - zero) % _TURN
        goals.append(np.where(np.minimum(goal, _TURN - goal) <= _SAME, 0.0, goal))
    away = np.concatenate([a.start[g > 0] for a, g in zip(atoms, goals, strict=True)])
    turning = away.min(initial=np.inf)
    return [np.where((g == 0) & (a.start > turning), _TURN, g) for a, g in zip(atoms, goals, strict=True)]


def _breaks(atoms: Sequence[_Atoms], goals: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Neighbours (indices into all atoms, measure by measure) whose places are not in order, or that are one point with two places."""
    start, goal = np.concatenate([a.start for a in atoms]), np.concatenate(goals)
    order = np.lexsort((goal, start))
    step = np.diff(goal[order])
    bad = np.flatnonzero((step < -_SAME) | ((np.diff(start[order]) == 0) & (step > _SAME)))
    return [(int(order[k]), int(order[k + 1])) for k in bad]


def _crossing(pairs: Sequence[Pair], atoms: Sequence[_Atoms], pair: tuple[int, int], goals: Sequence[np.ndarray], zero: float) -> str:
    owner = np.repeat(np.arange(len(atoms)), [len(a.rows) for a in atoms])
    row = np.concatenate([a.rows for a in atoms])
    goal = np.concatenate(goals)
    angle = np.concatenate([_angle(p.source.points)[a.rows] for p, a in zip(pairs, atoms, strict=True)])
    said = [
        f"atom {row[k]} of measure {pairs[owner[k]].label!r} (from the angle {angle[k]:.6g} to {(goal[k] + zero) % _TURN:.6g})"
        for k in pair
    ]
    if angle[pair[0]] == angle[pair[1]]:
        verb = "are one point and would have to go to two places"
    else:
        verb = "would have to cross"
    return (
        f"d = 2: points cannot pass each other on a circle, and no map that keeps their cyclic order carries every source to its target: "
        f"{said[0]} and {said[1]} {verb}; interpolation without this restriction needs d >= 3"
    )


def _motion(pairs: Sequence[Pair], atoms: Sequence[_Atoms], choice: Sequence[int], goals: Sequence[np.ndarray]) -> Motion:
    wanted, points = [], []
    for pair, a, c in zip(pairs, atoms, choice, strict=True):
        places = np.empty_like(pair.source.points)
        places[a.rows] = np.stack([np.cos(a.options[c]), np.sin(a.options[c])], axis=1)
        wanted.append(places)
        points.append(pair.source.points[a.rows])
    start, goal = np.concatenate([a.start for a in atoms]), np.concatenate(goals)
    start, first = np.unique(start, return_index=True)
    goal, x = goal[first], np.concatenate(points)[first]
    y = np.concatenate([w[a.rows] for w, a in zip(wanted, atoms, strict=True)])[first]
    before = np.diff(start, append=start[0] + _TURN)
    after = np.diff(goal, append=goal[0] + _TURN)
    # if all places coincide their order is free, and the circle is cut at the widest gap of the points
    gap = int(np.argmax(before if np.ptp(goal) == 0 else np.minimum(before, after)))
    return Motion(np.roll(x, -gap - 1, axis=0), np.roll(y, -gap - 1, axis=0), wanted)
