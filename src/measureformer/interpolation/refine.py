"""Refine: fewer segments for a plan that matches atom by atom."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..errors import InputError
from ..export import Network, as_residual_block
from ..geometry import GnomonicChart, distance
from ..schedule import Schedule, balance
from .compact import notes_of
from .disentangle import after_flow, attention_layer
from .execution import integrate_strictly
from .folds import folds
from .heights import best_direction, smallest_gap
from .hemisphere import straight_route
from .match import HOPELESS, Matching, across, between_boosts, classes_of, errors_of, moved_apart, pair_by_rank
from .pairing import Stages, attempts_in, best_pairing, normal_in_plane
from .plan import Plan
from .task import Pair, distinct_pairs

# Two stages of slopes s turn an error of 1e-14 into 1e-14 s^2, which shall stay below eps/1e4: no slope at a point exceeds this one ...
_STEEPEST = 1e5
# ... within these bounds.
_BOUNDS = 30.0, 1e4


def lower_bound(atoms: int, d: int, width: int) -> int:
    """K (d - 1) equations, 2 h d + h parameters a segment: the least number of segments of width h that can match K points in general."""
    return -(-atoms * (d - 1) // (2 * width * d + width))


def check_seconds(seconds: float | None) -> None:
    """Raises ``InputError`` unless the time for refinement is None, or positive and finite."""
    if seconds is not None and not (np.isfinite(seconds) and seconds > 0):
        raise InputError(f"refine is the time to spend on fewer segments and must be positive and finite (in seconds), got {seconds}")


def refine(
    plan: Plan,
    task: Sequence[Pair],
    *,
    eps: float,
    seconds: float,
    horizon: float = 1.0,
    seed: int = 0,
    progress: Callable[[str, int, int], None] | None = None,
) -> Plan:
    r"""The plan with fewer segments: attention as it is, at most two boosts, and two stages of ``folds`` instead of staircases.

    With width h and d = 3, staircases take 2 (K - 1)/(h // 2) segments. A fold is one neuron, so one a point (2 K/h segments) always
    suffice; and where the displacements are scalars, a piece between two folds may hold two points, if the pairing of atoms and places
    allows it. ``best_pairing`` looks for such a pairing; K/h segments is the least that two stages can do, and K (d - 1)/(2 h d + h)
    (``lower_bound``) the least that anything can do in general. In more dimensions stage 1 has vector displacements and takes K/h segments.

    The search is annealing over a number of attempts that depends on ``seconds`` and the number of atoms only, so that the same seed gives
    the same plan on every machine that does them within ``seconds``; a slower one stops there, and the note says so. (Compilation does not
    count, and if slopes turn out too steep for eps the search is repeated with gentler ones.)

    Args:
        plan: of ``plan_compact`` for the same task.
        task: from ``make_task``.
        eps: the error allowed, W_2 in radians; it bounds the slopes.
        seconds: for the schedule and the network together.
        horizon: T.
        seed: of the search.
        progress: called as ``progress("refining", done, total)``.

    Returns:
        The plan; schedule and network are each kept as they were where nothing shorter was found that is within eps/10 by the closed
        forms, and the schedule within eps/2 by integration of the original equation.

    Raises:
        InputError: ``seconds`` is not positive and finite.
    """
    check_seconds(seconds)
    pairs = distinct_pairs(task)
    measures, places = [p.source for p in pairs], [p.placement.positions for p in pairs]
    sides = 1 if plan.attention.amount == 0 else 2
    search = _Search(
        places, [mu.weights for mu in measures], plan.schedule.width, eps, seed, attempts_in(seconds / sides, sum(map(len, places))),
        seconds / sides,
        (lambda done, total: progress("refining", done, sides * total)) if progress else None,
    )  # fmt: skip
    attention = [s for s in plan.schedule if s.field.V is not None]

    def arrives(new: Matching) -> bool:
        """Whether the original equation, integrated as the certificate will do it, gets there."""
        final = integrate_strictly(Schedule([*attention, *new.segments]), measures)[0].measures
        goals = zip(final, places, new.order, strict=True)
        return all(mu.weights @ distance(mu.points, y[k]) ** 2 <= (eps / 2) ** 2 for mu, y, k in goals)

    matching, done = _shorter(plan.matching, after_flow(measures, plan.attention), search, arrives)
    schedule, network, layer_matching = plan.schedule, plan.network, matching
    if matching is not plan.matching:
        schedule = balance(Schedule([*attention, *matching.segments]), horizon)
    if sides == 2:
        layer = plan.network_attention
        moved = [attention_layer(mu.points, mu.weights, layer.beta, layer.amount, layer.turns) for mu in measures]
        again = replace(
            search,
            progress=(lambda done, total: progress("refining", total + done, sides * total)) if progress else None,
        )  # fmt: skip
        layer_matching, layer_done = _shorter(plan.network_matching, moved, again, lambda new: True)
        done = min(done, layer_done)
    if layer_matching is not plan.network_matching:
        first = [layer for layer in plan.network.layers if layer.kind == "attention"]
        network = Network((*first, *map(as_residual_block, layer_matching.segments)))
    refined = replace(plan, schedule=schedule, network=network, matching=matching, network_matching=layer_matching)
    return replace(refined, notes=(*notes_of(matching, eps), _note(plan, refined, seconds, done, search)))


@dataclass(frozen=True)
class _Search:
    """What schedule and network have in common: where the atoms go, and what may be spent on finding how."""

    places: list[np.ndarray]
    weights: list[np.ndarray]
    width: int
    eps: float
    seed: int
    attempts: int
    seconds: float
    progress: Callable[[int, int], None] | None


def _shorter(old: Matching, points: list[np.ndarray], search: _Search, arrives: Callable[[Matching], bool]) -> tuple[Matching, int]:
    """The shortest matching found, and the attempts made. Where slopes turn out too steep they are bounded by a third of them, twice."""
    steepest, done = float(np.clip(_STEEPEST * np.sqrt(search.eps), *_BOUNDS)), 0
    for bound in (steepest, steepest / 3, steepest / 9):
        new, done = _fold(old, points, search, bound)
        if not 0 < len(new.segments) < len(old.segments):
            break
        allowed = max(search.eps / (10 if new.spread == 0 else 3), float(old.errors.max()))
        if new.errors.max() <= allowed and arrives(new):
            return new, done
    return old, done


def _fold(old: Matching, points: list[np.ndarray], search: _Search, steepest: float) -> tuple[Matching, int]:
    """The matching by folds (with the places moved apart as far as the old one had to), and the number of attempts made.

    The old matching, where heights in the new chart are too close to be told apart.
    """
    places, weights, seed = search.places, search.weights, search.seed
    way = straight_route(np.concatenate(points), np.concatenate(places), seed=seed)
    chart = GnomonicChart(way.pole)
    xi = [chart.coordinates(way.enter(x)) for x in points]
    zeta = [chart.coordinates(way.leave_inverse(y)) for y in places]
    source = best_direction(np.concatenate(xi), seed=seed)
    target = best_direction(np.unique(np.concatenate(zeta), axis=0), across=source.vector, seed=seed + 1)
    a, c = source.vector, target.vector
    first_row = np.cumsum([0, *map(len, places)])[:-1]
    start = np.concatenate([k + row for k, row in zip(pair_by_rank(xi, zeta, weights, source, target), first_row, strict=True)])
    classes = [members + row for w, row in zip(weights, first_row, strict=True) for members in classes_of(w)]
    stages = Stages(np.concatenate(xi), moved_apart(np.concatenate(zeta), c, old.spread), a, c)
    if min(source.gap, smallest_gap(stages.zeta @ c)) < HOPELESS:
        return old, search.attempts
    order, done = best_pairing(
        stages, start, classes, steepest=steepest, attempts=search.attempts, seconds=search.seconds, seed=seed, progress=search.progress
    )
    first, second = stages.displacements(order)
    later = stages.zeta[order] @ c
    shears = [
        *folds(chart, a, stages.xi @ a, first, search.width, "match 1", along=normal_in_plane(a), steepest=steepest),
        *folds(chart, c, later, second, search.width, "match 2", along=across(a, c), steepest=steepest),
    ]
    segments = between_boosts(way, shears, search.width)
    choice = [k - row for k, row in zip(np.split(order, first_row[1:]), first_row, strict=True)]
    errors = errors_of(segments, points, [y[k] for y, k in zip(places, choice, strict=True)], weights)
    return Matching(segments, source.gap, smallest_gap(later), old.spread, choice, errors), done


def _note(plan: Plan, refined: Plan, seconds: float, done: int, search: _Search) -> str:
    atoms, width = sum(map(len, search.places)), search.width
    short = done < search.attempts
    clock = f" (the clock stopped the search after {done} of {search.attempts} attempts: another run may differ)" if short else ""
    return (
        f"refined for up to {seconds:g} s{clock}: {len(refined.schedule)} segments instead of {len(plan.schedule)}, "
        f"{len(refined.network.layers)} layers instead of {len(plan.network.layers)}; counting parameters, to match {atoms} points in "
        f"general takes at least {lower_bound(atoms, search.places[0].shape[1], width)} segments of width {width}"
    )
