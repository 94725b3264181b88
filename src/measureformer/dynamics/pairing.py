"""The limit beta -> infinity: the closest pair moves alone until it meets, then the next one."""

from dataclasses import dataclass

import numpy as np

from ..geometry import distance, exp, log, normalize
from ..measures import Empirical
from .law import known_law


@dataclass(frozen=True)
class Pairing:
    """Two clusters that meet.

    Attributes:
        parts: the clusters, as sets of tokens.
        mass: of both together.
        scale: 1 - cosine of the two when they began to move; they meet at a time of the order e^{beta scale} (softmax and ``"peak"``).
        point: where they meet, shape (d,).
    """

    parts: tuple[tuple[int, ...], tuple[int, ...]]
    mass: float
    scale: float
    point: np.ndarray


def pairing_limit(mu: Empirical, *, law: str = "softmax") -> list[Pairing]:
    r"""The merges of attention with Q = K = V = I for beta -> infinity, in their order, until one cluster is left.

    In the time $e^{\beta (1 - \langle x_i, x_j \rangle)}$ of the closest pair all others rest, for their pull is smaller by a factor
    e^{-beta ...}. Masses p, q: the atoms move by q : p (unnormalised), by q/p : p/q (softmax, where a heavy atom sees mostly itself), so
    they meet on their geodesic at a part q/(p+q), or q^2/(p^2+q^2), of the way from the first. The pair stays the closest on its way.
    The inner product in the time is the *current* one of the pair: the last part of the way takes no time.

    Args:
        mu: tokens with weights on the sphere, no two of them opposite; the unique closest pair is assumed (ties: the first).
        law: ``"softmax"``, or ``"unnormalised"`` and ``"peak"``, which share their paths.

    Raises:
        InputError: an unknown law.

    References:
        arXiv:2509.25040, as surveyed in arXiv:2512.01868 (whose time change is that of the initial inner product).

    Example:
        >>> angles = np.array([0.0, 0.3, 1.0])
        >>> mu = Empirical(np.stack([np.cos(angles), np.sin(angles)], axis=1))
        >>> [pairing.parts for pairing in pairing_limit(mu)]
        [((0,), (1,)), ((0, 1), (2,))]
    """
    power = 2 if known_law(law) == "softmax" else 1
    x, w = normalize(np.asarray(mu.points, float)), np.asarray(mu.weights, float)
    sets: list[tuple[int, ...]] = [(i,) for i in range(mu.size)]
    found = []
    while len(sets) > 1:
        away = np.asarray(distance(x[:, None], x))
        np.fill_diagonal(away, np.inf)
        i, j = (int(k) for k in np.unravel_index(int(away.argmin()), away.shape))
        share = w[j] ** power / (w[i] ** power + w[j] ** power)
        point = normalize(exp(x[i], share * log(x[i], x[j])))
        found.append(Pairing((sets[i], sets[j]), float(w[i] + w[j]), float(2 * np.sin(away[i, j] / 2) ** 2), point))
        sets[i] = tuple(sorted(sets[i] + sets[j]))
        x[i], w = point, np.where(np.arange(len(w)) == i, w[i] + w[j], w)
        x, w = np.delete(x, j, axis=0), np.delete(w, j)
        del sets[j]
    return found
