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
# A smallest gap that float64 cannot resolve safely (see ``match``): below it turned attention is tried as well.
_POOR = 2e-8
# Attention costs n^2 an evaluation; amounts are compared on at most this many atoms of each measure.
_SAMPLE = 400


def separate_by_flow(
    measures: Sequence[Empirical], seed: int = 0, kept: Sequence[np.ndarray] | None = None
) -> tuple[Attention, list[np.ndarray]]:
    """The best attention segment, and the atoms after it (integrated to 1e-13). Only the atoms in ``kept`` need to come apart."""
    best = _choose(measures, _flow_candidates, seed, kept)
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


def separate_by_layer(
    measures: Sequence[Empirical], seed: int = 0, kept: Sequence[np.ndarray] | None = None
) -> tuple[Attention, list[np.ndarray]]:
    """The best residual attention layer x -> normalize(x + h A_B[mu](x)), and the atoms after it; ``kept`` as above."""
    best = _choose(measures, _layer_candidates, seed, kept)
    return best, [attention_layer(mu.points, mu.weights, best.beta, best.amount, best.turns) for mu in measures]


def attention_layer(
    points: np.ndarray, weights: np.ndarray, beta: float, h: float, turns: tuple[np.ndarray, np.ndarray] | None = None
) -> np.ndarray:
    """x -> normalize(x + h V A_B[mu](x)) at the atoms of mu, with V = I, B = beta I, or V = Q, B = beta R for ``turns`` = (Q, R)."""
    if h == 0:
        return points
    V, B = Attention(beta, h, turns).matrices(points.shape[1])
    return normalize(points + attention(points, points, weights, B) @ (h * V).T)


def _choose(measures: Sequence[Empirical], candidates, seed: int, kept: Sequence[np.ndarray] | None) -> Attention:
    r"""The candidate with the largest smallest gap; no attention where that is as good.

    Symmetry can keep V = I, B = beta I from parting a shared atom x, however long it lasts: x is an axis of symmetry of both measures, or
    both see their attention along x itself. Turned attention V = Q, B = beta R has no such exceptions for almost all Q and R: A_B[mu](x) is
    the gradient of $\log \int e^{\langle z, y \rangle} \mu(dy)$ at z = beta R x, and two different measures have different gradients at
    almost every z; Q turns their difference out of the direction x, along which the sphere does not feel it.
    """
    rows = [_thin(mu) for mu in measures]
    sample = [Empirical(mu.points[k], mu.weights[k]) for mu, k in zip(measures, rows, strict=True)]
    stays = [np.ones(len(k), bool) for k in rows] if kept is None else [all_[k] for all_, k in zip(kept, rows, strict=True)]

    def gap_of(points: list[np.ndarray]) -> float:
        return quality((x[k] for x, k in zip(points, stays, strict=True)), seed)

    best, widest = Attention(0.0, 0.0), gap_of([mu.points for mu in sample])
    if len(measures) == 1:
        return best
    for turns in (None, _turns(measures[0].dimension, seed)):
        if turns is not None and widest > _POOR:
            break
        for amount, points in candidates(sample, turns):
            gap = gap_of(points)
            if gap > 2 * widest if best.amount == 0 else gap > widest:
                best, widest = amount, gap
    return best


def _turns(d: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random orthogonal matrices."""
    rng = np.random.default_rng(seed)
    return np.linalg.qr(rng.normal(size=(d, d)))[0], np.linalg.qr(rng.normal(size=(d, d)))[0]


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


def _thin(mu: Empirical) -> np.ndarray:
    """Rows of every k-th atom in lexicographic order, so that atoms shared by two measures tend to be kept in both."""
    if mu.size <= _SAMPLE:
        return np.arange(mu.size)
    return np.lexsort(mu.points.T)[:: -(-mu.size // _SAMPLE)]


def _flow_candidates(measures: Sequence[Empirical], turns) -> Iterator[tuple[Attention, list[np.ndarray]]]:
    """Fourth-order Runge-Kutta with four steps to the unit of time: enough to compare."""
    for beta in BETAS:
        V, B = Attention(beta, 0.0, turns).matrices(measures[0].dimension)
        points, time = [mu.points for mu in measures], 0.0
        for goal in TIMES:
            points = [_runge_kutta(x, mu.weights, V, B, goal - time) for x, mu in zip(points, measures, strict=True)]
            time = goal
            yield Attention(beta, goal, turns), points


def _runge_kutta(x: np.ndarray, weights: np.ndarray, V: np.ndarray, B: np.ndarray | None, step: float) -> np.ndarray:
    def v(y):
        return tangent(y, attention(y, y, weights, B) @ V.T)

    k1 = v(x)
    k2 = v(x + step / 2 * k1)
    k3 = v(x + step / 2 * k2)
    k4 = v(x + step * k3)
    return normalize(x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4))


def _layer_candidates(measures: Sequence[Empirical], turns) -> Iterator[tuple[Attention, list[np.ndarray]]]:
    for beta in BETAS:
        for h in STEPS:
            yield Attention(beta, h, turns), [attention_layer(mu.points, mu.weights, beta, h, turns) for mu in measures]
