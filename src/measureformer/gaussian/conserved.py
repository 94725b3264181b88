"""What a Gaussian flow keeps, and what only falls."""

from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..fields.gaussians import matrix
from ..measures import Gaussian
from .field import covariance_rate, parts_of

_RANK = 1e-10


def null_space(M: Float[np.ndarray, "k d"]) -> Float[np.ndarray, "d r"]:
    """An orthonormal basis of ker M, in columns."""
    _, values, rows = np.linalg.svd(M, full_matrices=True)
    top = values[0] if values.size else 0.0
    return rows[int((values > _RANK * top).sum()) :].T


def unseen_directions(law: Any, d: int, t: Any = 0.0) -> Float[np.ndarray, "d r"]:
    """Directions in which the field does not change: a basis of the kernels of all Q together.

    Args:
        law: its field depends on x through Q x only.
        d: dimension.
        t: time, for a Q that is a function of it.
    """
    like = np.zeros(d)
    return null_space(np.concatenate([matrix(part.Q, like, t, "Q") for part in parts_of(law)]))


def conditional_cov(law: Any, gaussian: Gaussian) -> Float[np.ndarray, "d d"]:
    r"""Cov(X | QX), which every flow keeps: tokens that differ by an element of ker Q keep their difference for ever.

    With N a basis of ker Q it is $N (N^\top S^{-1} N)^{-1} N^\top$; computed as the rest of a regression of X on QX, so that S may be
    singular. A limit of the flow has at least its rank.

    Args:
        law: any law with queries.
        gaussian: one measure.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322 (that the field depends on x through Qx).
    """
    if gaussian.batch:
        raise InputError(f"gaussian must be one measure, got a batch of shape {gaussian.batch}")
    S = np.asarray(gaussian.cov)
    N = unseen_directions(law, gaussian.dimension)
    seen = null_space(N.T) if N.shape[1] else np.eye(gaussian.dimension)
    if not seen.shape[1]:
        return S
    cross = S @ seen
    rest = S - cross @ np.linalg.pinv(seen.T @ cross, rcond=1e-14, hermitian=True) @ cross.T
    return (rest + rest.T) / 2


def lyapunov(law: Any, gaussian: Gaussian) -> tuple[float, float]:
    r"""$\operatorname{tr}(V^{-1} S)$ and its derivative, for V symmetric and positive definite. For softmax it is tr(S M S), M = A + A^T.

    Args:
        law: a single head.
        gaussian: one measure.

    Raises:
        InputError: the law has several heads, or V is not symmetric and positive definite.
    """
    (part,) = parts if len(parts := parts_of(law)) == 1 else (None,)
    if part is None:
        raise InputError(f"lyapunov is about one head, and the law has {len(parts)}")
    V = matrix(part.V, gaussian.mean, 0.0, "V")
    if V.shape[0] != V.shape[1] or not np.allclose(V, V.T, rtol=0, atol=1e-12 * abs(V).max()) or np.linalg.eigvalsh(V)[0] <= 0:
        raise InputError("V must be symmetric and positive definite for tr(V^{-1} S) to be a Lyapunov function")
    S = np.asarray(gaussian.cov)
    rate = covariance_rate(law, gaussian)
    return float(np.trace(np.linalg.solve(V, S))), float(np.trace(np.linalg.solve(V, rate)))
