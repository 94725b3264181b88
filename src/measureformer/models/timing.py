"""Depth as time: the inverse temperature and the time of a layer that the equiangular curve assigns to a model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..dynamics import equiangular
from ..errors import InputError

_STEEPEST = 60.0  # of beta
_BETAS, _LOG_TIMES = np.linspace(0, 50, 21), np.linspace(-8, 24, 33)  # from which the best is polished
_WORTH = 0.98  # of the squares that standing still leaves: a fit must leave less


@dataclass(frozen=True)
class EquiangularFit:
    """``beta`` and the ``time`` of a layer; ``curve`` is rho at the layers, ``residual`` the root of the mean squared difference."""

    beta: float
    time: float
    curve: np.ndarray
    residual: float


def fit_equiangular(cosines: Sequence[float] | np.ndarray, tokens: int) -> EquiangularFit | None:
    r"""Least squares of $\sum_l (\rho_\beta(\tau l) - c_l)^2$ over beta in [0, 60] and tau > 0, with $\rho_\beta(0) = c_0$.

    $\rho_\beta$ is the common cosine of equiangular tokens under softmax attention with Q = K = V = I (``dynamics.equiangular``). A trained
    model is not that: the numbers say which flow has the same mean cosine, and the residual how far that goes. None if no flow
    does better than standing still: the mean cosine does not grow, as it does under every such flow.

    Args:
        cosines: mean cosine of pairs after l = 0, 1, ... layers; at least three.
        tokens: n, at least 2.

    Raises:
        InputError: fewer layers or tokens, or a mean cosine outside (-1/(n-1), 1].

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2312.10794, Theorem 6.8.
    """
    from scipy.optimize import least_squares

    c = np.asarray(cosines, float)
    if c.ndim != 1 or c.size < 3 or tokens < 2:
        raise InputError(
            f"a fit needs the mean cosines of at least 3 layers and at least 2 tokens, got shape {c.shape} and {tokens} tokens"
        )
    if not (c > -1 / (tokens - 1)).all() or not (c <= 1 + 1e-12).all():
        raise InputError(f"mean cosines of {tokens} tokens lie in (-1/(n-1), 1], got {c}")
    if not c[1:].max() > c[0] or c[0] >= 1:
        return None
    layers = np.arange(c.size)

    def curve(p: np.ndarray) -> np.ndarray:
        return equiangular(np.exp(p[1]) * layers, p[0], tokens, start=float(c[0]))

    betas, logs = (grid.ravel() for grid in np.meshgrid(_BETAS, _LOG_TIMES, indexing="ij"))
    tried = equiangular(np.exp(logs)[:, None] * layers, betas[:, None], tokens, start=float(c[0]))
    start = int(((tried - c) ** 2).sum(-1).argmin())
    best = least_squares(
        lambda p: curve(p) - c, [betas[start] + 1e-3, logs[start]], bounds=([0, -30], [_STEEPEST, 60]), xtol=1e-10, ftol=1e-10, max_nfev=60
    )
    fitted = curve(best.x)
    if ((fitted - c) ** 2).sum() > _WORTH * ((c - c[0]) ** 2).sum():
        return None
    return EquiangularFit(float(best.x[0]), float(np.exp(best.x[1])), fitted, float(np.sqrt(np.mean((fitted - c) ** 2))))
