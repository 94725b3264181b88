"""When whole atoms can fill every target atom exactly, and which atom then takes which place."""

import numpy as np
from jaxtyping import Float, Int

from .coupling import MASS_TOLERANCE, short_coupling

_MOST_NODES = 20_000


def whole_groups(a: Float[np.ndarray, " n"], b: Float[np.ndarray, " m"], *, most_nodes: int = _MOST_NODES) -> Int[np.ndarray, " n"] | None:
    """A target for each atom so that the masses add up to b, or None if there is none or none was found in time.

    Equal atoms: by division. Otherwise by depth-first search over the atoms, heaviest first: an atom tries the targets with the least room
    that it fits in (one of each size of room), and no target may keep a remainder smaller than the lightest atom.

    Args:
        a: masses of the atoms.
        b: masses of the targets, with the same sum.
        most_nodes: the search gives up after looking at so many placements (and n more).
    """
    slack = MASS_TOLERANCE * a.sum() / 8
    if np.ptp(a) <= slack / len(a):
        counts = np.rint(b / a[0])
        return np.repeat(np.arange(len(b)), counts.astype(int)) if np.abs(counts * a[0] - b).max() <= slack else None
    order = np.argsort(-a, kind="stable")
    weights, lightest = a[order], a.min()
    room = b.astype(float).copy()
    place = np.full(len(a), -1)
    options: list[list[int]] = []
    for _ in range(most_nodes + len(a)):
        depth = len(options)
        if depth == len(a):
            targets = np.empty(len(a), int)
            targets[order] = place
            return targets
        options.append(_choices(room, weights[depth], lightest if depth + 1 < len(a) else np.inf, slack))
        while options and not options[-1]:  # a dead end: take back the last placement that has an alternative
            options.pop()
            if options:
                room[place[len(options) - 1]] += weights[len(options) - 1]
        if not options:
            return None
        depth = len(options) - 1
        place[depth] = options[-1].pop()
        room[place[depth]] -= weights[depth]
    return None


def _choices(room: np.ndarray, weight: float, lightest: float, slack: float) -> list[int]:
    """Targets that the atom fits in without leaving an unusable remainder, one for each size of room, the tightest last."""
    rest = room - weight
    fits = np.flatnonzero((np.abs(rest) <= slack) | (rest >= lightest - slack))
    _, first = np.unique(np.round(room[fits] / slack / 8), return_index=True)
    return fits[first[::-1]].tolist()


def short_ways(x: Float[np.ndarray, "n d"], places: Float[np.ndarray, "n d"], a: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n d"]:
    """The same places, dealt out again among atoms of equal mass so that the squared distances from x to them have the least sum."""
    dealt = places.copy()
    _, kind = np.unique(np.round(a / a.max(), 13), return_inverse=True)
    for group in np.unique(kind[np.bincount(kind)[kind] > 1]):
        members = np.flatnonzero(kind == group)
        ones = np.ones(len(members))
        pairs = short_coupling(x[members], places[members], ones, ones)
        dealt[members[pairs.rows]] = places[members[pairs.cols]]
    return dealt
