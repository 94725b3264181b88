r"""Closed forms of the Gaussian flow: softmax with V = vI, isotropic starts, and scalar equations of L2 and Sinkhorn attention.

NumPy and float64. A is the matrix of the scores, $A = \beta K^\top Q$ (for Sinkhorn before it is divided by epsilon), and M = A + A^T.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..measures.gaussian import symmetric_root

_ROUNDING = 1e-12


def _pencil(S0: np.ndarray, A: np.ndarray, v: float) -> tuple[np.ndarray, np.ndarray]:
    """R with S0 = R R^T and, in its columns, eigenvectors of v S0^{1/2} M S0^{1/2}; and the eigenvalues."""
    root = symmetric_root(np.asarray(S0, float))
    values, vectors = np.linalg.eigh(v * root @ (A + A.T) @ root)
    return root @ vectors, values


def softmax_cov(S0: Float[np.ndarray, "d d"], A: Float[np.ndarray, "d d"], t: float, v: float = 1.0) -> Float[np.ndarray, "d d"]:
    r"""S(t) of softmax attention with V = vI, S0 singular or not:

    $$ S(t) = (S_0^{-1} - t v M)^{-1} = R (I - t v R^\top M R)^{-1} R^\top, \qquad S_0 = R R^\top . $$

    Args:
        S0: covariance at time 0.
        A: of the scores.
        t: time, before the blow-up.
        v: of V = vI.

    Raises:
        InputError: t is not before the blow-up.
    """
    R, values = _pencil(S0, A, v)
    blow_up = softmax_blow_up(S0, A, v)
    if not t < blow_up:
        raise InputError(f"t = {t} is not before the blow-up at {blow_up:.10g}; take an earlier time")
    return (R / (1 - t * values)) @ R.T


def softmax_blow_up(S0: Float[np.ndarray, "d d"], A: Float[np.ndarray, "d d"], v: float = 1.0) -> float:
    r"""T* of softmax attention with V = vI: $1 / \lambda_{\max}(v S_0^{1/2} M S_0^{1/2})$, infinite if that is not positive.

    Args: as in ``softmax_cov``.

    Example:
        >>> softmax_blow_up(np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[1.0, 2.0], [0.0, -1.0]]))
        0.1371459425887159
    """
    top = float(_pencil(S0, A, v)[1][-1])
    scale = np.linalg.norm(S0, 2) * np.linalg.norm(A, 2) * abs(v)
    return 1 / top if top > _ROUNDING * scale else float("inf")


def softmax_limit(S0: Float[np.ndarray, "d d"], A: Float[np.ndarray, "d d"], v: float = 1.0) -> Float[np.ndarray, "d d"]:
    r"""The limit of S(t) for softmax attention with V = vI when nothing blows up, of rank less by that of $S_0^{1/2} M S_0^{1/2}$:

    $$ S_\infty = R P R^\top, \qquad P \text{ the projection on } \ker (R^\top M R); \qquad
       = N (N^\top S_0^{-1} N)^{-1} N^\top \text{ for regular } S_0, \; N \text{ a basis of } \ker M . $$

    L2 attention with Q = -K has the same limit (A = -K^T K). The rest decays like 1/t.

    Args: as in ``softmax_cov``.

    Raises:
        InputError: it blows up.
    """
    if np.isfinite(blow_up := softmax_blow_up(S0, A, v)):
        raise InputError(f"there is no limit: the covariance blows up at {blow_up:.10g}")
    R, values = _pencil(S0, A, v)
    kept = R[:, abs(values) <= _ROUNDING * np.linalg.norm(S0, 2) * np.linalg.norm(A, 2) * abs(v)]
    return kept @ kept.T


def blow_up_direction(S0: Float[np.ndarray, "d d"], A: Float[np.ndarray, "d d"], v: float = 1.0) -> Float[np.ndarray, " d"]:
    """The unit vector w with S / tr S -> w w^T at the blow-up of ``softmax_blow_up``.

    Args: as in ``softmax_cov``.

    Raises:
        InputError: nothing blows up.
    """
    if not np.isfinite(softmax_blow_up(S0, A, v)):
        raise InputError("nothing blows up: v S0^{1/2} (A + A^T) S0^{1/2} has no positive eigenvalue")
    w = _pencil(S0, A, v)[0][:, -1]
    return w / np.linalg.norm(w)


def softmax_moments(
    m0: Float[np.ndarray, " d"], S0: Float[np.ndarray, "d d"], A: Float[np.ndarray, "d d"], t: float, v: float = 1.0
) -> tuple[Float[np.ndarray, " d"], Float[np.ndarray, "d d"]]:
    r"""Mean and covariance of softmax attention with V = vI and symmetric A:

    $$ m(t) = e^{vt} \Phi m_0, \qquad S = \Phi S_0 \Phi^\top, \qquad
       \Phi(t) = S_0^{1/2} (I - 2 t v S_0^{1/2} A S_0^{1/2})^{-1/2} S_0^{-1/2} . $$

    Args: as in ``softmax_cov``; S0 is regular.

    Raises:
        InputError: A is not symmetric; S0 is singular; t is not before the blow-up.
    """
    if not np.allclose(A, A.T, rtol=0, atol=1e-12 * abs(A).max(initial=0.0)):
        raise InputError(f"A must be symmetric for a closed form of the mean; the largest |A - A^T| is {abs(A - A.T).max():.3g}")
    R, values = _pencil(S0, A, v)
    if np.linalg.matrix_rank(S0) < len(S0):
        raise InputError("S0 must be regular for a closed form of the mean; run gaussian_flow instead")
    S = softmax_cov(S0, A, t, v)
    # columns of R are S0^{1/2} times eigenvectors: Phi = R (1 - t values)^{-1/2} R^{-1}
    return np.exp(v * t) * (R / np.sqrt(1 - t * values)) @ np.linalg.solve(R, m0), S


def softmax_scale(s0: float, c: float, t: float) -> float:
    r"""s(t) of softmax attention on S = sI where $V A + A^\top V^\top = c I$: s' = c s^2, so $s = s_0 / (1 - c s_0 t)$.

    In the plane V = v R_alpha and A = a R_beta (rotations) have c = 2 v a cos(alpha + beta); heads add their c. If c > 0 it blows
    up at 1/(c s_0).

    Args:
        s0: > 0.
        c: see above; in one dimension 2 V A.
        t: time, before the blow-up.

    Raises:
        InputError: t is not before the blow-up.
    """
    if c * s0 * t >= 1:
        raise InputError(f"t = {t} is not before the blow-up at {1 / (c * s0):.10g}; take an earlier time")
    return s0 / (1 - c * s0 * t)


def l2_scale(s0: float, c: float, kappa: float, t: float) -> float:
    r"""s(t) of L2 attention on S = sI where $V A + A^\top V^\top = c I$ and $\beta K^\top K = \kappa I$:

    $$ s' = \frac{2 c s^2}{1 + 2 \kappa s}, \qquad -1/s + 2 \kappa \ln s = 2 c t + \text{const} . $$

    Args:
        s0: > 0.
        c: see above; 2 v a cos(alpha + beta) for V = v R_alpha and beta K^T Q = a R_beta.
        kappa: > 0.
        t: time >= 0.

    Raises:
        InputError: s0 or kappa is not positive.
    """
    if not (s0 > 0 and kappa > 0):
        raise InputError(f"s0 and kappa must be positive, got {s0} and {kappa}")
    # in y = ln s both terms rise: -e^{-y} + 2 kappa y
    level = -1 / s0 + 2 * kappa * np.log(s0) + 2 * c * t
    return float(np.exp(_increasing(lambda y: -np.exp(-y) + 2 * kappa * y - level, np.log(s0), sign=np.sign(c) if t else 0)))


def sinkhorn_scale(s0: float, c: float, a: float, t: float, eps: float = 1.0) -> float:
    r"""s(t) of Sinkhorn attention on S = sI where $V A + A^\top V^\top = c I$ and $A A^\top = a^2 I$:

    $$ s' = \frac{c}{2 a^2} \Bigl( \sqrt{1 + 4 a^2 s^2 / \varepsilon^2} - 1 \Bigr), \qquad
       \theta - \coth(\theta / 2) = \frac{c t}{a \varepsilon} + \text{const}, \qquad \theta = \operatorname{asinh}(2 a s / \varepsilon) . $$

    Args:
        s0: > 0.
        c: see above; 2 v a cos(alpha + beta) for rotations.
        a: > 0.
        t: time >= 0.
        eps: epsilon > 0.

    Raises:
        InputError: s0, a or eps is not positive.
    """
    if not (s0 > 0 and a > 0 and eps > 0):
        raise InputError(f"s0, a and eps must be positive, got {s0}, {a} and {eps}")
    start = np.arcsinh(2 * a * s0 / eps)
    level = start - 1 / np.tanh(start / 2) + c * t / (a * eps)
    y = _increasing(lambda y: np.exp(y) - 1 / np.tanh(np.exp(y) / 2) - level, np.log(start), sign=np.sign(c) if t else 0)
    return float(eps * np.sinh(np.exp(y)) / (2 * a))


def _increasing(f: Callable[[float], float], start: float, *, sign: float) -> float:
    """The zero of an increasing function, which lies on the side of the start that the sign says."""
    from scipy.optimize import brentq

    if not sign:
        return start
    step, end = 0.5, start
    while f(end) * sign < 0:
        end, step = end + sign * step, 2 * step
    found: Any = brentq(f, min(start, end) - 1e-9, max(start, end) + 1e-9, xtol=1e-15)
    return float(found)
