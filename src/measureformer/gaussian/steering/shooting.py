r"""Several Gaussians under one (V, A)(t): how many directions it can move them in, and how to steer them.

Where (V, A) is allowed, (-V, A) is too: every motion can be undone, so what can be reached from a point is its orbit, a manifold
whose tangent space is the Lie algebra of the fields $(m_i, S_i) \mapsto (V (I + S_i A) m_i, V S_i A S_i + S_i A^\top S_i V^\top)$ at that
point (Nagano, Sussmann; the fields are analytic). Its dimension is the rank of the end point as a function of piecewise-constant controls,
for almost all controls with enough segments, and it is the same at every point of an orbit.

To steer: a loop, that is, random segments and then the same backwards, ends where it began, and its end point has full rank in the
controls (Coron's return method). From there the end point is brought nearer to the goal by the method of Levenberg and Marquardt, there are
more controls than coordinates. Where it comes to a halt, another loop starts from the point that it has reached, and so on, leg by leg.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from ...measures import Gaussian
from ..steps import tableau

STEPS = 4  # of the Dormand-Prince method of order 8, in a segment
_EPS = 1e-40  # of the complex step: derivatives of polynomials to rounding
_RANK = 1e-7
_FAR = 1e6
_ITERATIONS, _DAMPING, _STIFFEST = 25, 1e-2, 1e6

Control = tuple[np.ndarray, np.ndarray]


def states_of(gaussian: Gaussian) -> Float[np.ndarray, "N s"]:
    """Mean and upper triangle of the covariance of each measure, s = d + d(d+1)/2."""
    i, j = np.triu_indices(gaussian.dimension)
    return np.concatenate([gaussian.mean, gaussian.cov[..., i, j]], -1)


def _unpacked(x: np.ndarray, d: int) -> np.ndarray:
    """[m, S], shape (..., d, 1 + d)."""
    i, j = np.triu_indices(d)
    Y = np.empty((*x.shape[:-1], d, 1 + d), x.dtype)
    Y[..., 0] = x[..., :d]
    Y[..., i, 1 + j] = x[..., d:]
    Y[..., j, 1 + i] = x[..., d:]
    return Y


def segment_end(V: np.ndarray, A: np.ndarray, x: np.ndarray) -> np.ndarray:
    """States (..., N, s) after one unit of time under V, A of shapes (..., 1, d, d); complex arguments go through."""
    d, h, (a, b) = V.shape[-1], 1.0 / STEPS, tableau()[:2]
    Y = _unpacked(x, d)
    slopes = np.empty((len(a), *np.broadcast_shapes(Y.shape, (*V.shape[:-1], 1))), np.result_type(V, A, x))
    flat = slopes.reshape(len(a), -1)
    for _ in range(STEPS):
        for k, row in enumerate(a):
            at = Y + (h * row[:k] @ flat[:k]).reshape(slopes.shape[1:]) if k else Y
            half = V @ at[..., 1:] @ A @ at  # B [m, S]
            slopes[k] = half
            slopes[k, ..., 1:] += np.swapaxes(half[..., 1:], -1, -2)
            slopes[k, ..., :1] += V @ at[..., :1]
        Y = Y + (h * b @ flat).reshape(slopes.shape[1:])
    i, j = np.triu_indices(d)
    return np.concatenate([Y[..., 0], Y[..., i, 1 + j]], -1)


def end_and_jacobian(control: Control, x: Float[np.ndarray, "N s"]) -> tuple[Float[np.ndarray, "N s"], Float[np.ndarray, "Ns p"]]:
    """The end point of K segments and its derivative in V (K, d, d) and A (K, d, d), p = 2 K d^2, by complex steps in each segment at once.

    Derivatives along a segment's state are multiplied through the segments after it.
    """
    V, A = control
    K, d = V.shape[:2]
    starts = [x]
    for k in range(K):
        starts.append(segment_end(V[k][None], A[k][None], starts[-1]))
    (N, s), q = x.shape, 2 * d * d
    nudge = 1j * _EPS * np.eye(q).reshape(q, 2, d, d)
    columns = q + s
    Vs, As = (np.broadcast_to(M[:, None], (K, columns, d, d)).astype(complex) for M in (V, A))
    Vs[:, :q] += nudge[:, 0]
    As[:, :q] += nudge[:, 1]
    states = np.broadcast_to(np.stack(starts[:-1])[:, None], (K, columns, N, s)).astype(complex)
    states[:, q:] += 1j * _EPS * np.eye(s)[:, None, :]
    moved = np.imag(segment_end(Vs[:, :, None], As[:, :, None], states)) / _EPS  # (K, columns, N, s)
    local, onward = np.moveaxis(moved[:, :q], 1, -1), np.moveaxis(moved[:, q:], 1, -1)  # (K, N, s, q), (K, N, s, s)
    after, blocks = np.broadcast_to(np.eye(s), (N, s, s)), []
    for k in reversed(range(K)):
        blocks.append((after @ local[k]).reshape(N * s, q))
        after = after @ onward[k]
    return starts[-1], np.concatenate(blocks[::-1], 1)


def loop(rng: np.random.Generator, segments: int, d: int, size: float) -> Control:
    """Random segments and the same backwards: an even number of them, which end where they begin."""
    V, A = (size * rng.normal(size=(segments // 2, d, d)) / np.sqrt(d) for _ in range(2))
    return np.concatenate([V, -V[::-1]]), np.concatenate([A, A[::-1]])


def orbit_dimension(gaussian: Gaussian, *, seed: int = 0) -> int:
    """Dimension of what softmax attention can reach from N measures (at most the number N d (d + 3) / 2 of coordinates).

    The rank of the end point in the controls, with more and more segments until twice as many add nothing. Never too large, and exact for
    almost all random controls; a rank counts singular values above 1e-7 of the largest one.

    Args:
        gaussian: a batch (N, d).
        seed: of the controls.
    """
    scaled, _, _ = normalised(gaussian, gaussian)
    x, d = states_of(scaled), gaussian.dimension
    rng, best, K, size = np.random.default_rng(seed), -1, 2 * max(2, -(-x.size // (2 * d * d))), 0.5
    while True:
        V, A = (size * rng.normal(size=(K, d, d)) / np.sqrt(d) for _ in range(2))
        with np.errstate(all="ignore"):
            _, J = end_and_jacobian((V, A), x)
        if np.isfinite(J).all():
            values = np.linalg.svd(J, compute_uv=False)
            found = int((values > _RANK * values[0]).sum())
            if found <= best or found == x.size:
                return max(found, best)
            best, K = found, 2 * K
        else:  # a blow-up
            size /= 2


def normalised(start: Gaussian, goal: Gaussian) -> tuple[Gaussian, Gaussian, np.ndarray]:
    """Both in coordinates in which covariances and means are of order 1, and R, where x = R y: V = R V' R^{-1}, A = R^{-T} A' R^{-1}.

    Means may be given another unit than tokens (their equation is linear).
    """
    S = (np.asarray(start.cov).mean(0) + np.asarray(goal.cov).mean(0)) / 2
    values, vectors = np.linalg.eigh(S)
    R = vectors * np.sqrt(np.maximum(values, 1e-3 * values[-1])) if values[-1] > 0 else np.eye(len(S))
    inverse = np.linalg.inv(R)
    unit = np.sqrt(sum(np.mean((np.asarray(g.mean) @ inverse.T) ** 2) for g in (start, goal)) / 2) or 1.0
    there = [Gaussian(np.asarray(g.mean) @ inverse.T / unit, _symmetric(inverse @ np.asarray(g.cov) @ inverse.T)) for g in (start, goal)]
    return there[0], there[1], R


def _symmetric(S: np.ndarray) -> np.ndarray:
    return (S + np.swapaxes(S, -1, -2)) / 2


@dataclass(frozen=True)
class Leg:
    """Controls V, A (K, d, d), their end point, and its distance from the aim, relative."""

    control: Control
    end: np.ndarray
    left: float


def best_loop(rng: np.random.Generator, x: np.ndarray, segments: int, d: int, rank: int) -> Control:
    """Of 16 random loops the one with the largest s_r / s_1^{1/2}, s the singular values of the derivative and r its ``rank``."""
    found, best = [], []
    for k in range(16):
        control = loop(rng, segments, d, (0.3, 0.5, 0.7)[k % 3])
        _, J = end_and_jacobian(control, x)
        if np.isfinite(J).all():
            values = np.linalg.svd(J, compute_uv=False)
            found.append(control)
            best.append(values[rank - 1] / np.sqrt(values[0]))
    return found[int(np.argmax(best))] if found else loop(rng, segments, d, 0.05)


def approach(x: Float[np.ndarray, "N s"], aim: Float[np.ndarray, "N s"], control: Control, tolerance: float) -> Leg:
    """Bring the end point to the aim, as near as 25 steps of Levenberg and Marquardt's method do; each brings it nearer.

    Args:
        x: states at the start.
        aim: states.
        control: a loop.
        tolerance: of the distance, relative.
    """
    scale, damping = float(np.linalg.norm(aim)), _DAMPING
    end, J = end_and_jacobian(control, x)
    left = float(np.linalg.norm(aim - end))
    for _ in range(_ITERATIONS):
        if not (left > tolerance * scale and damping <= _STIFFEST):
            break
        rest = (aim - end).ravel()
        change = J.T @ np.linalg.solve(J @ J.T + damping * left * np.eye(len(rest)), rest)
        moved = _moved(control, change)
        there, slope = end_and_jacobian(moved, x)
        now = float(np.linalg.norm(aim - there))
        if np.isfinite(slope).all() and abs(slope).max() < _FAR and now < left:
            damping = max(damping / (8 if now < left / 2 else 2), 1e-8)
            control, end, J, left = moved, there, slope, now
        else:
            damping *= 4
    return Leg(control, end, left / scale)


def corrected(control: Control, J: np.ndarray, rest: np.ndarray) -> Control:
    """The controls after one step of least norm against what is left."""
    return _moved(control, np.linalg.pinv(J, rcond=_RANK) @ rest)


def _moved(control: Control, change: np.ndarray) -> Control:
    """The controls with a change in the order of the columns of the derivative."""
    parts = change.reshape(len(control[0]), 2, *control[0].shape[1:])
    return control[0] + parts[:, 0], control[1] + parts[:, 1]
