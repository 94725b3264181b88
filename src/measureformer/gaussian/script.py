"""The authors' published algorithm, defects included: projected Euler steps with a constant step, and the laws as their script scales them.

It is here to reproduce figures. As an integrator it is not to be trusted: where h |B| is large the projection cuts directions off, and with
them Cov(X | QX), which the flow keeps.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..fields import L2, MultiHead, Sinkhorn, Softmax, split_heads
from ..fields.gaussians import some_laws
from .script_lanes import ScriptLanes

_LOOK = 2_000  # steps until measures that have ended leave


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
    lanes = ScriptLanes(partial(some_laws, law), h, tol_low=tol_low, tol_high=tol_high, max_iter=max_iter)
    lanes.add(np.arange(n), S0)
    while len(lanes):
        ended = lanes.advance(_LOOK)
        cov[ended.keys], outcome[ended.keys], iterations[ended.keys] = ended.cov, ended.outcome, ended.iterations
        if progress:
            progress(n - len(lanes), n)
    return ScriptRun(cov, outcome, iterations)


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
