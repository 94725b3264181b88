"""Cells: sources with many atoms and targets with few. Cluster each source, cut it into slabs, and match the slabs."""

from collections.abc import Iterator, Sequence

import numpy as np

from ..export import AttentionLayer, Network, as_residual_block
from ..fields import TransformerField
from ..flows import integrate_ode
from ..geometry import GnomonicChart, normalize
from ..measures import Empirical
from ..schedule import Schedule, Segment, balance
from .disentangle import attention_layer
from .heights import best_direction, smallest_gap, spread
from .hemisphere import route
from .match import Matching, between_boosts, errors_of, two_stages
from .plan import Attention, Plan, check_options
from .task import Pair, distinct_pairs

CLUSTER = "cluster"
# Clusters cost little: even if more is allowed, their size is kept below half of this (radians).
_COARSEST = 1e-2
BETAS = (0.0, 1.0, 2.0, 4.0, 8.0)
TIME_STEP, LAYER_STEP = 0.5, 1.0
# With more atoms in a measure, some cut would be narrower than float64 allows.
MOST_ATOMS = 10_000
# Attention with scores costs n^2 an evaluation; larger measures are clustered by their means (B = 0) alone.
_MOST_SCORED = 2000
_DIRECTIONS = 512
# Cuts between atoms whose heights differ by less than this are not safe in float64, nor for an integrator at 1e-10.
_NARROWEST = 2e-8


def plan_cells(task: Sequence[Pair], *, eps: float, width: int | None = None, horizon: float = 1.0, seed: int = 0) -> Plan | None:
    """One theta for sources of many atoms: cluster, boost, two stages that match slabs, boost.

    It takes about 2 M / (width // 2) + 5 segments for M target atoms in all, whatever the number of source atoms.

    Args:
        task: from ``make_task``.
        eps, width, horizon, seed: as in ``plan_compact``.

    Returns:
        The plan; None where ``cluster`` finds none.
    """
    d = task[0].source.dimension
    width = check_options(d, eps=eps, width=width, horizon=horizon)
    pairs = distinct_pairs(task)
    clouds = [p.source for p in pairs], [p.target for p in pairs]
    goal = min(eps, _COARSEST)
    found = cluster(*clouds, eps=goal, width=width, layers=False, seed=seed)
    layered = cluster(*clouds, eps=goal, width=width, layers=True, seed=seed)
    if found is None or layered is None:
        return None
    (attention, matching), (layer_attention, layer_matching) = found, layered
    V, B = attention.matrices(d)
    first = [Segment(TransformerField(V=V, B=B), attention.amount, CLUSTER)] if attention.amount else []
    V, B = layer_attention.matrices(d)
    layers = [AttentionLayer(LAYER_STEP * V, B, CLUSTER)] * round(layer_attention.amount / LAYER_STEP)
    return Plan(
        balance(Schedule([*first, *matching.segments]), horizon),
        Network((*layers, *map(as_residual_block, layer_matching.segments))),
        attention, matching, layer_attention, layer_matching,
        (f"sources were clustered and cut into {sum(nu.size for nu in clouds[1])} slabs, one for each target atom",),
    )  # fmt: skip


