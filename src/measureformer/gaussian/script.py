"""The authors' published algorithm, defects included: projected Euler steps with a constant step, and the laws as their script scales them.

It is here to reproduce figures. As an integrator it is not to be trusted: where h |B| is large the projection cuts directions off, and with
them Cov(X | QX), which the flow keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..fields import L2, MultiHead, Sinkhorn, Softmax, split_heads

_FLOOR = 1e-14  # what the script puts in place of a negative eigenvalue
_SAFE = 1e-12  # of the trace: a covariance above that multiple of I has no negative eigenvalue, rounding included
_FEW = 24  # fewer eigenvalue problems than this cost less than looking which of them are needed


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
    n = len(S0)
    cov, outcome, iterations = S0.copy(), np.full(n, "max_iter", dtype=object), np.full(n, max_iter)
    lanes = ScriptLanes(partial(_some, law), h, tol_low=tol_low, tol_high=tol_high, max_iter=max_iter)
    lanes.add(np.arange(n), S0)
    while len(lanes):
        ended = lanes.advance()
        cov[ended.keys], outcome[ended.keys], iterations[ended.keys] = ended.run.cov, ended.run.outcome, ended.run.iterations
        if progress:
            progress(n - len(lanes), n)
    return ScriptRun(cov, outcome, iterations)


class Ended(NamedTuple):
    """Keys of measures, and what became of them."""

    keys: np.ndarray
    run: ScriptRun


class ScriptLanes:
    """The loop of ``projected_euler`` for measures that come and go; each counts its own steps.

    Args:
        law_of: from keys to the batch of their laws, or one law for all.
        h, tol_low, tol_high, max_iter: see ``projected_euler``; h may be the same for all only.
    """

    def __init__(self, law_of: Callable[[np.ndarray], Any], h: float, *, tol_low: float, tol_high: float, max_iter: int):
        self.law_of, self.h, self.tol_low, self.tol_high, self.max_iter = law_of, h, tol_low, tol_high, max_iter
        self.keys, self.age, self.S = np.zeros(0, int), np.zeros(0, int), np.zeros(0)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, keys: np.ndarray, S: Float[np.ndarray, "n d d"]) -> None:
        """Measures that start now."""
        self.S = np.concatenate([self.S, S]) if len(self) else S.copy()
        self.keys = np.concatenate([self.keys, keys]) if len(self) else keys
        self.age = np.concatenate([self.age, np.zeros(len(keys), int)])
        self._set_field()

    def keep(self, kept: np.ndarray) -> None:
        """Forget the other measures; ``kept`` is boolean, one for each key."""
        if not kept.all():
            self.keys, self.age, self.S = self.keys[kept], self.age[kept], self.S[kept]
            if len(self):
                self._set_field()

    def advance(self, most: int | None = None) -> Ended:
        """Step until a measure ends, or ``most`` times; those that have ended leave."""
        S, field, zero = self.S, self.field, np.zeros(self.S.shape[:-1])
        room = self.max_iter - int(self.age.max())
        for step in range(room + 1 if most is None else min(room + 1, most)):
            half = field(zero, S, 0.0)[1] @ S
            rate = half + half.swapaxes(-1, -2)
            still = np.sqrt((rate * rate).sum((1, 2))) < self.tol_low
            far = np.einsum("nii->n", S) > self.tol_high
            if step == room or still.any() or far.any():
                self.age, self.S = self.age + step, S
                return self._leave(still, far)
            S = _projected(S + self.h * rate)
        self.age, self.S = self.age + (0 if most is None else most), S
        return self._leave(np.zeros(len(S), bool), np.zeros(len(S), bool))

    def _leave(self, still: np.ndarray, far: np.ndarray) -> Ended:
        late = self.age >= self.max_iter
        ended = still | far | late
        outcome = np.select([late & ~far, still], ["max_iter", "converged"], "diverged").astype(object)
        iterations = np.where(outcome == "diverged", np.maximum(self.age - 1, 0), self.age)
        found = Ended(self.keys[ended], ScriptRun(self.S[ended], outcome[ended], iterations[ended]))
        self.keep(~ended)
        return found

    def _set_field(self) -> None:
        law = self.law_of(self.keys)
        self.field = partial(type(law).on_gaussian, law)  # what equinox adds to a bound method takes as long as the field itself


def _some(law: Any, keys: np.ndarray) -> Any:
    """The laws of a batch with these keys; a single law as it is."""
    return jax.tree.map(lambda leaf: leaf[keys] if np.ndim(leaf) > 2 else leaf, law)


def _projected(S: np.ndarray) -> np.ndarray:
    doubtful = np.arange(len(S)) if len(S) < _FEW else np.flatnonzero(~_surely_positive(S))
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
    for _ in range(d - 1):
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
