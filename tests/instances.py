"""Instances of the interpolation task, made from a seed: for tests, benchmarks and the acceptance table."""

import numpy as np

from measureformer import Empirical
from measureformer.geometry import exp, normalize, tangent


def cap(center: np.ndarray, radius: float, n: int, rng: np.random.Generator) -> np.ndarray:
    """n points of the cap of that radius (radians) round the centre; about uniform for small caps."""
    d = center.size
    center = np.broadcast_to(center, (n, d))
    direction = normalize(tangent(center, rng.normal(size=(n, d))))
    return exp(center, radius * rng.uniform(size=(n, 1)) ** (1 / (d - 1)) * direction)


def overlapping_caps(d: int, N: int, n: int, seed: int, *, m: int | None = None, radius: float = 0.9, shared: float = 0.3):
    """N sources of n atoms in overlapping caps, a fraction ``shared`` of them atoms of the first; N targets of m atoms opposite."""
    rng = np.random.default_rng(seed)
    base = normalize(rng.normal(size=d))
    sources, targets = [], []
    for _ in range(N):
        sources.append(cap(normalize(base + 0.4 * normalize(rng.normal(size=d))), radius, n, rng))
        targets.append(cap(normalize(-base + 0.9 * normalize(rng.normal(size=d))), radius, m or n, rng))
    for source in sources[1:]:
        source[: int(shared * n)] = sources[0][: int(shared * n)]
    return [Empirical(x) for x in sources], [Empirical(y) for y in targets]


def subset(d: int, n: int, seed: int):
    """The second source is the first half of the first; the two targets are disjoint."""
    rng = np.random.default_rng(seed)
    axes = np.eye(d)
    x = cap(axes[0], 0.7, n, rng)
    return [Empirical(x), Empirical(x[: n // 2])], [Empirical(cap(-axes[1], 0.6, n, rng)), Empirical(cap(axes[1], 0.6, n // 2, rng))]


def fibonacci(n: int) -> np.ndarray:
    """n points spread evenly over the sphere."""
    z = 1 - (2 * np.arange(n) + 1) / n
    longitude = np.pi * (1 + np.sqrt(5)) * np.arange(n)
    return np.stack([np.sqrt(1 - z**2) * np.cos(longitude), np.sqrt(1 - z**2) * np.sin(longitude), z], axis=1)
