"""Gather: attention makes of each measure a small cluster, and puts all the clusters on one great circle."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..export import AttentionLayer
from ..fields import TransformerField
from ..flows import flow, integrate_ode, meanfield_flow
from ..geometry import GnomonicChart, normalize
from ..measures import Empirical
from ..schedule import Schedule, Segment
from .lanes import Lanes, best_lanes
from .staircase import staircase

CLUSTER, LANES, RECENTRE = "cluster", "lanes", "recentre"
_TIME_STEP, _LAYER_STEP = 0.5, 1.0
# Clusters e^-14 times the size of their distances have lost 6 of 16 digits: no more attention than that tells measures apart.
_LATEST = 14.0
# The gap between two clusters is at least so many times the width of the widest: fresh samples of the measures must find their gap too.
_APART = 2.0
# Ramps between clusters take this part of the gap: a cluster may be off by nearly half of it.
NARROW = 0.1
# Room between lanes, in units of the smallest gap.
_ROOM = 1.5
# What is left of the means along c, relative to the size of the clusters.
_CENTRED = 1e-3
_MOST_LAYERS = 8


@dataclass(frozen=True)
class Gathered:
    """Sources after attention, in disjoint intervals of a height.

    Attributes:
        steps: attention segments, or attention layers of the network, and segments, in order.
        points: the atoms of each measure after them.
        across: the unit vector a of the chart along which the measures fill disjoint intervals.
        amount: the time (or the number of layers) of clustering attention.
        doubt: the standard error of the measures' means, for samples of their size, over the smallest gap between clusters: where it is not
            small, fresh samples of the same densities may be taken for each other.
    """

    steps: list[Segment | AttentionLayer]
    points: list[np.ndarray]
    across: np.ndarray
    amount: float
    doubt: float


def gather(
    measures: Sequence[Empirical],
    kept: Sequence[np.ndarray],
    chart: GnomonicChart,
    *,
    width: int,
    layers: bool = False,
    smallest: float = np.inf,
    seed: int = 0,
) -> Gathered | None:
    r"""The least attention V = I, B = 0 after which wide gaps tell the measures apart, and their separation along one direction.

    Under V = I the hull of each measure shrinks to a point exponentially fast (arXiv:2411.04551, Proposition 2.1), so that measures of
    different means come apart. The cost is noise: a fresh sample of n points has its mean off by about sigma / sqrt(n), which does not
    shrink with the clusters. So the gaps between means are made as wide as possible, in lanes where that is better (``best_lanes``), which
    a staircase then puts one behind the other; and ``recentre`` takes the noise out again along a second direction.

    Args:
        measures: all atoms.
        kept: for each measure, which of them are planned for; these lie in the hemisphere of the chart.
        chart: of that hemisphere.
        width: neurons of a segment.
        layers: residual attention layers (for the network) instead of the attention flow.
        smallest: go on until the clusters are no larger than this, root mean square, in chart units.
        seed: of the directions.

    Returns:
        None if no amount of attention does it: two measures have the same mean, up to float64.
    """
    latest, scatter = _LATEST - min(np.log(smallest), 0.0), []
    for step, points in enumerate(_contractions([mu.points for mu in measures], measures, layers, round(latest / _TIME_STEP))):
        xi = [chart.coordinates(x[k]) for x, k in zip(points, kept, strict=True)]
        weights = [mu.weights[k] / mu.weights[k].sum() for mu, k in zip(measures, kept, strict=True)]
        size = max(map(_size, xi, weights))
        if step == 0:  # clusters shrink, and what their means are off does not
            scatter = [((w**2)[:, None] * (x - w @ x)).T @ (x - w @ x) for x, w in zip(xi, weights, strict=True)]
        means = np.array([w @ x for w, x in zip(weights, xi, strict=True)])
        if size > smallest or _closest(means) < 6 * size:
            continue
        lanes = best_lanes(means, seed=seed)
        spread, clear = _in_line(chart, lanes, xi, width)
        if clear:
            moved = flow(Schedule(spread), [mu.moved(x) for mu, x in zip(measures, points, strict=True)]).measures
            amount = step * (_LAYER_STEP if layers else _TIME_STEP)
            steps = [*_clustering(amount, chart.pole.size, layers), *spread]
            return Gathered(steps, [mu.points for mu in moved], lanes.along, amount, _off(scatter, lanes) / lanes.gap)
    return None


def _in_line(chart: GnomonicChart, lanes: Lanes, xi: list[np.ndarray], width: int) -> tuple[list[Segment], bool]:
    """The segments that shift the lanes along a, one behind the other, and whether all gaps are wide compared with the clusters."""
    low, high = (np.array([f(x @ lanes.along) for x in xi]) for f in (np.min, np.max))
    gaps, widths = [], list(high - low)
    shift = np.zeros(lanes.lane.max() + 1)
    segments: list[Segment] = []
    if lanes.across is not None:
        edges = np.array([[f(x @ lanes.across) for f in (np.min, np.max)] for x in xi])
        widths += list(edges[:, 1] - edges[:, 0])
        groups = [np.flatnonzero(lanes.lane == k) for k in range(len(shift))]
        spans = np.array([[edges[g, 0].min(), edges[g, 1].max()] for g in groups])
        gaps += list(spans[1:, 0] - spans[:-1, 1])
        lengths = np.array([high[g].max() - low[g].min() for g in groups])
        starts = np.cumsum([0.0, *(lengths[:-1] + _ROOM * lanes.gap)])
        shift = starts - (starts[-1] + lengths[-1]) / 2 - np.array([low[g].min() for g in groups])
        if min(gaps) > 0:
            segments = staircase(chart, lanes.across, spans, np.outer(shift, lanes.along), width, LANES, widest=NARROW * min(gaps))
    order = np.argsort(low + shift[lanes.lane])
    gaps += list((low + shift[lanes.lane])[order][1:] - (high + shift[lanes.lane])[order][:-1])
    return segments, bool(min(gaps, default=np.inf) >= _APART * max(widths))


def _off(scatter: list[np.ndarray], lanes: Lanes) -> float:
    """The largest standard error of a mean along the directions of the lanes."""
    used = [lanes.along] if lanes.across is None else [lanes.along, lanes.across]
    return float(np.sqrt(max(a @ S @ a for S in scatter for a in used)))


def _closest(means: np.ndarray) -> float:
    i, j = np.triu_indices(len(means), 1)
    return float(np.linalg.norm(means[i] - means[j], axis=1).min(initial=np.inf))


def _clustering(amount: float, d: int, layers: bool) -> list:
    if not amount:
        return []
    if layers:
        return [AttentionLayer(_LAYER_STEP * np.eye(d), None, CLUSTER)] * round(amount / _LAYER_STEP)
    return [Segment(TransformerField(V=np.eye(d)), amount, CLUSTER)]


def _contractions(points: list[np.ndarray], measures: Sequence[Empirical], layers: bool, steps: int) -> Iterator[list[np.ndarray]]:
    """The atoms after 0, 1, ..., ``steps`` steps of V = I, B = 0."""
    field = TransformerField(V=np.eye(points[0].shape[1]))
    yield points
    for _ in range(steps):
        if layers:
            points = [normalize(x + _LAYER_STEP * (mu.weights @ x)) for x, mu in zip(points, measures, strict=True)]
        else:
            points = [
                normalize(integrate_ode(lambda y, w=mu.weights: field(y, y, w), x, _TIME_STEP, rtol=1e-13, atol=1e-14).value)
                for x, mu in zip(points, measures, strict=True)
            ]
        yield points


def _size(xi: np.ndarray, weights: np.ndarray) -> float:
    return float(np.sqrt(weights @ ((xi - weights @ xi) ** 2).sum(1)))


def recentre(
    gathered: Gathered, measures: Sequence[Empirical], chart: GnomonicChart, direction: np.ndarray, *, layers: bool = False
) -> tuple[list[Segment | AttentionLayer], list[np.ndarray]]:
    r"""Attention V = -c c^T, B = 0: every measure drives its own mean along c to zero, and with it the sampling error of that mean.

    Each measure follows the boost along c with the clock tau' = -<c, E[mu_tau]> (``flows.meanfield``); heights along directions
    orthogonal to c and to the pole do not change. Sources of a density are known up to the error of a sample's mean only, and clustering
    has magnified that error; after this step a fresh sample lies where the planned one did, as seen along c.

    Args:
        gathered: from ``gather``.
        measures: all atoms, as there (their weights are used).
        chart: as there.
        direction: c, a unit vector of the chart orthogonal to ``gathered.across``.
        layers: residual attention layers instead of the flow.

    Returns:
        The steps and the atoms after them.
    """
    c = chart.vectors(direction)
    points = gathered.points
    size = min(max(_size((x @ c)[:, None], mu.weights), 1e-12) for x, mu in zip(points, measures, strict=True))

    def off() -> float:
        return max(abs(float(mu.weights @ (x @ c))) for x, mu in zip(points, measures, strict=True))

    if off() <= _CENTRED * size:
        return [], points
    steps: list[Segment | AttentionLayer] = []
    if layers:
        while off() > _CENTRED * size and len(steps) < _MOST_LAYERS:
            points = [normalize(x - (mu.weights @ (x @ c)) * c) for x, mu in zip(points, measures, strict=True)]
            steps.append(AttentionLayer(-np.outer(c, c), None, RECENTRE))
        return steps, points
    time = float(np.log(off() / (_CENTRED * size))) + 1.0
    points = [meanfield_flow(Empirical(x, mu.weights), c, time, sign=-1.0) for x, mu in zip(points, measures, strict=True)]
    return [Segment(TransformerField(V=-np.outer(c, c)), time, RECENTRE)], points
