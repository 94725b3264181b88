r"""What softmax attention can never do to Gaussians, whatever (V, A) is as a function of time.

With $B_i = V S_i A$ the factor of $S_i$ obeys $F_i' = B_i F_i$ and the mean $m_i' = (V + B_i) m_i$: both are multiplied by invertible
matrices of positive determinant. So

1. the rank of $S_i$ is kept, and $m_i$ is zero for ever or never;
2. $S_i = S_j$ is kept, and so is $S_i \neq S_j$ (run it backwards); the means of equal covariances are multiplied by the same matrix:
   their linear relations are kept, and, where they span the space, their orientation (in one dimension: the sign);
3. in one dimension $V A$ is a number: $1/s_i - 1/s_j$ is kept (from $s' = 2 V A s^2$), and so is $m_i^2 s_j / (m_j^2 s_i)$, a variance
   of zero being left out of it.
"""

import numpy as np

from ...measures import Gaussian
from .moves import RANK

_SAME = 1e-9


def obstruction(start: Gaussian, goal: Gaussian) -> str | None:
    """The first reason why the measures cannot be carried to their goals by one (V, A)(t); None if there is none among the above.

    Args:
        start, goal: batches (N, d) of measures, in the same order.
    """
    for check in (_ranks, _zeros, _equals, _relations, _line):
        if reason := check(start, goal):
            return reason
    return None


def groups_of(start: Gaussian) -> list[list[int]]:
    """Indices of measures with the same covariance."""
    groups: list[list[int]] = []
    for i, S in enumerate(start.cov):
        home = next((g for g in groups if _equal(S, start.cov[g[0]])), None)
        if home is None:
            groups.append([i])
        else:
            home.append(i)
    return groups


def is_zero(mean: np.ndarray, cov: np.ndarray) -> bool:
    """Whether a mean is zero up to rounding, beside the standard deviation."""
    return bool(np.linalg.norm(mean) <= 1e-14 * np.sqrt(np.trace(cov)))


def _ranks(start: Gaussian, goal: Gaussian) -> str | None:
    for i, (a, b) in enumerate(zip(start.rank(RANK), goal.rank(RANK), strict=True)):
        if a != b:
            return f"measure {i}: the covariance has rank {a} and its target rank {b}; the flow keeps the rank (S = F F^T, F' = V S A F)"
    return None


def _zeros(start: Gaussian, goal: Gaussian) -> str | None:
    for i in range(len(start.mean)):
        before, after = (is_zero(g.mean[i], g.cov[i]) for g in (start, goal))
        if before != after:
            where = "zero and its target is not" if before else "not zero and its target is"
            return f"measure {i}: the mean is {where}; m' = V (I + S A) m is linear in m, so zero stays zero and nothing else becomes it"
    return None


def _equals(start: Gaussian, goal: Gaussian) -> str | None:
    for i in range(len(start.mean)):
        for j in range(i):
            before, after = (_equal(g.cov[i], g.cov[j]) for g in (start, goal))
            if before != after:
                which = "are equal and those of their targets are not" if before else "differ and those of their targets are equal"
                return f"measures {j} and {i}: the covariances {which}; S' does not depend on the mean, so equal ones stay equal"
    return None


def _relations(start: Gaussian, goal: Gaussian) -> str | None:
    d = start.dimension
    for group in groups_of(start):
        M, G = start.mean[group].T, goal.mean[group].T
        M, G = (A / max(float(np.linalg.norm(A)), 1e-300) for A in (M, G))
        r = _rank(M)
        if _rank(G) != r or _rank(np.concatenate([M, G])) != r:
            return (
                f"measures {group} have the same covariance, so one linear map moves their means, and none carries them to the targets: "
                "the linear relations between them differ"
            )
        if r == d and np.linalg.det(G @ np.linalg.pinv(M, rcond=RANK)) <= 0:
            which = f"measure {group[0]}" if len(group) == 1 else f"measures {group}, of the same covariance"
            return f"{which}: the means span the space and their targets have the other orientation; the flow keeps it"
    return None


def _line(start: Gaussian, goal: Gaussian) -> str | None:
    if start.dimension > 1:
        return None
    s, t, m, n = (np.asarray(a, float).reshape(len(start.mean)) for a in (start.cov, goal.cov, start.mean, goal.mean))
    spread = np.flatnonzero(s > 0)
    drift = 1 / t[spread] - 1 / s[spread]
    scale = (1 / t[spread] + 1 / s[spread]).max(initial=0.0)
    if len(spread) and np.ptp(drift) > _SAME * scale:
        return f"in one dimension 1/s_i - 1/s_j never changes, and 1/s would have to change by {_listed(drift)}"
    there = np.flatnonzero(m)
    growth = np.log(n[there] / m[there]) - np.where(s > 0, np.log(np.where(s > 0, t, 1) / np.where(s > 0, s, 1)) / 2, 0)[there]
    if len(there) and np.ptp(growth) > _SAME * max(1.0, float(abs(growth).max())):
        return f"in one dimension log|m_i| - log(s_i)/2 changes by the same for all, and it would have to change by {_listed(growth)}"
    return None


def _equal(S: np.ndarray, T: np.ndarray) -> bool:
    return bool(np.linalg.norm(S - T) <= _SAME * max(float(np.linalg.norm(S)), float(np.linalg.norm(T))))


def _rank(M: np.ndarray) -> int:
    return int((np.linalg.svd(M, compute_uv=False) > RANK).sum())


def _listed(values: np.ndarray) -> str:
    return ", ".join(f"{v:.6g}" for v in values[:6])
