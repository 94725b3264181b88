"""The runs behind the covariance panels: weights, starts and steps of the published scripts, and the same flows integrated."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ...gaussian import GaussianFlow, ScriptRun, classify, disc_grid, gaussian_flow, projected_euler, script_law
from ...measures import Gaussian

REST = 1e-7  # |S'| of a flow that has come to rest


@dataclass(frozen=True)
class Case:
    """A published picture: its file, a law, the step of the script, the trace at which it stops, the number of heads, how many of the
    runs converge, diverge and time out; and horizon and method of the flow: where it grows like an exponential, early and explicit."""

    file: str
    law: str
    h: float
    counts: tuple[int, int, int]
    high: float = 1e3
    heads: int = 1
    horizon: float = 1e5
    method: str = "implicit"


@dataclass(frozen=True)
class Group:
    """Pictures with the same weights, starts and tolerance: ``grid`` has the arguments of ``disc_grid``."""

    title: str
    weights: Callable[[], tuple[np.ndarray, np.ndarray, np.ndarray]]
    grid: tuple[int, float]
    tolerance: float
    cases: tuple[Case, ...]

    @property
    def starts(self) -> Float[np.ndarray, "n 2 2"]:
        """All initial covariances."""
        return disc_grid(*self.grid)


def shrinking() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Q, K = -Q and V = G G^T, seed 35."""
    rng = np.random.RandomState(35)
    Q, G = rng.rand(2, 2), rng.randn(2, 2)
    return Q, -Q, G @ G.T


def one_query() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A unit row q as Q, K = -q, V = I, seed 36."""
    q = np.random.RandomState(36).randn(1, 2)
    q /= np.linalg.norm(q)
    return q, -q, np.eye(2)


def mixed() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Q and K, the first draw for which A + A^T has eigenvalues of both signs, seed 36; V of seed 32."""
    return *_scores(36, lambda values: values[0] < 0 < values[1]), np.random.RandomState(32).randn(2, 2)


def growing() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Q and K, the first draw for which A + A^T is positive definite, seed 33; V = I."""
    return *_scores(33, lambda values: values[0] > 0), np.eye(2)


def both_signs() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Q and K as in ``mixed``; V of seed 35 after 8 x 7 numbers that are not used."""
    rng = np.random.RandomState(35)
    rng.randn(8, 7)
    return *mixed()[:2], rng.randn(2, 2)


def _scores(seed: int, wanted: Callable[[np.ndarray], bool]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.RandomState(seed)
    while True:
        Q, K = rng.randn(2, 2), rng.randn(2, 2)
        if wanted(np.linalg.eigvalsh(K.T @ Q + Q.T @ K)):
            return Q, K


GROUPS = (
    Group("to zero", shrinking, (10, 0.5), 1e-5, (
        Case("trad_neg_def_V", "softmax", 0.3, (100, 0, 0)),
        Case("L2_neg_def_V", "l2", 0.3, (100, 0, 0)),
        Case("MH_neg_def_V", "multi-head", 0.3, (100, 0, 0), heads=2),
        Case("sink_convergence", "sinkhorn", 0.5, (100, 0, 0)),
    )),
    Group("to a line of rank one, or to a plane", one_query, (10, 0.5), 1e-4, (
        Case("trad_rank_1", "softmax", 0.5, (100, 0, 0)),
        Case("L2_rank_1", "l2", 0.5, (100, 0, 0)),
        Case("MH_rank_1", "multi-head", 0.5, (100, 0, 0), heads=2),
    )),
    Group("to two lines", mixed, (20, 1.0), 1e-7, (
        Case("trad_mixed_3d", "softmax", 0.01, (263, 0, 13)),
        Case("L2_mixed_3d", "l2", 0.01, (270, 0, 6)),
    )),
    Group("growth", growing, (40, 1.0), 1e-7, (
        Case("trad_explosion", "softmax", 0.01, (0, 1184, 0)),
        Case("MH_explosion", "multi-head", 0.002, (0, 1184, 0), heads=2),
        Case("L2_divergence", "l2", 0.001, (0, 1184, 0), high=1e4, horizon=20.0, method="adaptive"),
        Case("sink_divergence", "sinkhorn", 0.01, (0, 1184, 0), high=1e4, horizon=8.0, method="adaptive"),
    )),
    Group("both", both_signs, (30, 1.0), 1e-4, (
        Case("trad_both_V", "softmax", 0.003, (591, 57, 0)),
        Case("L2_both", "l2", 0.002, (642, 6, 0)),
        Case("MH_both", "multi-head", 0.002, (590, 57, 1)),
    )),
)  # fmt: skip


def law_of(group: Group, case: Case) -> Any:
    """The law of a picture, scaled as in the script."""
    return script_law(case.law, *group.weights(), heads=case.heads)


def script_run(group: Group, case: Case, starts: Float[np.ndarray, "n 2 2"]) -> ScriptRun:
    """The published algorithm from these starts, with the published step, tolerance and bound on the trace."""
    return projected_euler(law_of(group, case), starts, case.h, tol_low=group.tolerance, tol_high=case.high)


def counts(run: ScriptRun) -> tuple[int, int, int]:
    """How many runs of the script converged, diverged, and reached its most steps."""
    converged, diverged, late = (int((run.outcome == word).sum()) for word in ("converged", "diverged", "max_iter"))
    return converged, diverged, late


def true_flow(group: Group, case: Case, starts: Float[np.ndarray, "n 2 2"]) -> GaussianFlow:
    """The flow with error control, up to the horizon."""
    gaussian = Gaussian(np.zeros((len(starts), 2)), starts)
    law = law_of(group, case)
    return gaussian_flow(law, gaussian, case.horizon, method=case.method, rtol=1e-8, atol=1e-12, converged=REST, max_steps=2_000)


def answers(group: Group, case: Case, starts: Float[np.ndarray, "n 2 2"]) -> dict[str, int]:
    """What ``classify`` says of these starts, and how often."""
    law, said = law_of(group, case), {}
    for S in starts:
        found = classify(law, Gaussian(np.zeros(2), S))
        words = found.answer if found.rank is None else f"{found.answer}, rank {found.rank}"
        said[words] = said.get(words, 0) + 1
    return said


def in_disc(S: Float[np.ndarray, "n 2 2"]) -> Float[np.ndarray, "2 n"]:
    """(u, w) = (a - b, 2 c) / tr S of [[a, c], [c, b]]: the unit disc, whose circle is rank one."""
    return np.stack([S[:, 0, 0] - S[:, 1, 1], 2 * S[:, 0, 1]]) / np.trace(S, axis1=1, axis2=2)


def in_cone(S: Float[np.ndarray, "n 2 2"]) -> Float[np.ndarray, "2 n"]:
    r"""($\sqrt{u^2 + w^2}$, v) with v = a + b: the cone of covariances is v at least the first, and equal for rank one."""
    return np.stack([np.hypot(S[:, 0, 0] - S[:, 1, 1], 2 * S[:, 0, 1]), np.trace(S, axis1=1, axis2=2)])
