"""Functionals of the covariance along whose Bures-Wasserstein gradient a Gaussian flow goes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..fields import L2, Linear, Sinkhorn, Softmax
from ..measures import Gaussian
from ..measures.gaussian import symmetric_root
from .field import affine_field, parts_of
from .stationary import heads_of

_ROUNDING = 1e-10


@dataclass(frozen=True)
class GaussianEnergy:
    r"""Where $S' = 2c (\nabla F \, S + S \, \nabla F)$.

    Attributes:
        name: of F.
        value: F(S).
        pace: c; F rises if it is positive.
        rate: F' along the flow, $\operatorname{tr}(\nabla F \, S')$.
        speed: $4 \operatorname{tr}(\nabla F \, S \, \nabla F)$, the squared length of the gradient in the Bures-Wasserstein metric.
    """

    name: str
    value: float
    pace: float
    rate: float
    speed: float

    @property
    def residual(self) -> float:
        """|F' - c speed|, relative: the dissipation identity."""
        return abs(self.rate - self.pace * self.speed) / max(abs(self.rate), 1e-300)


def gaussian_energy(law: Any, gaussian: Gaussian) -> GaussianEnergy | None:
    r"""The functional of the law at N(m, S), for one head with symmetric $A = \beta K^\top Q$ and V = cA; None if there is none.

    * softmax, and linear attention of a centred measure: $F = \frac14 \operatorname{tr}(A S A S)$, pace c.
    * L2 with K = ±Q, $P = \beta K^\top K$: $F = \frac12 \operatorname{tr}(P S) - \frac14 \log \det(I + 2 P S)$, pace c (so V = Q^T Q
      with K = -Q descends).
    * Sinkhorn: $F = OT_\varepsilon / 2 \varepsilon$, pace -c, with $D = (4 S^{1/2} A S A S^{1/2} + \varepsilon^2 I)^{1/2}$ and
      $OT_\varepsilon = -\frac12 \operatorname{tr} D + \frac{\varepsilon d}{2} (1 - \log 2 \varepsilon)
      + \frac\varepsilon2 \log \det(D + \varepsilon I)$.

    The gradient is taken from these formulas and the rate from the law, so that ``residual`` compares the two.

    Args:
        law: one that keeps Gaussians, constant in time.
        gaussian: one measure.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322 (gradient flows of the laws).
    """
    if gaussian.batch:
        raise InputError(f"gaussian must be one measure, got a batch of shape {gaussian.batch}")
    parts, S = parts_of(law), np.asarray(gaussian.cov, float)
    if len(parts) != 1:
        return None
    (C, A), part = heads_of(law, gaussian.dimension)[0], parts[0]
    c = float((C * A).sum() / max(float((A * A).sum()), 1e-300))
    size = np.linalg.norm(A)
    if not size or np.linalg.norm(A - A.T) > _ROUNDING * size or np.linalg.norm(C - c * A) > _ROUNDING * np.linalg.norm(C):
        return None
    rate = affine_field(law, gaussian).B @ S
    rate = rate + rate.T
    if isinstance(part, Softmax) or (isinstance(part, Linear) and not np.any(gaussian.mean)):
        gradient, value, name = A @ S @ A / 2, float(np.trace(A @ S @ A @ S)) / 4, "tr(ASAS)/4"
    elif isinstance(part, L2):
        P = part.beta * _square(part.K, S)
        if min(np.linalg.norm(A - P), np.linalg.norm(A + P)) > _ROUNDING * size:
            return None
        inner, name = np.eye(len(S)) + 2 * P @ S, "tr(PS)/2 - log det(I + 2PS)/4"
        gradient = (P - np.linalg.solve(inner, P)) / 2
        value = float(np.trace(P @ S) / 2 - np.linalg.slogdet(inner)[1] / 4)
    elif isinstance(part, Sinkhorn):
        gradient, value = _entropic(A, S, float(part.eps))
        c, name = -c, "OT_eps/(2 eps)"
    else:
        return None
    return GaussianEnergy(name, value, c, float(np.trace(gradient @ rate)), 4 * float(np.trace(gradient @ S @ gradient)))


def _square(K: Any, S: np.ndarray) -> np.ndarray:
    K = np.eye(len(S)) if K is None else np.asarray(K, float)
    return K.T @ K


def _entropic(A: np.ndarray, S: np.ndarray, eps: float) -> tuple[np.ndarray, float]:
    r"""Gradient and value of $OT_\varepsilon / 2 \varepsilon$; the gradient is $-A \Lambda A / 2 \varepsilon^2$, where
    $\Lambda = 2 \varepsilon S^{1/2} (D + \varepsilon I)^{-1} S^{1/2}$ is what the plan leaves open."""
    root, unit = symmetric_root(S), np.eye(len(S))
    D = symmetric_root(4 * root @ A @ S @ A @ root + eps**2 * unit)
    cost = -np.trace(D) / 2 + eps * len(S) / 2 * (1 - np.log(2 * eps)) + eps / 2 * np.linalg.slogdet(D + eps * unit)[1]
    open_part = 2 * eps * root @ np.linalg.solve(D + eps * unit, root)
    return -A @ open_part @ A / (2 * eps**2), float(cost) / (2 * eps)
