"""What will become of a Gaussian, said beforehand: by theorems only, and with the reason."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..fields import L2, Linear, Sinkhorn, Softmax
from ..fields.gaussians import matrix
from ..measures import Gaussian
from ..measures.gaussian import symmetric_root
from .explicit import softmax_blow_up, softmax_limit
from .field import check_closed, parts_of
from .stationary import heads_of, kind_of, rank_of

_ROUNDING = 1e-11


@dataclass(frozen=True)
class Class:
    """An answer.

    Attributes:
        answer: ``"converges"`` (the covariance has a limit), ``"blows up"`` (in finite time), ``"global"`` (it exists for ever; whether it
            converges is not said) or ``"unknown"``.
        reason: the statement behind it.
        rank: of the limit; None if it is not known.
        latest: the blow-up is not later; equal to ``earliest`` where the time is exact.
        earliest: no blow-up is earlier; infinite if there is none.
        limit: of the covariance, where there is a closed form.
    """

    answer: str
    reason: str
    rank: int | None = None
    latest: float = float("inf")
    earliest: float = 0.0
    limit: np.ndarray | None = None


def classify(law: Any, gaussian: Gaussian) -> Class:
    r"""Whether the covariance of N(m, S) converges, blows up, or exists for ever.

    Softmax (and linear attention, whose second moment M_2 obeys the equation of softmax): with C = W V in front, the scores A and
    M = A + A^T,

    * C = vI: exact, see ``explicit``. So are heads with C_h = v_h I (then A is the sum of v_h A_h) or with equal scores (C is the
      sum of C_h).
    * S = sI and $C A + A^\top C^\top = cI$: s' = c s^2.
    * C positive definite, M negative semi-definite: $\frac{d}{dt} \operatorname{tr}(C^{-1} S) = \operatorname{tr}(S M S) \le 0$, so S is
      global and bounded. If ker M is in ker A, S converges, and for regular S(0) the rank of the limit is d - rank A.
    * C positive definite, M positive definite: $y = \operatorname{tr}(C^{-1} S)$ has
      $y' \ge \lambda_{\min}(M) \lambda_{\min}(C)^2 y^2 / r$, r the rank of S(0), so that
      $T^* \le r / (\lambda_{\min}(M) \lambda_{\min}(C)^2 y(0))$.
    * always: $T^* \ge 1 / (2 \sum_h |C_h| |A_h| \lambda_{\max}(S(0)))$.

    L2 with Q = -cK, c > 0, and C positive definite converges, to rank d - rank Q for regular S(0); with K of full column rank it is global.
    Sinkhorn is global; with A symmetric and negative semi-definite and C positive definite it converges, to rank d - rank A for regular
    S(0).

    Args:
        law: one that keeps Gaussians, constant in time.
        gaussian: one measure.

    Raises:
        InputError: a batch; a law that does not keep Gaussians, or depends on time.
    """
    if gaussian.batch:
        raise InputError(f"gaussian must be one measure, got a batch of shape {gaussian.batch}")
    check_closed(law, gaussian)
    S = np.asarray(gaussian.cov, float)
    heads, kind = heads_of(law, gaussian.dimension), kind_of(law)
    if kind is Linear:
        S = np.asarray(gaussian.second_moment(), float)
        if len(heads) == 1 or not np.any(gaussian.mean):
            return _softmax(heads, S, "the second moment under linear attention obeys the equation of softmax; ")
    elif kind is Softmax:
        return _softmax(heads, S, "")
    elif kind in (L2, Sinkhorn) and len(heads) == 1:
        return (_l2 if kind is L2 else _sinkhorn)(parts_of(law)[0], *heads[0], S)
    elif kind is Sinkhorn:
        return Class("global", "under Sinkhorn attention tr S grows at most like an exponential", earliest=float("inf"))
    return Class("unknown", "no theorem covers these heads together")


def _softmax(heads: list, S: np.ndarray, before: str) -> Class:
    d, top = len(S), float(np.linalg.eigvalsh(S)[-1])
    size = float(sum(np.linalg.norm(C, 2) * np.linalg.norm(A, 2) for C, A in heads))
    earliest = 1 / (2 * size * top) if size * top > 0 else float("inf")
    if not np.isfinite(earliest):
        return Class("converges", before + "nothing moves: V, A or S is zero", rank_of(S), earliest=earliest, limit=S)
    if (pair := _merged(heads)) is None:
        if (scale := _isotropic(heads, S)) is not None:
            return _scalar(scale, S, before)
        return Class("unknown", before + "no theorem covers these heads together", earliest=earliest)
    C, A = pair
    if (v := _multiple(C)) is not None:
        time = softmax_blow_up(S, A, v)
        if np.isfinite(time):
            return Class("blows up", before + "V = vI and v S^{1/2} M S^{1/2} has a positive eigenvalue", latest=time, earliest=time)
        limit, root = softmax_limit(S, A, v), symmetric_root(S)
        rank = rank_of(S) - rank_of(root @ (A + A.T) @ root, top * np.linalg.norm(A, 2) * np.eye(d))
        return Class("converges", before + "V = vI and v S^{1/2} M S^{1/2} has no positive eigenvalue", rank, earliest=time, limit=limit)
    if (scale := _isotropic(heads, S)) is not None:
        return _scalar(scale, S, before)
    sign = _definite(C)
    C, A = sign * C, sign * A  # the equation knows the product only
    M = A + A.T
    falls = _semidefinite(-M)
    if sign and falls:
        words = before + "V is definite and M = A + A^T semi-definite against it: tr(V^{-1} S) falls"
        if np.linalg.norm(A @ _kernel(M)) > 1e-9 * np.linalg.norm(A, 2):
            return Class("global", words + ", but ker M is not in ker A", earliest=float("inf"))
        rank = d - rank_of(A) if rank_of(S) == d else None
        return Class("converges", words + ", and ker M is in ker A", rank, earliest=float("inf"))
    if sign and _definite(M) > 0:
        low = np.linalg.eigvalsh(M)[0] * np.linalg.eigvalsh(C)[0] ** 2 * np.trace(np.linalg.solve(C, S)) / rank_of(S)
        words = before + "V is definite and M = A + A^T definite with it: tr(V^{-1} S) grows like its square"
        return Class("blows up", words, latest=float(1 / low), earliest=earliest)
    return Class("unknown", before + "V is no multiple of I, and V and M are not both definite", earliest=earliest)


def _l2(part: Any, C: np.ndarray, A: np.ndarray, S: np.ndarray) -> Class:
    like, d, never = np.zeros(len(S)), len(S), float("inf")
    Q, K = (np.asarray(matrix(M, like, 0.0, name), float) for M, name in ((part.Q, "Q"), (part.K, "K")))
    if not (A.any() and C.any()):
        return Class("converges", "nothing moves: V or A is zero", rank_of(S), earliest=never, limit=S)
    ratio = float((Q * K).sum() / max(float((K * K).sum()), 1e-300))
    opposite = np.linalg.norm(Q - ratio * K) <= _ROUNDING * np.linalg.norm(Q)
    sign = _definite(C)
    if opposite and sign * ratio < 0:
        rank = d - rank_of(Q) if rank_of(S) == d else None
        v = _multiple(C)
        limit = None if v is None else softmax_limit(S, A, v)
        return Class("converges", "Q = -cK and V is definite: tr(V^{-1} S) falls", rank, earliest=never, limit=limit)
    if rank_of(K) == d:
        return Class("global", "K has full column rank: |B| is at most |V| |K^{-1}| |Q|", earliest=never)
    earliest = 1 / (4 * np.linalg.norm(C, 2) * np.linalg.norm(A, 2) * np.linalg.eigvalsh(S)[-1]) if S.any() else never
    return Class("unknown", "K is singular: the covariance may become infinite in finite time", earliest=float(earliest))


def _sinkhorn(part: Any, C: np.ndarray, A: np.ndarray, S: np.ndarray) -> Class:
    d, never, sign = len(S), float("inf"), _definite(C)
    symmetric = np.linalg.norm(A - A.T) <= _ROUNDING * np.linalg.norm(A)
    if sign and symmetric and _semidefinite(-sign * A):
        rank = d - rank_of(A) if rank_of(S) == d else None
        return Class("converges", "A is symmetric and semi-definite against V: tr(V^{-1} S) falls", rank, earliest=never)
    return Class("global", "under Sinkhorn attention tr S grows at most like exp(2 |V| t / eps)", earliest=never)


def _scalar(c: float, S: np.ndarray, before: str) -> Class:
    words, s = before + "S = sI stays a multiple of I, with s' = c s^2 and c = ", float(S[0, 0])
    if c > 0:
        return Class("blows up", f"{words}{c:.6g}", latest=1 / (c * s), earliest=1 / (c * s))
    limit = np.zeros_like(S) if c < 0 else S
    return Class("converges", f"{words}{c:.6g}", 0 if c < 0 else len(S), earliest=float("inf"), limit=limit)


def _merged(heads: list) -> tuple[np.ndarray, np.ndarray] | None:
    """One (C, A) with the same C S A for every S: sums of multiples of I, or of equal scores."""
    if len(heads) == 1:
        return heads[0]
    factors = [_multiple(C) for C, _ in heads]
    if all(v is not None for v in factors):
        return np.eye(len(heads[0][0])), np.sum([v * A for v, (_, A) in zip(factors, heads, strict=True)], axis=0)
    alike = all(np.linalg.norm(A - heads[0][1]) <= _ROUNDING * np.linalg.norm(A) for _, A in heads)
    return (np.sum([C for C, _ in heads], axis=0), heads[0][1]) if alike else None


def _isotropic(heads: list, S: np.ndarray) -> float | None:
    """c if S = sI and the sum of C A + A^T C^T is cI."""
    total = np.sum([C @ A for C, A in heads], axis=0)
    size = sum(np.linalg.norm(C, 2) * np.linalg.norm(A, 2) for C, A in heads)
    c = float(np.trace(total)) * 2 / len(S)
    isotropic = _multiple(S) is not None and np.linalg.norm(total + total.T - c * np.eye(len(S))) <= _ROUNDING * size
    return (0.0 if abs(c) <= _ROUNDING * size else c) if isotropic else None


def _multiple(M: np.ndarray) -> float | None:
    """v if M = vI."""
    v = float(np.trace(M)) / len(M)
    return v if np.linalg.norm(M - v * np.eye(len(M))) <= _ROUNDING * np.linalg.norm(M) else None


def _definite(M: np.ndarray) -> int:
    """1 or -1 if M is symmetric and positive or negative definite, else 0."""
    size = np.linalg.norm(M, 2)
    if np.linalg.norm(M - M.T) > _ROUNDING * size:
        return 0
    values = np.linalg.eigvalsh(M)
    return 1 if values[0] > _ROUNDING * size else -1 if values[-1] < -_ROUNDING * size else 0


def _semidefinite(M: np.ndarray) -> bool:
    """Whether the symmetric part of M has no negative eigenvalue."""
    return bool(np.linalg.eigvalsh((M + M.T) / 2)[0] >= -_ROUNDING * np.linalg.norm(M, 2))


def _kernel(M: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(M)
    return vectors[:, abs(values) <= 1e-9 * max(float(abs(values).max()), 1e-300)]
