"""Strategy "compact": attention, boosts, and two stages of flat staircases."""

from collections.abc import Sequence

import numpy as np

from ..errors import ConditioningError
from ..export import AttentionLayer, Network, as_residual_block
from ..export.network import Layer
from ..fields import TransformerField
from ..flows import flow
from ..geometry import distance
from ..measures import Empirical
from ..schedule import Schedule, Segment, balance
from .disentangle import separate_by_flow, separate_by_layer
from .give_up import CLEAR, opening
from .hemisphere import boost_segment
from .match import Matching, match
from .plan import Plan, check_options
from .task import Pair, clearing_notes, distinct_pairs, left_of

DISENTANGLE = "disentangle"
# Beyond it schedules take hours to execute.
MOST_ATOMS = 20_000
# The fraction of the mean gap that the network's stages see if float32 needs it: of 0.3, 0.45, ..., 1 the best on test instances.
LOOSEN = 0.45
# A float32 network with smaller errors than this is left as it is; with more atoms than that, loosening does not help float32.
_GOOD_SINGLE, _MOST_LOOSENED = 1e-3, 1000
# Searches for directions before a task is refused.
_ATTEMPTS = 4


def plan_compact(task: Sequence[Pair], *, eps: float, width: int | None = None, horizon: float = 1.0, seed: int = 0) -> Plan:
    r"""One theta for all pairs (arXiv:2411.04551, Thm 1.2 for empirical measures), with about 2 K / (width // 2) + 5 segments for K atoms.

    1. One attention segment (V = I, B = beta I; turned where symmetry defeats it) makes the atoms of different measures distinct, shared
       ones included.
    2. A boost, or two, into the standard cap of an open hemisphere.
    3. Two stages of shears (``match``) carry the K atoms to their places, seen through the last boosts.
    4. A boost, or two, out to the targets.

    Where source atoms are given up (``give_up``), a boost first brings the others into a hemisphere; eps is what their price leaves of it.

    The network replaces step 1 by one residual attention layer; all the rest are exact residual blocks. Where float32 cannot execute it,
    and can execute it with two more stages (``match`` with ``loosen``), it gets them.

    Args:
        task: from ``make_task``.
        eps: the W_2 error that is allowed, radians.
        width: neurons of a segment, at least 2; d if None (the paper's square matrices).
        horizon: T.
        seed: of all random choices.

    Raises:
        InputError: eps, width or horizon out of range.
        ConditioningError: float64 cannot execute the schedule to within eps.
    """
    d = task[0].source.dimension
    width = check_options(d, eps=eps, width=width, horizon=horizon)
    pairs = distinct_pairs(task)
    left = left_of(eps, pairs)
    kept = [p.kept for p in pairs]
    first = [] if pairs[0].hole is None else [boost_segment(opening(pairs[0].hole), width, CLEAR)]
    measures = flow(Schedule(first), [p.source for p in pairs]).measures
    places = [p.placement.positions[k] for p, k in zip(pairs, kept, strict=True)]
    weights = [p.source.weights[k] for p, k in zip(pairs, kept, strict=True)]

    def matched(points: list[np.ndarray], where: str = "") -> tuple[list[np.ndarray], Matching]:
        points = [x[k] for x, k in zip(points, kept, strict=True)]
        _check_separated(points, pairs)
        matching = _best_match(points, places, weights, width=width, eps=left, seed=seed)
        _check_executable(matching, pairs, left, where)
        return points, matching

    separation, moved = separate_by_flow(measures, seed, kept)
    moved, matching = matched(moved)
    attention = []
    if separation.amount > 0:
        V, B = separation.matrices(d)
        attention = [Segment(TransformerField(V=V, B=B), separation.amount, DISENTANGLE)]
    schedule = balance(Schedule([*first, *attention, *matching.segments]), horizon)

    # Without attention schedule and network are the same maps.
    layer_separation, layer_moved, layer_matching = separation, moved, matching
    layers: list[Layer] = [*map(as_residual_block, first)]
    if separation.amount > 0:
        layer_separation, layer_moved = separate_by_layer(measures, seed, kept)
        layer_moved, layer_matching = matched(layer_moved, "network, ")
        if layer_separation.amount > 0:
            V, B = layer_separation.matrices(d)
            layers += [AttentionLayer(layer_separation.amount * V, B, DISENTANGLE)]

    def network_of(m: Matching) -> Network:
        return Network((*layers, *map(as_residual_block, m.segments)))

    network = network_of(layer_matching)
    notes = notes_of(matching, left) + clearing_notes(pairs)
    sources = [p.source for p in pairs]
    single = _single_precision_error(network, sources, kept, places, layer_matching.order)
    if single > max(eps / 3, _GOOD_SINGLE) and sum(map(len, places)) <= _MOST_LOOSENED:
        loose = match(layer_moved, places, weights, loosen=LOOSEN, width=width, eps=left, seed=seed)
        other = network_of(loose)
        better = _single_precision_error(other, sources, kept, places, loose.order)
        if better < single / 10 and loose.errors.max() <= left:
            notes += (
                f"the network has two more stages than the schedule: in float32 it then errs by {better:.1e} rad instead of {single:.1e}",
            )
            layer_matching, network = loose, other
    return Plan(schedule, network, separation, matching, layer_separation, layer_matching, notes)


