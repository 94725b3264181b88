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


def three_caps(n: int, seed: int, *, apart: float = 0.25):
    """Samples of three overlapping densities, caps of radius 0.6 with centres 0.25 apart, and of three caps of radius 0.5 opposite."""
    rng = np.random.default_rng(seed)
    north, turns = np.array([0.0, 0.0, 1.0]), 2 * np.pi * np.arange(3) / 3
    ways = np.stack([np.cos(turns), np.sin(turns), np.zeros(3)], axis=1) / np.sqrt(3)
    at = np.broadcast_to(north, (3, 3))
    centers, goals = exp(at, 0.25 * ways), -exp(at, apart * ways)
    return [Empirical(cap(c, 0.6, n, rng)) for c in centers], [Empirical(cap(c, 0.5, n, rng)) for c in goals]


def normal_densities(d: int, N: int, n: int, seed: int):
    """Samples of N normal densities (in the tangent space of their centres, standard deviation 0.15 to 0.12 in each direction)."""
    places, rng = np.random.default_rng(1), np.random.default_rng(seed)
    axis = np.eye(d)[0]
    centers = [normalize(axis + 0.4 * places.normal(size=d) / np.sqrt(d)) for _ in range(N)]
    goals = [normalize(-axis + 0.8 * places.normal(size=d) / np.sqrt(d)) for _ in range(N)]

    def normal(center, size):
        at = np.broadcast_to(center, (n, d))
        return Empirical(exp(at, tangent(at, size * rng.normal(size=(n, d)))))

    return [normal(c, 0.15) for c in centers], [normal(c, 0.12) for c in goals]
