"""Disentangle: the amount of attention after which the atoms of all measures are easiest to tell apart."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from ..fields import TransformerField, attention
from ..flows import boost, boost_between_caps, integrate_ode
from ..geometry import GnomonicChart, enclosing_cap, normalize, tangent
from ..measures import Empirical
from .heights import best_direction
from .hemisphere import RADIUS
from .plan import Attention

BETAS = (0.0, 1.0, 2.0, 4.0, 8.0)
TIMES = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)
STEPS = (0.25, 0.5, 1.0, 2.0)
# Attention costs n^2 an evaluation; amounts are compared on at most this many atoms of each measure.
_SAMPLE = 400


def separate_by_flow(measures: Sequence[Empirical], seed: int = 0) -> tuple[Attention, list[np.ndarray]]:
    """The best attention segment, and the atoms after it (integrated to 1e-13)."""
    best = _choose(measures, _flow_candidates, seed)
    return best, after_flow(measures, best)


def after_flow(measures: Sequence[Empirical], attention: Attention) -> list[np.ndarray]:
    """The atoms after that attention segment, integrated to 1e-13."""
    if attention.amount == 0:
        return [mu.points for mu in measures]
    V, B = attention.matrices(measures[0].dimension)
    field = TransformerField(V=V, B=B)
    moved = []
    for mu in measures:
        result = integrate_ode(lambda x, w=mu.weights: field(x, x, w), mu.points, attention.amount, rtol=3e-14, atol=1e-14)
        moved.append(normalize(result.value))
    return moved


def separate_by_layer(measures: Sequence[Empirical], seed: int = 0) -> tuple[Attention, list[np.ndarray]]:
    """The best residual attention layer x -> normalize(x + h A_B[mu](x)), and the atoms after it."""
    best = _choose(measures, _layer_candidates, seed)
    return best, [attention_layer(mu.points, mu.weights, best.beta, best.amount) for mu in measures]


def attention_layer(points: np.ndarray, weights: np.ndarray, beta: float, h: float) -> np.ndarray:
    """x -> normalize(x + h A_B[mu](x)) with B = beta I, at the atoms of mu."""
    if h == 0:
        return points
    B = beta * np.eye(points.shape[1]) if beta else None
    return normalize(points + h * attention(points, points, weights, B))


def _choose(measures: Sequence[Empirical], candidates, seed: int) -> Attention:
    """The candidate with the largest smallest gap; no attention where that is as good."""
    sample = [_thin(mu) for mu in measures]
    best, widest = Attention(0.0, 0.0), quality([mu.points for mu in sample], seed)
    if len(measures) == 1:
        return best
    for beta, amount, points in candidates(sample):
        gap = quality(points, seed)
        if gap > 2 * widest if best.amount == 0 else gap > widest:
            best, widest = Attention(beta, amount), gap
    return best


def quality(points: Iterable[np.ndarray], seed: int) -> float:
    """The smallest gap along the best of some directions, in the chart after one boost to the standard cap; 0 if atoms coincide."""
    x = np.concatenate(list(points))
    if len(np.unique(x, axis=0)) < len(x):
        return 0.0
    cap = enclosing_cap(x, seed=seed)
    if cap.radius >= np.pi - 1e-6 or cap.radius == 0:
        return np.inf if len(x) == 1 else 0.0
    w = boost_between_caps(cap.center, cap.radius, cap.center, RADIUS)
    xi = GnomonicChart(cap.center).coordinates(boost(x, w))
    return best_direction(xi, tries=512, refined=0, seed=seed).gap


def _thin(mu: Empirical) -> Empirical:
    """Every k-th atom in lexicographic order, so that atoms shared by two measures tend to be kept in both."""
    if mu.size <= _SAMPLE:
        return mu
    keep = np.lexsort(mu.points.T)[:: -(-mu.size // _SAMPLE)]
    return Empirical(mu.points[keep], mu.weights[keep])


def _flow_candidates(measures: Sequence[Empirical]) -> Iterator[tuple[float, float, list[np.ndarray]]]:
    """Fourth-order Runge-Kutta with four steps to the unit of time: enough to compare."""
    for beta in BETAS:
        B = beta * np.eye(measures[0].dimension) if beta else None
        points, time = [mu.points for mu in measures], 0.0
        for goal in TIMES:
            points = [_runge_kutta(x, mu.weights, B, goal - time) for x, mu in zip(points, measures, strict=True)]
            time = goal
            yield beta, goal, points


def _runge_kutta(x: np.ndarray, weights: np.ndarray, B: np.ndarray | None, step: float) -> np.ndarray:
    def v(y):
        return tangent(y, attention(y, y, weights, B))

    k1 = v(x)
    k2 = v(x + step / 2 * k1)
    k3 = v(x + step / 2 * k2)
    k4 = v(x + step * k3)
    return normalize(x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4))


def _layer_candidates(measures: Sequence[Empirical]) -> Iterator[tuple[float, float, list[np.ndarray]]]:
    for beta in BETAS:
        for h in STEPS:
            yield beta, h, [attention_layer(mu.points, mu.weights, beta, h) for mu in measures]
