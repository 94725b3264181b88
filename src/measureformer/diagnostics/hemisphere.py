"""Do the tokens lie in an open hemisphere? Then attention gathers them at one point (Lemma 6.4 of 2312.10794)."""

from math import comb
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from .._types import Array
from ..errors import InputError
from ..geometry import norm, normalize


class Hemisphere(NamedTuple):
    """The outcome of the test, with its witness.

    ``inside``: whether the tokens lie in an open hemisphere. If so ``pole`` (d,) is a unit vector with <x_i, pole> >= ``margin`` > 0 for
    all i, and the margin was computed from it. If not, ``balance`` (n,) >= 0 has sum 1, and |sum_i balance_i x_i| = ``residual`` is zero
    up to rounding: the origin is in the convex hull.
    """

    inside: bool
    pole: np.ndarray
    margin: float
    balance: np.ndarray
    residual: float


def hemisphere(points: Float[Array, "n d"]) -> Hemisphere:
    r"""The linear program $\max_{|w|_\infty \le 1} \min_i \langle x_i, w \rangle$, positive exactly if an open hemisphere holds them.

    Its dual is $\min_\lambda |\sum_i \lambda_i x_i|_1$ over the simplex, so either answer comes with its proof. ``geometry.enclosing_cap``
    finds the best pole; this is the faster question.

    Args:
        points: tokens on the sphere.

    Raises:
        InputError: a token that is not finite.
        RuntimeError: the solver gave up.

    Example:
        >>> hemisphere(np.eye(3)).inside, hemisphere(np.vstack([np.eye(3), -np.ones((1, 3)) / 3**0.5])).inside
        (True, False)
    """
    from scipy.optimize import linprog

    x = np.asarray(points, float)
    if not np.isfinite(x).all():
        raise InputError("points must be finite; remove the rows with NaN or infinity")
    n, d = x.shape
    # variables (w, s): maximise s subject to s - <x_i, w> <= 0
    solved = linprog(
        np.append(np.zeros(d), -1.0),
        A_ub=np.hstack([-x, np.ones((n, 1))]),
        b_ub=np.zeros(n),
        bounds=[(-1, 1)] * d + [(None, None)],
        method="highs",
    )
    if solved.x is None:
        raise RuntimeError(f"the linear program for the hemisphere was not solved: {solved.message}")
    balance = np.maximum(-solved.ineqlin.marginals, 0)
    balance = balance / balance.sum()
    w = solved.x[:d]
    pole = normalize(w) if np.any(w) else np.eye(d)[0]
    margin = float((x @ pole).min())
    residual = float(norm(balance @ x)[0])
    return Hemisphere(margin > 1e-12, pole, margin, balance, residual)


def wendel_probability(n: int, d: int) -> float:
    r"""The probability that n independent uniform tokens of S^{d-1} lie in a common hemisphere,

    $$ 2^{-(n-1)} \sum_{k=0}^{d-1} \binom{n-1}{k}, $$ equal to 1 for n <= d. Computed with integers, rounded once.

    Args:
        n: number of tokens, at least 1.
        d: dimension of the space, at least 1.

    Raises:
        InputError: n or d below 1.

    References:
        Wendel, A problem in geometric probability, Math. Scand. 11 (1962); arXiv:2312.10794, Theorem 6.7.

    Example:
        >>> wendel_probability(4, 3)
        0.875
    """
    if n < 1 or d < 1:
        raise InputError(f"n and d must be at least 1, got n = {n}, d = {d}")
    return sum(comb(n - 1, k) for k in range(min(d, n))) / 2 ** (n - 1)
