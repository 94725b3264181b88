"""Covariances that do not move, and the ranks that a limit can have."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..fields import L2, Linear, Scaled, Sinkhorn, Softmax
from ..fields.gaussians import matrix, score_matrix
from ..measures import Gaussian
from .conserved import conditional_cov
from .field import covariance_rate, parts_of

_RANK = 1e-9


@dataclass(frozen=True)
class Stationary:
    r"""How far S = L L^T (L d x r of full rank) is from being at rest.

    Attributes:
        rate: |S'|_F.
        isotropy: the largest |L^T A_h L| over the heads, operator norm. Where it is 0 and the mean has no say, S is at rest whatever V
            is, for softmax, L2 and Sinkhorn alike.
        rank: r.
        lowest: rank of Cov(X | QX), which a limit of the flow that starts at S cannot fall below.
        highest: a stationary S with L^T A L = 0 has at most that rank: d - rank A / 2, rounded down (floor(d/2) for regular A); None
            with several heads.
    """

    rate: float
    isotropy: float
    rank: int
    lowest: int
    highest: int | None


def stationary_check(law: Any, gaussian: Gaussian) -> Stationary:
    """Whether a covariance is at rest, and the bounds on ranks.

    Args:
        law: one that keeps Gaussians.
        gaussian: one measure.

    Raises:
        InputError: a batch; a law that does not keep Gaussians.
    """
    if gaussian.batch:
        raise InputError(f"gaussian must be one measure, got a batch of shape {gaussian.batch}")
    rate = float(np.linalg.norm(covariance_rate(law, gaussian)))
    values, vectors = np.linalg.eigh(np.asarray(gaussian.cov))
    kept = values > _RANK * max(float(values[-1]), 0.0)
    L = vectors[:, kept] * np.sqrt(values[kept])
    pairs = [(C, A) for C, A in heads_of(law, gaussian.dimension)]
    isotropy = max(float(np.linalg.norm(L.T @ A @ L, 2)) if L.size else 0.0 for _, A in pairs)
    highest = gaussian.dimension - -(-rank_of(pairs[0][1]) // 2) if len(pairs) == 1 else None
    return Stationary(rate, isotropy, int(kept.sum()), rank_of(conditional_cov(law, gaussian), gaussian.cov), highest)


def rank_of(M: np.ndarray, scale: Any = None) -> int:
    """Number of singular values above 1e-9 of the largest one, of M itself or of another matrix."""
    if not M.size:
        return 0
    top = np.linalg.norm(M if scale is None else scale, 2)
    return int((np.linalg.svd(M, compute_uv=False) > _RANK * max(float(top), 1e-300)).sum())


def heads_of(law: Any, d: int) -> list[tuple[np.ndarray, np.ndarray]]:
    r"""(C_h, A_h) of each head, with what multiplies the head in C_h = W_h V_h and the scores in A_h = beta K_h^T Q_h.

    Raises:
        InputError: a part is no softmax, L2, Sinkhorn or linear attention, or depends on time.
    """
    like = np.zeros(d)
    if isinstance(law, Scaled):
        if callable(law.factor):
            raise InputError("the factor of the law is a function of time; there is no statement about that")
        return [(law.factor * C, A) for C, A in heads_of(law.law, d)]
    if isinstance(law, Softmax | L2 | Sinkhorn | Linear):
        if any(callable(getattr(law, name)) for name in "QKV"):
            raise InputError("a matrix of the law is a function of time; there is no statement about that")
        return [(np.asarray(matrix(law.V, like, 0.0, "V"), float), np.asarray(score_matrix(law, like, 0.0), float))]
    outputs = law.outputs or (None,) * len(law.heads)
    found = []
    for W, head in zip(outputs, law.heads, strict=True):
        found += [(C if W is None else np.asarray(W) @ C, A) for C, A in heads_of(head, d)]
    return found


def kind_of(law: Any) -> type | None:
    """The class of all heads, None if there are several."""
    kinds = {type(part) for part in parts_of(law)}
    return kinds.pop() if len(kinds) == 1 else None