def cluster(
    measures: Sequence[Empirical], targets: Sequence[Empirical], *, eps: float, width: int, layers: bool, seed: int = 0
) -> tuple[Attention, Matching] | None:
    r"""The least attention after which the sources, cut into slabs, can be carried to the atoms of their targets to within eps/2.

    Under V = I the hull of each measure shrinks to a point exponentially fast, whatever B (arXiv:2411.04551, Proposition 2.1), and
    different measures shrink to different points if their means differ. Once the measures fill disjoint intervals of a height <a, xi>,
    measure i is cut there into slabs of the masses of its target's atoms, and the slabs are matched like points (``match_slabs``). So the
    number of segments depends on the number of target atoms only, not on the number of source atoms; for one-atom targets this is Theorem
    1.1.

    Args:
        measures, targets: N pairs; sources of equal weights, each target mass a sum of whole source atoms (up to a mass of (eps/4 pi)^2).
        eps: W_2 allowed, radians.
        width: neurons of a segment.
        layers: residual attention layers (for the network) instead of the attention flow.
        seed: of the directions.

    Returns:
        The amount of attention and the matching; None if no amount of it separates the measures (equal means, say) within float64.
    """
    largest = max(mu.size for mu in measures)
    for beta in BETAS if largest <= _MOST_SCORED else BETAS[:1]:
        for amount, points in _contractions(measures, beta, 4.0 + 2 * np.log(1 / eps), layers):
            means = np.array([mu.weights @ x for x, mu in zip(points, measures, strict=True)])
            radii = [float(np.sqrt(mu.weights @ ((x - m) ** 2).sum(1))) for x, mu, m in zip(points, measures, means, strict=True)]
            if max(radii) < eps / 1000:
                break  # the clusters will not come apart any more
            if max(radii) > 4 * eps or _overlap(means, radii):
                continue  # what is left of the clusters' size is left of the distance; clusters that overlap cannot be cut
            matching = match_slabs(points, measures, targets, eps=eps, width=width, seed=seed)
            if matching is not None and matching.errors.max() <= eps / 2:
                return Attention(beta, amount), matching
    return None


def _overlap(means: np.ndarray, radii: list[float]) -> bool:
    """Whether two clusters lie within the mean of their root-mean-square radii of each other: then no direction tells them apart."""
    return any(np.linalg.norm(means[i] - means[j]) < (radii[i] + radii[j]) / 2 for i in range(len(radii)) for j in range(i))


def _contractions(measures: Sequence[Empirical], beta: float, latest: float, layers: bool) -> Iterator[tuple[float, list[np.ndarray]]]:
    """(amount, atoms) for growing amounts of attention, the least being none."""
    points = [mu.points for mu in measures]
    field = TransformerField(V=np.eye(points[0].shape[1]), B=beta * np.eye(points[0].shape[1]) if beta else None)
    step = LAYER_STEP if layers else TIME_STEP
    yield 0.0, points
    for k in range(1, int(latest / TIME_STEP) + 1):
        if layers:
            points = [attention_layer(x, mu.weights, beta, LAYER_STEP) for x, mu in zip(points, measures, strict=True)]
        else:
            points = [_advance(field, x, mu.weights) for x, mu in zip(points, measures, strict=True)]
        yield k * step, points


