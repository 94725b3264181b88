"""Refine: fewer segments for a plan that matches atom by atom."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from ..errors import InputError
from ..export import Network, as_residual_block
from ..geometry import GnomonicChart
from ..schedule import Schedule, balance
from .compact import notes_of
from .disentangle import after_flow, attention_layer
from .folds import folds
from .heights import best_direction, smallest_gap
from .hemisphere import straight_route
from .match import Matching, across, between_boosts, classes_of, errors_of, moved_apart, pair_by_rank
from .pairing import Stages, attempts_in, fewest_pieces, normal_in_plane
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
    allows it. ``fewest_pieces`` looks for such a pairing; K/h segments is the least that two stages can do, and K (d - 1)/(2 h d + h)
    (``lower_bound``) the least that anything can do in general. In more dimensions stage 1 has vector displacements and takes K/h segments.

    The search is annealing over a number of attempts that depends on ``seconds`` and the number of atoms only, so that the same seed
    gives the same plan on every machine that does them within ``seconds``; a slower one stops there, and the note says so.

    Args:
        plan: of ``plan_compact`` for the same task.
        task: from ``make_task``.
        eps: the error allowed, W_2 in radians; it bounds the slopes.
        seconds: for the schedule and the network together.
        horizon: T.
        seed: of the search.
        progress: called as ``progress("refining", done, total)``.

    Returns:
        The plan; schedule and network are each kept as they were where nothing shorter was found that is within eps/10.

    Raises:
        InputError: ``seconds`` is not positive and finite.
    """
    check_seconds(seconds)
    pairs = distinct_pairs(task)
    measures, places = [p.source for p in pairs], [p.placement.positions for p in pairs]
    sides = 1 if plan.attention.amount == 0 else 2
    attempts = attempts_in(seconds / sides, sum(map(len, places)))
    finish, tried = time.monotonic() + seconds, []

    def shorter(old: Matching, points: list[np.ndarray]) -> Matching:
        side = len(tried)

        def report(done: int, _: int) -> None:
            if progress:
                progress("refining", side * attempts + done, sides * attempts)

        deadline = finish - (sides - side - 1) * (finish - time.monotonic()) / (sides - side)
        new, done = _fold(
            old, points, places, [mu.weights for mu in measures], width=plan.schedule.width, eps=eps, attempts=attempts, deadline=deadline,
            seed=seed, progress=report,
        )  # fmt: skip
        tried.append(done)
        better = 0 < len(new.segments) < len(old.segments) and new.errors.max() <= max(
            eps / (10 if new.spread == 0 else 3), old.errors.max()
        )
        return new if better else old

    matching = shorter(plan.matching, after_flow(measures, plan.attention))
    schedule, network, layer_matching = plan.schedule, plan.network, plan.network_matching
    if matching is not plan.matching:
        attention = [s for s in plan.schedule if s.field.V is not None]
        schedule = balance(Schedule([*attention, *matching.segments]), horizon)
    if sides == 1:
        layer_matching = matching
    else:
        layer = plan.network_attention
        moved = [attention_layer(mu.points, mu.weights, layer.beta, layer.amount) for mu in measures]
        layer_matching = shorter(plan.network_matching, moved)
    if layer_matching is not plan.network_matching:
        first = [layer for layer in plan.network.layers if layer.kind == "attention"]
        network = Network((*first, *map(as_residual_block, layer_matching.segments)))
    refined = replace(plan, schedule=schedule, network=network, matching=matching, network_matching=layer_matching)
    note = _note(plan, refined, sum(map(len, places)), seconds, min(tried), attempts)
    return replace(refined, notes=(*notes_of(matching, eps), note))


def _fold(
    old: Matching, points: list[np.ndarray], places: list[np.ndarray], weights: list[np.ndarray], *,
    width: int, eps: float, attempts: int, deadline: float, seed: int, progress: Callable[[int, int], None],
) -> tuple[Matching, int]:  # fmt: skip
    """The matching by folds (with the places moved apart as far as the old one had to), and the number of attempts made."""
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
    steepest = float(np.clip(_STEEPEST * np.sqrt(eps), *_BOUNDS))
    order, done = fewest_pieces(
        stages, start, classes, steepest=steepest, attempts=attempts, deadline=deadline, seed=seed, progress=progress
    )
    first, second = stages.displacements(order)
    later = stages.zeta[order] @ c
    shears = [
        *folds(chart, a, stages.xi @ a, first, width, "match 1", along=normal_in_plane(a), steepest=steepest),
        *folds(chart, c, later, second, width, "match 2", along=across(a, c), steepest=steepest),
    ]
    segments = between_boosts(way, shears, width)
    choice = [k - row for k, row in zip(np.split(order, first_row[1:]), first_row, strict=True)]
    errors = errors_of(segments, points, [y[k] for y, k in zip(places, choice, strict=True)], weights)
    return Matching(segments, source.gap, smallest_gap(later), old.spread, choice, errors), done


def _note(plan: Plan, refined: Plan, atoms: int, seconds: float, done: int, attempts: int) -> str:
    d, width = plan.schedule.dimension or 0, plan.schedule.width
    clock = "" if done == attempts else f" (the clock stopped the search after {done} of {attempts} attempts: another run may differ)"
    return (
        f"refined for up to {seconds:g} s{clock}: {len(refined.schedule)} segments instead of {len(plan.schedule)}, "
        f"{len(refined.network.layers)} layers instead of {len(plan.network.layers)}; counting parameters, to match {atoms} points in "
        f"general takes at least {lower_bound(atoms, d, width)} segments of width {width}"
    )
