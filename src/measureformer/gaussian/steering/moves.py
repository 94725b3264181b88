r"""Segments of softmax attention with known outcome: they reshape a covariance, turn its range, or carry means.

Tokens of N(m, S) obey $x' = V (m + S A x)$, so that $m' = V (I + S A) m$ and $S' = V S A S + S A^\top S V^\top$. A covariance pays no
heed to its mean; hence a move is segments together with the linear map $\Psi$ that it applies to every mean, $m \leftarrow \Psi m$. All
segments last one unit of time.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ...fields import TransformerField
from ...measures import Gaussian
from ...schedule import Segment
from ..explicit import softmax_moments

RANK = 1e-9  # of the largest eigenvalue: what is below does not count
_DEAR = 20.0  # one segment for mean and covariance is not worth scores so many times those of two segments
_ROUNDING = 1e-12


class Move(NamedTuple):
    """Segments, and what they do to a mean."""

    segments: tuple[Segment, ...]
    map: Float[np.ndarray, "d d"]


def attention(V: np.ndarray, A: np.ndarray, phase: str) -> Segment:
    """Softmax attention with V and the scores <Ax, y>, for one unit of time."""
    return Segment(TransformerField(V=np.asarray(V, float), B=np.asarray(A, float)), 1.0, phase)


def range_of(S: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d r"]:
    """An orthonormal basis of the range of a covariance."""
    values, vectors = np.linalg.eigh(S)
    return vectors[:, values > RANK * max(float(values[-1]), np.finfo(float).tiny)]


def same_range(S: Float[np.ndarray, "d d"], T: Float[np.ndarray, "d d"]) -> bool:
    """Whether two covariances of equal rank have the same range, up to rounding."""
    Q, R = range_of(S), range_of(T)
    return bool(np.linalg.norm(R - Q @ (Q.T @ R)) < RANK)


def reshape(S: Float[np.ndarray, "d d"], goal: Float[np.ndarray, "d d"], gain: float | None = None) -> Move:
    r"""Carry S to a covariance of the same range in one segment: V = I and

    $$ A = (S^{-1} - G^{-1}) / 2 \ \text{ on the range, so that } \ S(t)^{-1} = (1 - t) S^{-1} + t G^{-1} . $$

    That is a convex combination of positive matrices: nothing blows up on the way. Off the range a mean grows like e^t.

    Args:
        S, goal: covariances of equal range.
        gain: v >= 1: scores v times weaker in two segments, half of the way with V = -vI and half with V = vI, through the same
            covariances. In between the means are smaller by e^{-v}.
    """
    Q = range_of(S)
    C, G = Q.T @ S @ Q, Q.T @ goal @ Q
    A = (np.linalg.inv(C) - np.linalg.inv(G)) / 2
    A, eye = (A + A.T) / 2, np.eye(len(S))
    inside = np.stack([softmax_moments(e, C, A, 1.0)[0] for e in np.eye(len(C))], 1) / np.e
    shape = Q @ inside @ Q.T + eye - Q @ Q.T
    if gain is None:
        return Move((attention(eye, Q @ A @ Q.T, "reshape"),), np.e * shape)
    A = Q @ A @ Q.T / (2 * gain)
    return Move((attention(-gain * eye, -A, "reshape"), attention(gain * eye, A, "reshape")), shape)


def turn(S: Float[np.ndarray, "d d"], goal: Float[np.ndarray, "d d"], gain: float | None = None) -> Move:
    r"""Carry a covariance of rank r to another one of rank r, whatever their ranges.

    In the metric of a positive matrix X in which the goal is a projection, $S X$ stays a projection while a rotation J of that metric
    turns it: with A = X and V = J the factor of $S = F F^\top$ obeys $F' = J F (F^\top X F) = J F$. J turns through the principal angles
    between the ranges. Before, S is reshaped into the projection on its own range. In coordinates where X = I a mean is mapped by
    $e^{J} e^{(v - 1) J + J \Pi}$, $\Pi$ the projection at the start, V = vJ and A = X/v.

    Args:
        S, goal: covariances of equal rank.
        gain: v >= 1, as in ``reshape``.
    """
    from scipy.linalg import expm

    d, v = len(S), 1.0 if gain is None else gain
    Q, R = range_of(S), range_of(goal)
    values = np.linalg.eigvalsh(R.T @ goal @ R)
    shell = float(np.exp(np.mean(np.log(values))))
    up = R @ _power(R.T @ goal @ R, 0.5) @ R.T + np.sqrt(shell) * (np.eye(d) - R @ R.T)  # X^{-1/2}
    down = np.linalg.inv(up)
    Y = down @ Q
    between = Q @ np.linalg.inv(Y.T @ Y) @ Q.T
    first = Move((), np.eye(d)) if _near(S, between) else reshape(S, between, gain)
    J, E = _rotation_between(np.linalg.qr(Y)[0], np.linalg.qr(down @ R)[0])
    step = up @ expm(J) @ expm((v - 1) * J + J @ E @ E.T) @ down
    segment = attention(v * up @ J @ down, down @ down / v, "turn")
    return Move((*first.segments, segment), step @ first.map)


def carry(means: Float[np.ndarray, "d k"], goals: Float[np.ndarray, "d k"]) -> tuple[Segment, ...]:
    r"""Carry means, and leave the covariances alone: A = 0 has m' = V m and S' = 0.

    One mean takes a rotation and a dilation at once, V = log(|g|/|m|) I + angle J. Several means take L, linear with L m_i = g_i and of
    positive determinant, in two segments: L = U P with a rotation $U = e^K$ and $P = e^H$ positive.

    Args:
        means, goals: in columns, with the same linear relations; if they span the space, of the same orientation.
    """
    d, zero = len(means), np.zeros((len(means), len(means)))
    if np.linalg.norm(means - goals) <= _ROUNDING * np.linalg.norm(goals):
        return ()
    if means.shape[1] == 1:
        return (attention(_spiral(means[:, 0], goals[:, 0]), zero, "mean"),)
    left, P = _polar(_extension(means, goals))
    values, vectors = np.linalg.eigh(P)
    V = [(vectors * np.log(values)) @ vectors.T, log_rotation(left)]
    return tuple(attention(G, zero, "mean") for G in V if np.linalg.norm(G) > _ROUNDING * d)


def together(start: Gaussian, goal: Gaussian) -> Segment | None:
    r"""Mean and covariance in a single segment, in one and two dimensions (or where the mean happens to lie well): V = vI and

    $$ v A = (S_0^{-1} - S_1^{-1}) / 2 + k J, \qquad v = \tfrac12 \log \frac{m_1^\top S_1^{-1} m_1}{m_0^\top S_0^{-1} m_0} . $$

    J is the quarter turn, which the covariance does not see; in $m = e^{vt} \Phi(t) S_0^{1/2} p$ ($\Phi$ of ``softmax_moments``) it turns p
    at the speed $k (\det S)^{1/2}$, so by the angle

    $$ k \, (\det S_0)^{1/2} \int_0^1 \frac{dt}{\sqrt{(1 - t\lambda_1)(1 - t\lambda_2)}}
       = 2 k \, (\det S_0)^{1/2} R_C((1 + ab)^2, (a + b)^2), $$

    with $a^2, b^2 = 1 - \lambda_i$ the eigenvalues of $S_0^{1/2} S_1^{-1} S_0^{1/2}$ and Carlson's $R_C$. For v = 0 there is none: the
    Mahalanobis norm of the mean grows at the rate v and nothing else moves it.

    Returns:
        The segment; None where there is none of this form, or it would need scores 20 times larger than two segments.
    """
    from scipy.special import elliprc

    S, T, m, n = (np.asarray(a, float) for a in (start.cov, goal.cov, start.mean, goal.mean))
    d = len(m)
    if range_of(S).shape[1] < d or not m.any() or not n.any():
        return None
    v = float(np.log((n @ np.linalg.solve(T, n)) / (m @ np.linalg.solve(S, m)))) / 2
    if abs(v) * _DEAR < 1:
        return None
    A = (np.linalg.inv(S) - np.linalg.inv(T)) / 2
    A = (A + A.T) / 2
    root = _power(S, 0.5)
    shape = np.stack([softmax_moments(e, S, A, 1.0)[0] for e in np.eye(d)], 1) / np.e
    p, q = np.linalg.solve(root, m), np.linalg.solve(shape @ root, n) * np.exp(-v)
    if d != 2:
        return attention(v * np.eye(d), A / v, "both") if np.linalg.norm(p - q) <= _ROUNDING * np.linalg.norm(p) else None
    angle = np.arctan2(p[0] * q[1] - p[1] * q[0], p @ q)
    a, b = np.sqrt(np.linalg.eigvalsh(root @ np.linalg.inv(T) @ root))
    k = angle / (2 * np.sqrt(np.linalg.det(S)) * float(elliprc((1 + a * b) ** 2, (a + b) ** 2)))
    both = (A + k * np.array([[0.0, -1.0], [1.0, 0.0]])) / v
    return attention(v * np.eye(2), both, "both") if np.linalg.norm(both) <= _DEAR * np.linalg.norm(A) else None


def log_rotation(U: Float[np.ndarray, "d d"]) -> Float[np.ndarray, "d d"]:
    """A skew K with e^K = U, for a rotation U (half turns too)."""
    from scipy.linalg import schur

    T, Z = schur(U, output="real")[:2]
    K, flipped, i = np.zeros_like(T), [], 0
    while i < len(T):
        if i + 1 < len(T) and abs(T[i + 1, i]) > _ROUNDING:
            angle = np.arctan2(T[i + 1, i], T[i, i])
            K[i + 1, i], K[i, i + 1] = angle, -angle
            i += 1
        elif T[i, i] < 0:
            flipped.append(i)
        i += 1
    for i, j in zip(flipped[::2], flipped[1::2], strict=True):
        K[j, i], K[i, j] = np.pi, -np.pi
    return Z @ K @ Z.T


def _spiral(m: np.ndarray, g: np.ndarray) -> np.ndarray:
    """V with e^V m = g."""
    size, aim = np.linalg.norm(m), np.linalg.norm(g)
    u, w = m / size, g / aim
    rest = w - (u @ w) * u
    V = np.log(aim / size) * np.eye(len(m))
    if (length := np.linalg.norm(rest)) < _ROUNDING:
        if u @ w > 0:
            return V
        rest = np.eye(len(m))[np.argmin(abs(u))]
        rest = rest - (rest @ u) * u
    b = rest / np.linalg.norm(rest)
    return V + np.arctan2(length, u @ w) * (np.outer(b, u) - np.outer(u, b))


def _rotation_between(E: np.ndarray, F: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """J skew, such that e^J carries the span of E to that of F through their principal angles; and E (orthonormal columns both)."""
    P, cos, R = np.linalg.svd(E.T @ F)
    u, w = E @ P, F @ R.T
    rest = w - u * cos
    J = np.zeros((len(E), len(E)))
    for k in range(len(cos)):
        if (length := np.linalg.norm(rest[:, k])) > _ROUNDING:
            b = rest[:, k] / length
            J += np.arctan2(length, cos[k]) * (np.outer(b, u[:, k]) - np.outer(u[:, k], b))
    return J, E


def _extension(M: np.ndarray, G: np.ndarray) -> np.ndarray:
    """L with L M = G and det L > 0, near to the unitary part of it off the span of M."""
    U, sizes, _ = np.linalg.svd(M)
    W, _, _ = np.linalg.svd(G)
    r = int((sizes > RANK * sizes[0]).sum())
    L = G @ np.linalg.pinv(M, rcond=RANK)
    if r == len(M):
        return L
    off = W[:, r:]
    full = L + off @ U[:, r:].T
    if np.linalg.det(full) < 0:
        off[:, 0] *= -1
        full = L + off @ U[:, r:].T
    return full


def _polar(L: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    left, sizes, right = np.linalg.svd(L)
    return left @ right, (right.T * sizes) @ right


def _power(S: np.ndarray, p: float) -> np.ndarray:
    values, vectors = np.linalg.eigh(S)
    return (vectors * values**p) @ vectors.T


def _near(S: np.ndarray, T: np.ndarray) -> bool:
    return bool(np.linalg.norm(S - T) <= _ROUNDING * np.linalg.norm(T))