def _advance(field: TransformerField, x: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return normalize(integrate_ode(lambda y: field(y, y, weights), x, TIME_STEP, rtol=3e-14, atol=1e-14).value)


def match_slabs(
    points: Sequence[np.ndarray], measures: Sequence[Empirical], targets: Sequence[Empirical], *, eps: float, width: int, seed: int = 0
) -> Matching | None:
    r"""Cut each measure along a into slabs of the masses of its target's atoms (sorted along c), and match the slabs as ``match`` points.

    Each slab moves rigidly: in stage 1 its interval of heights <a, xi>, in stage 2 its interval along c, must be disjoint from all others.

    Returns:
        None if the measures do not fill disjoint intervals of any height tried, or if masses of whole atoms do not fit.
    """
    way = route(np.concatenate(points), np.concatenate([nu.points for nu in targets]), seed=seed)
    chart = GnomonicChart(way.pole)
    xi = [chart.coordinates(way.enter(x)) for x in points]
    zeta = [chart.coordinates(way.leave_inverse(nu.points)) for nu in targets]
    c = best_direction(np.unique(np.concatenate(zeta), axis=0), seed=seed).vector
    ranks = [np.argsort(z @ c, kind="stable") for z in zeta]
    cut = _best_cut(xi, measures, [nu.weights[r] for nu, r in zip(targets, ranks, strict=True)], c, eps, seed)
    if cut is None:
        return None
    a, sorted_atoms, ends, gap = cut
    # slabs: the atoms (over all measures), the place, and the order that says which place each atom of a measure goes to
    offset = np.cumsum([0] + [len(x) for x in xi])
    order = [np.empty(len(x), int) for x in xi]
    everything, slabs, places = np.concatenate(xi), [], []
    for i, (rank, rows, stops) in enumerate(zip(ranks, sorted_atoms, ends, strict=True)):
        for k, (start, stop) in enumerate(zip([0, *stops[:-1]], stops, strict=True)):
            order[i][rows[start:stop]] = rank[k]
            slabs.append(offset[i] + rows[start:stop])
            places.append(zeta[i][rank[k]])
    places = np.array(places)
    weights = np.concatenate([mu.weights for mu in measures])
    centers = np.array([weights[rows] @ everything[rows] / weights[rows].sum() for rows in slabs])
    offsets = np.array([[f((everything[rows] - m) @ c) for f in (np.min, np.max)] for rows, m in zip(slabs, centers, strict=True)])

    needed = 2 * float(np.ptp(offsets, axis=1).max())
    forced = 0.0 if smallest_gap(places @ c) > needed else max(needed, eps / 16)
    heights = spread(places @ c, forced) if forced else places @ c
    places = places + np.outer(heights - places @ c, c)
    intervals = np.array([[f(everything[rows] @ a) for f in (np.min, np.max)] for rows in slabs])
    shears = two_stages(chart, a, c, places - centers, intervals, heights[:, None] + offsets, width)
    segments = between_boosts(way, shears, width)
    goals = [nu.points[k] for nu, k in zip(targets, order, strict=True)]
    errors = errors_of(segments, points, goals, [mu.weights for mu in measures])
    return Matching(segments, gap, smallest_gap(heights), forced, order, errors)


def _best_cut(xi, measures, masses, c, eps: float, seed: int):
    """The direction a along which measures are disjoint and the cuts widest: (a, rows sorted along a, ends of the slabs, smallest gap)."""
    rng = np.random.default_rng(seed)
    means = np.array([mu.weights @ x for mu, x in zip(measures, xi, strict=True)])
    candidates = rng.normal(size=(_DIRECTIONS, means.shape[1]))
    differences = (means[:, None] - means[None]).reshape(-1, means.shape[1])
    candidates = np.vstack([candidates, differences[np.linalg.norm(differences, axis=1) > 0]])
    candidates /= np.linalg.norm(candidates, axis=1, keepdims=True)
    candidates = candidates[np.abs(candidates @ c) <= np.cos(np.pi / 6)]
    lows, highs = (np.stack([_extreme(x, candidates, f) for x in xi], axis=1) for f in (np.min, np.max))
    by_height = np.argsort(lows, axis=1)
    clear = np.take_along_axis(lows, by_height, 1)[:, 1:] - np.take_along_axis(highs, by_height, 1)[:, :-1]
    margin = clear.min(axis=1, initial=np.inf)
    stops = [ends for mu, b in zip(measures, masses, strict=True) if (ends := _stops(mu.weights, b, eps)) is not None]
    if len(stops) < len(xi):
        return None
    best, widest = None, _NARROWEST
    for k in np.flatnonzero(margin > 0):
        gap = float(margin[k])
        for x, ends in zip(xi, stops, strict=True):
            if len(ends) > 1 and gap > widest:
                heights = np.partition(x @ candidates[k], sorted({*(ends[:-1] - 1), *ends[:-1]}))
                gap = min(gap, float((heights[ends[:-1]] - heights[ends[:-1] - 1]).min()))
        if gap > widest:
            best, widest = candidates[k], gap
    if best is None:
        return None
    return best, [np.argsort(x @ best, kind="stable") for x in xi], [ends.tolist() for ends in stops], widest


def _stops(weights: np.ndarray, masses: np.ndarray, eps: float) -> np.ndarray | None:
    """How many atoms (of equal weight) lie below the end of each slab; None if weights differ or whole atoms do not fill the masses."""
    if np.ptp(weights) > 1e-12:
        return None
    ends = np.round(np.cumsum(masses) * len(weights)).astype(int)
    misplaced = np.abs(np.diff(ends, prepend=0) / len(weights) - masses).sum() / 2
    return ends if (np.diff(ends, prepend=0) > 0).all() and np.pi * np.sqrt(misplaced) <= eps / 4 else None


def _extreme(x: np.ndarray, directions: np.ndarray, extreme) -> np.ndarray:
    """The lowest or highest height of the points along each direction, in blocks."""
    block = max(1, 2**24 // len(x))
    return np.concatenate([extreme(x @ directions[i : i + block].T, axis=0) for i in range(0, len(directions), block)])
