"""Dynamic metastability: a certificate, read off the tokens at one time, that caps keep their tokens for exponentially long."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .._types import Array
from ..errors import InputError
from ..geometry import distance
from .clusters import clusters


@dataclass(frozen=True)
class Metastability:
    """What is promised for the caps S_q(eps) = {x : <x, w_q> >= 1 - eps}. Times are in the unit of softmax attention.

    Attributes:
        eps: of the caps.
        labels: the cap of each token, shape (n,); the nearest center, whether or not the token is in the cap.
        alpha: the largest inner product between points of two different doubled caps S_i(2 eps), S_j(2 eps).
        gamma: 1 - alpha - 8 eps - log(2 n^2 / eps) / beta.
        separated: whether every token is in a cap and gamma > 0; nothing is promised otherwise.
        rate: the lambda of ``collapsed``; 0 if none is admissible.
        collapsed: T_1, the time by which tokens of a cap are within e^{-lambda beta / 2} sqrt 2 of each other.
        kept: T_2, the time up to which tokens of S_q(eps) stay in S_q(2 eps).
        holds: separated, a positive admissible lambda, beta > 1, eps < 1/16 and T_1 < T_2.
    """

    eps: float
    labels: np.ndarray
    alpha: float
    gamma: float
    separated: bool
    rate: float
    collapsed: float
    kept: float
    holds: bool


def metastability(
    points: Float[Array, "n d"],
    beta: float,
    eps: float,
    *,
    centers: Float[Array, "k d"] | None = None,
    rate: float | None = None,
) -> Metastability:
    r"""Theorem of dynamic metastability for softmax attention (and for the kernel $e^{\beta(\langle x, y \rangle - 1)}/n$), V = Q^T K = I.

    If the tokens are (beta, eps)-separated, then for every admissible lambda (``rate``), with
    $$ T_1 = 2 n e^{8 \epsilon \beta} + e \, n \lambda \frac{\beta^2}{\beta - 1}, \qquad T_2 = \frac{\epsilon}{n} e^{(1 - \alpha) \beta}, $$
    tokens of S_q(eps) stay in S_q(2 eps) on [0, T_2], and |x_i - x_j|^2 <= 2 e^{-lambda beta} for tokens of one cap on [T_1, T_2].
    Admissible are
    $$ \lambda < \frac{(\beta - 1) \epsilon}{e \beta^2 n^2} e^{(1 - \alpha) \beta} (1 - e^{-\gamma \beta}), \qquad
       \lambda < 1 - \alpha - \frac{1}{\beta} \log \frac{2 n^2}{1 - 8 \epsilon} - 8 \epsilon . $$

    Args:
        points: tokens on the sphere.
        beta: inverse temperature > 1.
        eps: in (0, 1/16).
        centers: the w_q, unit vectors; centers of the components at angle 2 arccos(1 - eps) if None.
        rate: lambda; nine tenths of the largest admissible one if None.

    Raises:
        InputError: beta or eps out of range.

    References:
        Geshkovski, Koubbi, Polyanskiy, Rigollet, arXiv:2410.06833.
    """
    if not beta > 1:
        raise InputError(f"beta must be greater than 1, got {beta}; below nothing is metastable")
    if not 0 < eps < 1 / 16:
        raise InputError(f"eps must lie in (0, 1/16), got {eps}")
    x, n = np.asarray(points, float), len(points)
    radius = float(np.arccos(1 - eps))
    w = clusters(x, 2 * radius).centers if centers is None else np.asarray(centers, float)
    away = np.asarray(distance(x[:, None], w))
    labels = away.argmin(axis=1)
    alpha = _largest_cosine(w, 2 * float(np.arccos(1 - 2 * eps)))
    gamma = 1 - alpha - 8 * eps - np.log(2 * n**2 / eps) / beta
    separated = bool((away.min(axis=1) <= radius).all() and gamma > 0)
    log_first = np.log((beta - 1) * eps / (np.e * beta**2 * n**2)) + (1 - alpha) * beta
    first = float(np.exp(min(log_first, 700.0)) * -np.expm1(-max(gamma, 0.0) * beta))
    most = min(first, float(1 - alpha - np.log(2 * n**2 / (1 - 8 * eps)) / beta - 8 * eps))
    chosen = max(0.9 * most, 0.0) if rate is None else rate
    collapsed = float(2 * n * np.exp(min(8 * eps * beta, 700.0)) + np.e * n * chosen * beta**2 / (beta - 1))
    kept = float(eps / n * np.exp(min((1 - alpha) * beta, 700.0)))
    holds = bool(separated and 0 < chosen < most and collapsed < kept)
    return Metastability(eps, labels, alpha, float(gamma), separated, float(chosen), collapsed, kept, holds)


def _largest_cosine(w: np.ndarray, shrink: float) -> float:
    """cos of the least angle between two centers less ``shrink``; -1 for a single center."""
    if len(w) < 2:
        return -1.0
    rows, columns = np.triu_indices(len(w), 1)
    return float(np.cos(max(0.0, float(np.min(distance(w[rows], w[columns]))) - shrink)))
