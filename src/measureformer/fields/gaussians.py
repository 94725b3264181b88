r"""What the laws share on Gaussian measures.

Where A[N(m, S)] is affine, $A(x) = u + B (x - m)$, Gaussians stay Gaussian, and the law says (u, B) in a method ``on_gaussian(m, S, t)``;
leading axes are a batch of measures. A law without the method does not preserve Gaussians. Q, K and V may have one more axis in front: then
each measure of a batch has a law of its own (``some_laws``).
"""

from typing import Any

import jax
import numpy as np

from .._types import Array, Matrix, namespace
from ..errors import InputError


def matrix(M: Matrix, like: Array, t: Any, name: str) -> Array:
    """M as a matrix (k, d) that acts on vectors of the dimension of ``like`` (..., d): constant, a function of time, or the identity.
    Leading axes are a batch of matrices.

    Raises:
        InputError: M has no column for each coordinate.
    """
    xp, d = namespace(like), like.shape[-1]
    if M is None:
        return xp.eye(d, dtype=like.dtype)
    M = M(t) if callable(M) else M
    if M.ndim < 2 or M.shape[-1] != d:
        raise InputError(f"{name} has shape {M.shape}, which does not act on measures of dimension {d}; it must be (k, {d})")
    return M


def score_matrix(law: Any, like: Array, t: Any) -> Array:
    """A = beta K^T Q, so that the score of x and y is <A x, y>.

    Raises:
        InputError: Q and K have different numbers of rows.
    """
    Q, K = matrix(law.Q, like, t, "Q"), matrix(law.K, like, t, "K")
    if Q.shape[-2] != K.shape[-2]:
        raise InputError(f"queries have dimension {Q.shape[-2]} and keys {K.shape[-2]}; Q and K need equally many rows")
    return law.beta * (namespace(K).swapaxes(K, -1, -2) @ Q)


def apply(M: Array, v: Array) -> Array:
    """M v for batches of matrices and of vectors."""
    return (M @ v[..., None])[..., 0]


def some_laws(law: Any, rows: Any) -> Any:
    """The laws ``rows`` of a batch of them; a law that is one for all, as it is."""
    return jax.tree.map(lambda leaf: leaf[rows] if np.ndim(leaf) > 2 else leaf, law)


def laws_in(law: Any) -> int | None:
    """The size of a batch of laws; None for one law."""
    sizes = [len(leaf) for leaf in jax.tree.leaves(law) if np.ndim(leaf) > 2]
    return sizes[0] if sizes else None