def _best_match(
    points: list[np.ndarray], places: list[np.ndarray], weights: list[np.ndarray], *, width: int, eps: float, seed: int
) -> Matching:
    """``match``; where its errors exceed eps, the best of a few searches for directions."""
    best = match(points, places, weights, width=width, eps=eps, seed=seed)
    for attempt in range(1, _ATTEMPTS):
        if best.errors.max() <= eps:
            break
        other = match(points, places, weights, width=width, eps=eps, seed=seed + 101 * attempt)
        best = min(best, other, key=lambda m: m.errors.max())
    return best


def _single_precision_error(
    network: Network, measures: list[Empirical], kept: list[np.ndarray], places: list[np.ndarray], order: list[np.ndarray]
) -> float:
    """The largest root mean square distance of a measure's atoms to their places after the network in float32; infinite if it overflows."""
    worst = 0.0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for mu, stays, y, k in zip(measures, kept, places, order, strict=True):
            off = distance(network(mu.points, mu.weights, np.float32).astype(float)[stays], y[k])
            worst = max(worst, float(np.sqrt(mu.weights[stays] @ off**2)) if np.isfinite(off).all() else np.inf)
    return worst


def _check_separated(moved: list[np.ndarray], pairs: list[Pair]) -> None:
    points = np.concatenate(moved)
    owner = np.repeat(np.arange(len(moved)), [len(x) for x in moved])
    _, first, inverse = np.unique(points, axis=0, return_index=True, return_inverse=True)
    twin = first[inverse.reshape(-1)]
    if (clash := np.flatnonzero(twin != np.arange(len(points)))).size:
        i, j = owner[twin[clash[0]]], owner[clash[0]]
        raise ConditioningError(
            f"phase {DISENTANGLE}: attention leaves an atom of measure {pairs[i].label!r} and one of {pairs[j].label!r} at the same "
            f"float64 point; the two sources differ too little to be told apart in 16 digits: move the closest atoms apart"
        )


def _check_executable(matching: Matching, pairs: list[Pair], eps: float, where: str = "") -> None:
    worst = int(matching.errors.argmax())
    if matching.errors[worst] <= eps:
        return
    stage, gap = ("match 1", matching.source_gap) if matching.source_gap <= matching.target_gap else ("match 2", matching.target_gap)
    missing = np.log10(matching.errors[worst] / eps)
    raise ConditioningError(
        f"{where}phase {stage}: heights of two atoms differ by only {gap:.1e}, and float64 rounding then moves measure "
        f"{pairs[worst].label!r} by {matching.errors[worst]:.1e} rad where {eps:g} is allowed: {missing:.1f} digits are missing; "
        f"raise eps or thin the clouds"
    )


def notes_of(matching: Matching, eps: float) -> tuple[str, ...]:
    """What a user should know about a matching: places moved apart, poor conditioning."""
    notes = []
    if matching.spread > 0:
        notes.append(
            f"places were moved apart to gaps of {matching.spread:.1e} in the chart, because some coincide or are too close for float64"
        )
    if matching.errors.max() > 1e-3 * eps and matching.spread == 0:
        notes.append(f"conditioning is poor: rounding alone costs {matching.errors.max():.1e} rad of the eps = {eps:g} allowed")
    if min(matching.source_gap, matching.target_gap) < 1e-6:
        gap = min(matching.source_gap, matching.target_gap)
        notes.append(f"conditioning: the smallest gap between heights is {gap:.1e}; do not expect the float32 network to reach eps")
    return tuple(notes)
