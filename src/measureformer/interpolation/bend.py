"""Bend: a perceptron that makes equal means different (the part that Lemma 3.4 plays in the paper)."""

from collections.abc import Sequence

import numpy as np

from ..fields import TransformerField
from ..geometry import GnomonicChart
from ..measures import Empirical
from ..schedule import Segment

BEND = "bend"
_DIRECTIONS = 64
# Levels of the bend, as quantiles of the heights.
_LEVELS = (0.2, 0.4, 0.6, 0.8, 0.9, 0.95)
# The bend has to outweigh what was there before. Nothing is moved by more than so many chart units (83 degrees from the pole).
_FARTHEST = 8.0


def bend(measures: Sequence[Empirical], kept: Sequence[np.ndarray], chart: GnomonicChart, *, width: int, seed: int = 0) -> list[Segment]:
    r"""The one-neuron shear xi -> xi + s (<q, xi> - t)_+ r, r orthogonal to q, that makes the means of the measures most different.

    Two different measures have different integrals of some $(\langle q, \xi \rangle - t)_+$, since these functions span all continuous
    ones. Differences count in units of their standard error for samples of the measures' size, so that a bend that tells samples apart
    tells fresh samples apart as well.

    Args:
        measures: all atoms.
        kept: for each measure, which of them count; these lie in the hemisphere of the chart.
        chart: of that hemisphere.
        width: neurons of the segment (one works).
        seed: of the directions that are compared.

    References:
        The purpose is that of arXiv:2411.04551v3, Lemma 3.4; the means of that lemma are parted by balls.
    """
    xi = [chart.coordinates(mu.points[k]) for mu, k in zip(measures, kept, strict=True)]
    weights = [mu.weights[k] / mu.weights[k].sum() for mu, k in zip(measures, kept, strict=True)]
    q = np.random.default_rng(seed).normal(size=(_DIRECTIONS, xi[0].shape[1]))
    q /= np.linalg.norm(q, axis=1)[:, None]
    r = np.eye(q.shape[1])[np.abs(q).argmin(axis=1)]
    r -= (r * q).sum(1)[:, None] * q
    r /= np.linalg.norm(r, axis=1)[:, None]
    heights = [x @ q.T for x in xi]
    first, second = np.triu_indices(len(xi), 1)
    best, widest = (0, 0.0, 0.0), -1.0
    for quantile in _LEVELS:
        levels = np.quantile(np.concatenate(heights), quantile, axis=0)
        bent = [np.maximum(h - levels, 0) for h in heights]
        highest = np.concatenate(bent).max(axis=0)
        slopes = np.where(highest > 0, _FARTHEST / np.where(highest > 0, highest, 1), 0)
        after = [x @ r.T + slopes * f for x, f in zip(xi, bent, strict=True)]
        means = np.array([w @ y for w, y in zip(weights, after, strict=True)])
        noise = np.array([(w**2) @ (y - w @ y) ** 2 for w, y in zip(weights, after, strict=True)])
        clear = (np.abs(means[first] - means[second]) / np.sqrt(noise[first] + noise[second] + 1e-300)).min(axis=0)
        if clear.max() > widest:
            k = int(clear.argmax())
            best, widest = (k, float(levels[k]), float(slopes[k])), float(clear[k])
    k, level, slope = best
    W, U = np.zeros((chart.pole.size, width)), np.zeros((width, chart.pole.size))
    W[:, 0], U[0] = slope * chart.vectors(r[k]), chart.vectors(q[k]) - level * chart.pole
    return [Segment(TransformerField(W=W, U=U), 1.0, BEND)]
