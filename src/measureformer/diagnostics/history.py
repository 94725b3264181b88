"""What happens on the way: positions at the end of each phase, and distance to the targets along the schedule."""

from dataclasses import dataclass, field

import numpy as np

from .._brief import brief
from ..flows import flow
from ..measures import Empirical
from ..schedule import Schedule, Segment
from ..transport import wasserstein2


@dataclass(frozen=True)
class History:
    """A run through a schedule, as a picture needs it.

    Attributes:
        phases: "start", then the name of each phase in the order of the schedule (maximal runs of segments of the same name).
        segments: how many segments have run at the end of each of them, shape (P,).
        snapshots: ``snapshots[p][i]`` is the array of points (n_i, d) of measure i at the end of ``phases[p]``.
        curve_segments: segment counts at which the distance was taken, shape (S,), from 0 to the number of segments; 2.5 is half-way
            through the third one.
        curve_times: the times t in [0, T] of these, shape (S,).
        curve: W_2 to the target in radians, shape (S, N).
        atoms: so many atoms of each measure, at most, the curve was computed from.
        path: where atoms of each measure were at these S moments, shape (S, m_i, d); empty if that was not asked for.
        rows: which atoms these are, shape (m_i,).
    """

    phases: list[str]
    segments: np.ndarray
    snapshots: list[list[np.ndarray]]
    curve_segments: np.ndarray
    curve_times: np.ndarray
    curve: np.ndarray
    atoms: int = 500
    path: list[np.ndarray] = field(default_factory=list)
    rows: list[np.ndarray] = field(default_factory=list)

    __repr__ = brief


def record(
    schedule: Schedule,
    sources: list[Empirical],
    targets: list[Empirical],
    *,
    samples: int = 60,
    atoms: int = 500,
    within: int = 1,
    kept: int = 0,
) -> History:
    """Run the schedule (closed forms where there are any) and note positions and distances.

    Args:
        schedule: theta on [0, T].
        sources, targets: N measures each.
        samples: about so many points of the W_2 curve, evenly spaced in segments; the ends of all phases are among them.
        atoms: of larger measures only so many atoms, evenly chosen, count for the curve (exact transport of thousands takes seconds).
        within: a phase of fewer segments than this is looked at inside its segments too, about so often.
        kept: the path of so many atoms, over all measures, is kept; none if 0.
    """
    names = [s.phase for s in schedule]
    ends = [k + 1 for k in range(len(names)) if k + 1 == len(names) or names[k + 1] != names[k]]
    looks = sorted({0, *ends, *np.linspace(0, len(names), samples).astype(int).tolist()})
    lengths = np.diff([0, *ends])
    parts = np.repeat(np.maximum(1, -(-within // lengths)), lengths)  # in how many a segment is cut
    share = max(1, kept // len(sources)) if kept else 0
    rows = [evenly(mu.size, share) for mu in sources]
    snapshots, curve, moments, path = [], [], [], []

    def look(moment: float, measures: list[Empirical]) -> None:
        moments.append(moment)
        curve.append([wasserstein2(_thinned(mu, atoms), nu).value for mu, nu in zip(measures, goals, strict=True)])
        path.append([np.asarray(mu.points)[few] for mu, few in zip(measures, rows, strict=True)])

    def observe(k: int, measures: list[Empirical]) -> None:
        if k in wanted:
            look(float(k), measures)
        if k == 0 or k in ends:
            snapshots.append([np.asarray(mu.points) for mu in measures])
        if k < len(names) and parts[k] > 1:
            whole, m = schedule.segments[k], int(parts[k])
            piece = Schedule([Segment(whole.field, whole.duration / m, whole.phase)] * (m - 1))
            flow(piece, measures, observe=lambda j, inside: look(k + j / m, inside) if j else None)

    wanted, goals = set(looks), [_thinned(nu, atoms) for nu in targets]
    flow(schedule, sources, observe=observe)
    times = np.interp(moments, np.arange(len(names) + 1), np.concatenate([[0.0], np.cumsum([s.duration for s in schedule])]))
    phases = ["start"] + [names[k - 1] for k in ends]
    paths = [np.stack(way) for way in zip(*path, strict=True)] if kept else []
    return History(phases, np.array([0, *ends]), snapshots, np.array(moments), times, np.array(curve), atoms, paths, rows if kept else [])


def evenly(n: int, most: int) -> np.ndarray:
    """At most so many of 0, ..., n - 1, the first and the last among them."""
    return np.linspace(0, n - 1, min(n, most)).round().astype(int)


def _thinned(mu: Empirical, atoms: int) -> Empirical:
    rows = evenly(mu.size, atoms)
    return mu if mu.size <= atoms else Empirical(mu.points[rows], mu.weights[rows])
