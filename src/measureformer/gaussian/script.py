"""The authors' published algorithm, defects included: projected Euler steps with a constant step, and the laws as their script scales them.

It is here to reproduce figures. As an integrator it is not to be trusted: where h |B| is large the projection cuts directions off, and with
them Cov(X | QX), which the flow keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..fields import L2, MultiHead, Sinkhorn, Softmax, split_heads

_FLOOR = 1e-14  # what the script puts in place of a negative eigenvalue
_SAFE = 1e-12  # of the trace: a covariance above that multiple of I has no negative eigenvalue, rounding included


def script_law(
    name: str,
    Q: Float[np.ndarray, "*batch k d"],
    K: Float[np.ndarray, "*batch k d"],
    V: Float[np.ndarray, "*batch d d"],
    *,
    heads: int = 1,
) -> Softmax | L2 | Sinkhorn | MultiHead:
    r"""The law that the script integrates.

    ``softmax``: scores over the square root of d. ``l2``: the queries over it, and the keys not, $e^{-|Qx/\sqrt d - Ky|^2}$.
    ``multi-head``: see ``split_heads``; the script's default is one head, which is ``softmax``. ``sinkhorn``: no factor, epsilon = 1.
    Leading axes (not of ``multi-head``) are a batch of laws, one for each measure.

    Raises:
        InputError: another name; a number of heads that does not divide d.
    """
    d = V.shape[-1]
    if name == "softmax":
        return Softmax(d**-0.5, Q, K, V)
    if name == "l2":
        return L2(1.0, Q / d**0.5, K, V)
    if name == "sinkhorn":
        return Sinkhorn(1.0, Q, K, V)
    if name == "multi-head":
        return split_heads(Q, K, V, heads)
    raise InputError(f"the script knows softmax, l2, multi-head and sinkhorn, not {name!r}")


@dataclass(frozen=True)
class ScriptRun:
    """The outcome of ``projected_euler``, for each measure: the covariance at the end, "converged", "diverged" or "max_iter", and the
    script's counter of steps, from 0, when that was found (|S'| is looked at before a step, the trace after it)."""

    cov: np.ndarray
    outcome: np.ndarray
    iterations: np.ndarray


def projected_euler(
    law: Any,
    S0: Float[np.ndarray, "n d d"],
    h: float,
    *,
    tol_low: float,
    tol_high: float = 1e3,
    max_iter: int = 50_000,
    progress: Callable[[int, int], None] | None = None,
) -> ScriptRun:
    r"""$S \leftarrow P(S + h S')$, where P puts 1e-14 in place of every negative eigenvalue, for many centred measures at once.

    Args:
        law: see ``script_law``; one for all measures, or a batch of them.
        S0: covariances at the start.
        h: step.
        tol_low: converged if |S'|_F is below it.
        tol_high: diverged if the trace is above it.
        max_iter: the most steps.
        progress: called with the number of measures that have ended and the number of all.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322, the scripts of the figures.
    """
    S, n = S0.copy(), len(S0)
    outcome, iterations = np.full(n, "max_iter", dtype=object), np.full(n, max_iter)
    active, zero = np.arange(n), np.zeros(S0.shape[:-1])
    now, field = S.copy(), _field_of(law, active)
    for step in range(max_iter):
        half = field(zero[: len(now)], now, 0.0)[1] @ now
        rate = half + half.swapaxes(-1, -2)
        still = np.sqrt((rate * rate).sum((1, 2))) < tol_low
        far = np.einsum("nii->n", now) > tol_high
        ended = still | far
        if ended.any():
            outcome[active[far]], outcome[active[still]] = "diverged", "converged"
            iterations[active[still]], iterations[active[far]] = step, max(step - 1, 0)
            S[active[ended]] = now[ended]
            active, now, rate = active[~ended], now[~ended], rate[~ended]
            field = _field_of(law, active)
            if progress:
                progress(n - len(active), n)
            if not active.size:
                break
        now = _projected(now + h * rate)
    S[active] = now
    return ScriptRun(S, outcome, iterations)


def _field_of(law: Any, active: np.ndarray) -> Callable[..., Any]:
    """``on_gaussian`` of the laws of the active measures; past equinox, whose bound methods take as long as the field itself."""
    law = jax.tree.map(lambda leaf: leaf[active] if np.ndim(leaf) > 2 else leaf, law)
    return partial(type(law).on_gaussian, law)


def _projected(S: np.ndarray) -> np.ndarray:
    doubtful = np.flatnonzero(~_surely_positive(S))
    if doubtful.size:
        values, vectors = np.linalg.eigh(S[doubtful])
        below = values[:, 0] < 0
        clipped = np.where(values[below] < 0, _FLOOR, values[below])
        S[doubtful[below]] = (vectors[below] * clipped[:, None, :]) @ vectors[below].swapaxes(-1, -2)
    return S


def _surely_positive(S: np.ndarray) -> np.ndarray:
    """Whether the pivots of S less ``_SAFE`` of its trace are all positive: much cheaper than eigenvalues."""
    d = S.shape[-1]
    A = S - (_SAFE * np.einsum("nii->n", S))[:, None, None] * np.eye(d)
    good = A[:, 0, 0] > 0
    for k in range(d - 1):
        row = A[:, :1, 1:]
        pivot = np.where(good, A[:, 0, 0], 1.0)[:, None, None]
        A = A[:, 1:, 1:] - row.swapaxes(-1, -2) * (row / pivot)
        good &= A[:, 0, 0] > 0
    return good


def disc_grid(n: int, reach: float = 1.0) -> Float[np.ndarray, "p 2 2"]:
    """The starts of the panels: [[a, c], [c, b]] with a - b = u, 2 c = w, a + b = 1 for (u, w) on an n x n grid of [-reach, reach]^2, those
    inside of the unit circle.

    Args:
        n: points in each direction.
        reach: half a side of the square.
    """
    u, w = (a.ravel() for a in np.meshgrid(*[np.linspace(-reach, reach, n)] * 2, indexing="ij"))
    u, w = u[keep := u**2 + w**2 < 1], w[keep]
    return np.stack([np.stack([(1 + u) / 2, w / 2], -1), np.stack([w / 2, (1 - u) / 2], -1)], -2)
