"""Rényi centers and strong centers of a sequence of tokens: where causal attention lets clusters form."""

import numpy as np
from jaxtyping import Float, Int

from .._types import Array
from ..errors import InputError
from ..geometry import norm


def renyi_centers(points: Float[Array, "n d"], delta: float) -> Int[np.ndarray, " K"]:
    r"""Indices of tokens at a geodesic distance of more than delta from all earlier *centers* (greedy, in the order of the sequence).

    On the circle, uniform tokens, n -> infinity: 0.74760 * 2 pi / delta of them (Rényi's parking constant).

    Args:
        points: the sequence of tokens on the sphere.
        delta: in radians, in (0, pi); of the order beta^{-1/2}.

    Raises:
        InputError: delta out of range.

    References:
        Karagodin, Polyanskiy, Rigollet, arXiv:2411.04990.
    """
    x, reach = np.asarray(points), _chord(delta)
    found = np.zeros(0, int)
    for i in range(len(x)):
        if not (norm(x[found] - x[i]) <= reach).any():
            found = np.append(found, i)
    return found


def strong_centers(points: Float[Array, "n d"], delta: float) -> Int[np.ndarray, " K"]:
    """Indices of tokens at a geodesic distance of more than delta from *all* earlier tokens; they are Rényi centers too.

    Args, Raises, References: as in ``renyi_centers``.
    """
    x, reach = np.asarray(points), _chord(delta)
    return np.array([i for i in range(len(x)) if not (norm(x[:i] - x[i]) <= reach).any()], int)


def expected_strong_centers(n: int | None, d: int, delta: float) -> float:
    r"""The mean number of strong centers among n independent uniform tokens of S^{d-1}; ``None`` stands for n = infinity:

    $$ \sum_{i=0}^{n-1} (1 - c)^i = \frac{1 - (1 - c)^n}{c}, \qquad c = \sigma(\text{cap of radius } \delta)
       = I_{\sin^2(\delta/2)}\bigl(\tfrac{d-1}{2}, \tfrac{d-1}{2}\bigr), $$
    delta / pi on the circle, sin^2(delta / 2) on S^2.

    Args:
        n: number of tokens.
        d: dimension of the space, at least 2.
        delta: in radians, in (0, pi).

    Raises:
        InputError: delta out of range, or d below 2.

    References:
        arXiv:2411.04990 (its mass of a cap of S^2 is corrected here).
    """
    from scipy.special import betainc

    _chord(delta)
    if d < 2:
        raise InputError(f"d must be at least 2, got {d}")
    c = float(betainc((d - 1) / 2, (d - 1) / 2, np.sin(delta / 2) ** 2))
    return 1 / c if n is None else float(-np.expm1(n * np.log1p(-c)) / c)


def _chord(delta: float) -> float:
    if not 0 < delta < np.pi:
        raise InputError(f"delta must lie in (0, pi) radians, got {delta}")
    return 2 * float(np.sin(delta / 2))
