"""The loop of the published algorithm, compiled: many covariances side by side, each with its own number of steps."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

_FLOOR = 1e-14  # what the script puts in place of a negative eigenvalue
_SAFE = 1e-12  # of the trace: a covariance above that multiple of I has no negative eigenvalue, rounding included
_WIDTHS = (16, 128, 1024)  # of the compiled loops; what is missing is filled up with measures that have ended
_AT_ONCE = (4, 16, 128, 1024)  # eigenvalue problems


class Ended(NamedTuple):
    """Measures that have ended: their keys, covariances, outcomes ("converged", "diverged", "max_iter"), and the script's counter of
    steps, from 0, when that was found."""

    keys: np.ndarray
    cov: np.ndarray
    outcome: np.ndarray
    iterations: np.ndarray


class ScriptLanes:
    r"""$S \leftarrow P(S + h S')$ for measures that come and go; see ``projected_euler``.

    Args:
        law_of: from keys to the batch of their laws, or to one law for all.
        h, tol_low, tol_high, max_iter: see ``projected_euler``.
    """

    def __init__(self, law_of: Callable[[np.ndarray], Any], h: float, *, tol_low: float, tol_high: float, max_iter: int):
        self.law_of, self.h, self.tol_low, self.tol_high, self.max_iter = law_of, h, tol_low, tol_high, max_iter
        self.keys, self.age, self.rate, self.S = np.zeros(0, int), np.zeros(0, int), np.zeros(0), np.zeros(0)

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, keys: np.ndarray, S: Float[np.ndarray, "n d d"]) -> None:
        """Measures that start now."""
        self.S = np.concatenate([self.S, S]) if len(self) else S.copy()
        self.keys = np.concatenate([self.keys, keys]) if len(self) else keys
        self.age = np.concatenate([self.age, np.zeros(len(keys), int)])
        self.rate = np.concatenate([self.rate, np.full(len(keys), np.inf)])

    def advance(self, most: int, chosen: np.ndarray | None = None) -> Ended:
        """At most that many steps of each measure, or of some of them; those that have ended leave. ``rate`` is |S'| of the others."""
        rows = np.arange(len(self)) if chosen is None else np.flatnonzero(chosen)
        parts = [self._advance(rows[k : k + _WIDTHS[-1]], most) for k in range(0, len(rows), _WIDTHS[-1])]
        self.S[rows], self.age[rows], self.rate[rows], still, far = (np.concatenate(column) for column in zip(*parts, strict=True))
        late = self.age[rows] >= self.max_iter
        ended = still | far | late
        outcome = np.select([late & ~far, still], ["max_iter", "converged"], "diverged").astype(object)
        iterations = np.where(outcome == "diverged", np.maximum(self.age[rows] - 1, 0), self.age[rows])
        gone = rows[ended]
        found = Ended(self.keys[gone], self.S[gone], outcome[ended], iterations[ended])
        left = np.ones(len(self), bool)
        left[gone] = False
        self.keys, self.age, self.rate, self.S = self.keys[left], self.age[left], self.rate[left], self.S[left]
        return found

    def _advance(self, rows: np.ndarray, most: int) -> list[np.ndarray]:
        """S, age, |S'|, whether that is small, and whether the trace is large, after the steps."""
        n = len(rows)
        lanes = np.append(rows, np.full(next(w for w in _WIDTHS if w >= n) - n, rows[0]))
        left = np.where(np.arange(len(lanes)) < n, self.max_iter - self.age[lanes], -1)
        with jax.enable_x64(True):
            law = jax.tree.map(jnp.asarray, self.law_of(self.keys[lanes]))
            end = _steps(law, jnp.asarray(self.S[lanes]), left, self.h, self.tol_low, self.tol_high, most)
            S, taken, rate, far = (np.asarray(a)[:n] for a in end)
        return [S, self.age[rows] + taken, rate, rate < self.tol_low, far]


@jax.jit
def _steps(law: Any, S: jax.Array, left: Any, h: Any, low: Any, high: Any, most: Any) -> tuple:
    """Each lane until it ends, or has taken ``left`` or ``most`` steps: S, the steps, |S'| there, whether the trace is above ``high``."""
    zero = jnp.zeros(S.shape[:-1])

    def look(S):
        half = type(law).on_gaussian(law, zero, S, 0.0)[1] @ S
        rate = half + half.swapaxes(1, 2)
        size, trace = jnp.sqrt((rate * rate).sum((1, 2))), jnp.einsum("nii->n", S)
        return rate, size, trace > high

    def going(carry):
        return carry[-1].any() & (carry[0] < most)

    def step(carry):
        k, S, taken, rate, _, _, go = carry
        S = _projected(jnp.where(go[:, None, None], S + h * rate, S), go)
        rate, size, far = look(S)
        taken = taken + go
        return k + 1, S, taken, rate, size, far, go & (size >= low) & ~far & (taken < left)

    rate, size, far = look(S)
    start = (0, S, jnp.zeros(len(S), int), rate, size, far, (size >= low) & ~far & (left > 0))
    _, S, taken, _, size, far, _ = jax.lax.while_loop(going, step, start)
    return S, taken, size, far


def _projected(S: jax.Array, go: jax.Array) -> jax.Array:
    """1e-14 in place of negative eigenvalues, in the lanes that go on; eigenvalues are computed only where there is doubt."""
    doubtful = go & ~_surely_positive(S)
    sizes = [size for size in _AT_ONCE if size <= len(S)]

    def clip(size, S):
        rows = jnp.nonzero(doubtful, size=size, fill_value=len(S))[0]
        some = S[rows]  # a row that is not there is the last one
        values, vectors = jnp.linalg.eigh(some, symmetrize_input=False)
        clipped = jnp.where(values < 0, _FLOOR, values)
        mended = (vectors * clipped[:, None, :]) @ vectors.swapaxes(1, 2)
        return S.at[rows].set(jnp.where((values[:, 0] < 0)[:, None, None], mended, some), mode="drop")

    which = (doubtful.sum() > jnp.array([0, *sizes[:-1]])).sum()
    return jax.lax.switch(which, [lambda S: S, *(partial(clip, size) for size in sizes)], S)


def _surely_positive(S: jax.Array) -> jax.Array:
    """Whether the pivots of S less ``_SAFE`` of its trace are all positive: much cheaper than eigenvalues."""
    d = S.shape[-1]
    A = S - (_SAFE * jnp.einsum("nii->n", S))[:, None, None] * jnp.eye(d)
    good = A[:, 0, 0] > 0
    for _ in range(d - 1):
        row = A[:, :1, 1:]
        pivot = jnp.where(good, A[:, 0, 0], 1.0)[:, None, None]
        A = A[:, 1:, 1:] - row.swapaxes(-1, -2) * (row / pivot)
        good &= A[:, 0, 0] > 0
    return good
