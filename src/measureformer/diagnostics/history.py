"""What happens on the way: positions at the end of each phase, and distance to the targets along the schedule."""

from dataclasses import dataclass

import numpy as np

from .._brief import brief
from ..flows import flow
from ..measures import Empirical
from ..schedule import Schedule
from ..transport import wasserstein2


@dataclass(frozen=True)
class History:
    """A run through a schedule, as a picture needs it.

    Attributes:
        phases: "start", then the name of each phase in the order of the schedule (maximal runs of segments of the same name).
        segments: how many segments have run at the end of each of them, shape (P,).
        snapshots: ``snapshots[p][i]`` is the array of points (n_i, d) of measure i at the end of ``phases[p]``.
        curve_segments: segment counts at which the distance was taken, shape (S,), from 0 to the number of segments.
        curve_times: the times t in [0, T] of these, shape (S,).
        curve: W_2 to the target in radians, shape (S, N).
        atoms: so many atoms of each measure, at most, the curve was computed from.
    """

    phases: list[str]
    segments: np.ndarray
    snapshots: list[list[np.ndarray]]
    curve_segments: np.ndarray
    curve_times: np.ndarray
    curve: np.ndarray
    atoms: int = 500
    __repr__ = brief


def record(schedule: Schedule, sources: list[Empirical], targets: list[Empirical], *, samples: int = 60, atoms: int = 500) -> History:
    """Run the schedule (closed forms where there are any) and note positions and distances.

    Args:
        schedule: theta on [0, T].
        sources, targets: N measures each.
        samples: about so many points of the W_2 curve, evenly spaced in segments; the ends of all phases are among them.
        atoms: of larger measures only so many atoms, evenly chosen, count for the curve (exact transport of thousands takes seconds).
    """
    names = [s.phase for s in schedule]
    ends = [k + 1 for k in range(len(names)) if k + 1 == len(names) or names[k + 1] != names[k]]
    looks = sorted({0, *ends, *np.linspace(0, len(names), samples).astype(int).tolist()})
    snapshots, curve = [], []

    def observe(k: int, measures: list[Empirical]) -> None:
        if k in wanted:
            curve.append([wasserstein2(_thinned(mu, atoms), nu).value for mu, nu in zip(measures, goals, strict=True)])
        if k == 0 or k in ends:
            snapshots.append([np.asarray(mu.points) for mu in measures])

    wanted, goals = set(looks), [_thinned(nu, atoms) for nu in targets]
    flow(schedule, sources, observe=observe)
    times = np.concatenate([[0.0], np.cumsum([s.duration for s in schedule])])[looks]
    phases = ["start"] + [names[k - 1] for k in ends]
    return History(phases, np.array([0, *ends]), snapshots, np.array(looks), times, np.array(curve), atoms)


def _thinned(mu: Empirical, atoms: int) -> Empirical:
    if mu.size <= atoms:
        return mu
    rows = np.linspace(0, mu.size - 1, atoms).astype(int)
    return Empirical(mu.points[rows], mu.weights[rows])
