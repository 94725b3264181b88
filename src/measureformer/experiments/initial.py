"""Initial measures by name."""

import numpy as np

from ..errors import InputError
from ..geometry import normalize
from ..measures import Empirical

KINDS = ("uniform", "cap", "orthonormal", "polygon", "normal", "cube")


def initial_measure(kind: str, n: int, d: int, *, seed: int = 0, scale: float = 1.0) -> Empirical:
    """n tokens of equal weight in R^d.

    Args:
        kind: ``uniform``: iid on the sphere; ``cap``: iid directions of Gaussian vectors, whose mean is the last unit vector and whose
            standard deviation is ``scale``; ``orthonormal``: the first n unit vectors; ``polygon``: a regular n-gon in the plane of the
            first two coordinates; ``normal``: iid Gaussian, covariance scale^2 I; ``cube``: iid uniform in [-scale, scale]^d.
        n, d: number of tokens, dimension.
        seed: of NumPy's generator.
        scale: see above.

    Raises:
        InputError: an unknown kind; orthonormal tokens with n > d; a polygon with d < 2.
    """
    if n < 1 or d < 1:
        raise InputError(f"n and d must be at least 1, got n = {n}, d = {d}")
    rng = np.random.default_rng(seed)
    if kind == "uniform":
        return Empirical(normalize(rng.normal(size=(n, d))))
    if kind == "cap":
        return Empirical(normalize(scale * rng.normal(size=(n, d)) + np.eye(d)[-1]))
    if kind == "orthonormal":
        if n > d:
            raise InputError(f"there are no n = {n} orthonormal tokens in dimension d = {d}; take d >= n")
        return Empirical(np.eye(n, d))
    if kind == "polygon":
        if d < 2:
            raise InputError(f"a polygon needs d >= 2, got {d}")
        angle = 2 * np.pi * np.arange(n) / n
        x = np.zeros((n, d))
        x[:, 0], x[:, 1] = np.cos(angle), np.sin(angle)
        return Empirical(normalize(x))
    if kind == "normal":
        return Empirical(scale * rng.normal(size=(n, d)))
    if kind == "cube":
        return Empirical(rng.uniform(-scale, scale, size=(n, d)))
    raise InputError(f"there is no initial measure {kind!r}; there are {', '.join(KINDS)}")
