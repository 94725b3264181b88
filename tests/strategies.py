"""Hypothesis strategies: points of spheres and measures, at a few fixed shapes so that compiled code is reused."""

import numpy as np
from hypothesis import strategies as st

from measureformer import Empirical
from measureformer.geometry import normalize


def seeds() -> st.SearchStrategy[int]:
    return st.integers(0, 2**32 - 1)


def points(n: int, d: int) -> st.SearchStrategy[np.ndarray]:
    """n points of S^{d-1}: spread out, or gathered round a point at a scale down to 1e-6."""
    return st.builds(_points, st.just(n), st.just(d), seeds(), st.sampled_from([None, 1.0, 1e-2, 1e-6]))


def measures(n: int, d: int) -> st.SearchStrategy[Empirical]:
    """Measures of n atoms with weights that differ by up to a factor of ten."""
    return st.builds(lambda x, seed: Empirical(x, np.random.default_rng(seed).uniform(0.1, 1, n)), points(n, d), seeds())


def rotations(d: int) -> st.SearchStrategy[np.ndarray]:
    """Orthogonal matrices with the uniform law, up to signs."""
    return seeds().map(lambda seed: np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0])


def _points(n, d, seed, scale):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return normalize(x if scale is None else rng.normal(size=d) * 2 + scale * x)


def sphere(rng, n, d=3, spread=None):
    """Random points: uniform, or within about ``spread`` of the last coordinate vector."""
    x = rng.normal(size=(n, d))
    if spread is not None:
        x = spread * x + np.eye(d)[-1]
    return x / np.linalg.norm(x, axis=1, keepdims=True)
