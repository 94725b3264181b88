"""Strategy "paper": Phi_3^{-1} o Phi_2 o Phi_1."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..._brief import brief
from ...errors import ConditioningError, InputError
from ...measures import Empirical
from ...schedule import Schedule, Segment, balance
from ...transport import wasserstein2
from ..task import Pair, distinct_pairs, fingerprint
from .cluster import cluster
from .disentangle import disentangle
from .gate import Move, missing_digits, run
from .match import match_points
from .orthant import into_orthant
from .pieces import as_points, cut_into_pieces

# How small clusters are made that stand for one point.
_POINT = 1e-9
_BACK = " (backwards)"


@dataclass(frozen=True)
class PaperPlan:
    """A schedule made as the proof of arXiv:2411.04551, Theorem 1.2, says.

    Attributes:
        schedule: theta on [0, T]; the phases are those of ``bound``.
        bound: for each phase the greatest number of segments that the statements allow, computed from d, N and the numbers of atoms.
        notes: what a user should know.
        smallest_gap: half the width in radians of the narrowest slab of Proposition 4.1.
        network: None: this construction is a flow; its attention segments are no residual layers.
    """

    schedule: Schedule
    bound: dict[str, int]
    notes: tuple[str, ...]
    smallest_gap: float
    network: None = None
    __repr__ = brief


def plan_paper(task: Sequence[Pair], *, eps: float, horizon: float = 1.0, seed: int = 0, literal: bool = False) -> PaperPlan:
    """The construction of the paper, phase by phase: one theta that carries every source to its target.

    1. Phi_1: the sources into the open positive orthant (Lemma 3.2), and disentangled (Proposition 3.1).
    2. Sources with more atoms than their targets are clustered: all in points by V = I if all the targets are points (Proposition 2.1),
       otherwise cut into pieces one by one (Claim 1 of Section 5.1, Lemma B.2).
    3. Phi_3: likewise for the targets; it will run backwards.
    4. Phi_2: the points are matched (Propositions 4.1 and 4.2).

    Args:
        task: from ``make_task``.
        eps: the W_2 error that is allowed, radians.
        horizon: T.
        seed: of all random choices.
        literal: the paper's rank-one gates, and gathering for the worst-case time: float64 can execute it for very few points only.

    Raises:
        InputError: eps or horizon out of range; numbers of atoms or weights to which the theorem does not apply; equal targets.
        ConditioningError: float64 cannot execute the schedule to within eps; the message names the phase and the digits missing.

    References:
        arXiv:2411.04551v3, Theorem 1.2.
    """
    if not (np.isfinite(eps) and eps > 0):
        raise InputError(f"eps must be positive and finite, got {eps}")
    pairs = distinct_pairs(task)
    _check(pairs)
    sources, targets = [p.source for p in pairs], [p.target for p in pairs]

    phi1 = _apart(sources, "sources", literal, seed)
    grouped, groups = _grouped(phi1.measures, [nu.size for nu in targets], literal, seed)
    phi3 = _apart(targets, "targets" + _BACK, literal, seed + 1)
    points, masses = as_points(grouped.measures, groups)
    places, sizes = as_points(phi3.measures, [[np.array([j]) for j in range(nu.size)] for nu in targets])
    kinds = _kinds([nu.size for nu in targets], masses, sizes, pairs)
    # the order of the points is such that equal kinds stand at equal indices
    by_point, by_place = np.argsort(kinds[0], kind="stable"), np.argsort(kinds[1], kind="stable")
    options = {"literal": literal, "shortest": not literal, "tolerance": min(1e-6, eps / 10), "seed": seed}
    phi2 = match_points(points[by_point], places[by_place], kinds[0][by_point], **options)
    segments = [*phi1.segments, *grouped.segments, *phi2.segments, *(s.inverse() for s in reversed(phi3.segments))]
    schedule = balance(Schedule(segments), horizon)
    reached = run(list(schedule), sources)
    errors = [wasserstein2(mu, nu).value for mu, nu in zip(reached, targets, strict=True)]
    if not max(errors) <= eps:
        raise ConditioningError(
            f"phase disentangle targets{_BACK}: rounding grows to W2 = {max(errors):.1e} rad where eps = {eps:g} is allowed: "
            f"{missing_digits(max(errors), eps)}"
        )
    notes = [f"the narrowest slab of the matching has half-width {phi2.gap:.1e} rad"]
    if literal:
        notes.append("rank-one gates and worst-case times, as printed in the paper")
    return PaperPlan(schedule, _bounds(schedule, sources, targets), tuple(notes), phi2.gap)


def _apart(measures: list[Empirical], side: str, literal: bool, seed: int) -> Move:
    """Lemma 3.2, then Proposition 3.1."""
    inside = into_orthant(measures, phase=f"orthant {side}", seed=seed)
    apart = disentangle(inside.measures, literal=literal, phase=f"disentangle {side}", seed=seed)
    return Move([*inside.segments, *apart.segments], apart.measures)


def _grouped(measures: list[Empirical], sizes: list[int], literal: bool, seed: int) -> tuple[Move, list[list[np.ndarray]]]:
    """Clusters of atoms that share a place: segments, and for each measure the groups."""
    groups = [[np.array([j]) for j in range(mu.size)] for mu in measures]
    if max(sizes) == 1 and max(mu.size for mu in measures) > 1:
        return cluster(measures, _POINT), [[np.arange(mu.size)] for mu in measures]
    segments: list[Segment] = []
    for i, m in enumerate(sizes):
        if measures[i].size > m:
            cut = cut_into_pieces(measures, i, m, _POINT, literal=literal, seed=seed + i)
            segments, measures, groups[i] = segments + cut.segments, cut.measures, cut.groups
    return Move(segments, measures), groups


def _kinds(sizes: list[int], masses: np.ndarray, wanted: np.ndarray, pairs: list[Pair]) -> tuple[np.ndarray, np.ndarray]:
    """Labels of points and of places: equal for points and places of the same pair and mass."""
    owner = np.repeat(np.arange(len(sizes)), sizes)
    table = np.column_stack([np.tile(owner, 2), np.round(np.concatenate([masses, wanted]), 9)])
    label = np.unique(table, axis=0, return_inverse=True)[1].reshape(-1)
    label = label[: len(owner)], label[len(owner) :]
    for i, pair in enumerate(pairs):
        ours, theirs = (np.sort(side[owner == i]) for side in label)
        if not np.array_equal(ours, theirs):
            raise InputError(
                f"pair {pair.label!r}: the weights of the source's atoms are not those of the target's, and the paper's theorem needs a "
                f"transport map: use strategy 'compact'"
            )
    return label


def _check(pairs: list[Pair]) -> None:
    seen: dict[bytes, str | int] = {}
    for pair in pairs:
        n, m = pair.source.size, pair.target.size
        equal = all(np.ptp(mu.weights) < 1e-9 / mu.size for mu in (pair.source, pair.target))
        if n != m and (n % m or not equal):
            raise InputError(
                f"pair {pair.label!r}: {n} source atoms and {m} target atoms; strategy 'paper' needs as many, or a divisor of the number "
                f"of source atoms and equal weights: use strategy 'compact'"
            )
        other = seen.setdefault(fingerprint(pair.target), pair.label)
        if other != pair.label:
            raise InputError(
                f"pairs {other!r} and {pair.label!r} have the same target; strategy 'paper' disentangles the targets and cannot part "
                f"equal ones: use strategy 'compact'"
            )


def _bounds(schedule: Schedule, sources: list[Empirical], targets: list[Empirical]) -> dict[str, int]:
    r"""Segments that the statements allow to each phase.

    Lemma 3.2: 2; Lemma 3.4, where it is used: 2 for each measure but one; Lemma 3.3: 2 (d - 1) + 1 for each measure; Proposition 2.1: 1;
    Lemma B.2: one for each target atom; Proposition 4.1: 6 for each.
    """
    d, N = sources[0].dimension, len(sources)
    cut = sum(nu.size for mu, nu in zip(sources, targets, strict=True) if mu.size > nu.size)
    middle = {"match": 6 * sum(nu.size for nu in targets)}
    if cut:
        middle = {"cluster": 1 if all(nu.size == 1 for nu in targets) else cut, **middle}
    lemmas = {"orthant": 2, "separate means": 2 * (N - 1), "disentangle": N * (2 * (d - 1) + 1)}
    bounds = {f"{name} sources": n for name, n in lemmas.items()} | middle
    bounds |= {f"{name} targets{_BACK}": n for name, n in reversed(lemmas.items())}
    used = schedule.segments_by_phase()
    return {phase: n for phase, n in bounds.items() if phase in used or not phase.startswith("separate")}
