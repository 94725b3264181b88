"""Order: modes of a measure on the circle, power in the harmonics of the sphere, statistics of pair cosines."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Complex, Float

from .._types import Array, namespace
from ..errors import InputError


def order_parameters(theta: Float[Array, "*batch n"], modes: int, weights: Float[Array, "*batch n"] | None = None) -> Complex[Array, "..."]:
    r"""$m_k = \sum_j w_j e^{-i k \theta_j}$ for k = 0, ..., ``modes``; shape (*batch, modes + 1).

    |m_1| is Kuramoto's order parameter; k equispaced clusters of equal mass have |m_k| = 1, and the phase of m_k places them:
    theta = (2 pi j - arg m_k) / k.

    Args:
        theta: angles of tokens on the circle, in radians.
        modes: the largest k, at least 1.
        weights: of the tokens, with sum 1; equal if None.

    Raises:
        InputError: fewer than one mode.
    """
    _at_least_one(modes, "modes")
    xp = namespace(theta, weights)
    w = xp.full(theta.shape, 1 / theta.shape[-1], theta.dtype) if weights is None else weights
    step = xp.exp(-1j * theta)
    power, found = w + 0 * step, [w.sum(-1) + 0j]
    for _ in range(modes):
        power = power * step
        found.append(power.sum(-1))
    return xp.stack(found, axis=-1)


def harmonic_power(points: Float[Array, "*batch n d"], degree: int, weights: Float[Array, "*batch n"] | None = None) -> Float[Array, "..."]:
    r"""The power of a measure in the spherical harmonics of degree k, for k = 0, ..., ``degree``; shape (*batch, degree + 1):

    $$ p_k = \iint R_k(\langle x, y \rangle) \, \mu(dx) \mu(dy) = \frac{1}{N_k} \sum_m \Bigl| \int Y_{km} \, d\mu \Bigr|^2, $$

    R_k the Gegenbauer polynomial with R_k(1) = 1 and N_k the number of harmonics (orthonormal for the uniform law). p_k = 1 for a Dirac
    mass, 0 (k >= 1) for the uniform law, 1/n on average for n independent uniform tokens. On the circle p_k = |m_k|^2.

    Args:
        points: tokens on the sphere, d >= 2; O(n^2) time and memory for each measure.
        degree: the largest k, at least 1.
        weights: of the tokens, with sum 1; equal if None.

    Raises:
        InputError: fewer than one degree.
    """
    _at_least_one(degree, "degree")
    xp, d = namespace(points, weights), points.shape[-1]
    w = xp.full(points.shape[:-1], 1 / points.shape[-2], points.dtype) if weights is None else weights
    cosine = points @ xp.swapaxes(points, -1, -2)
    before, now, found = xp.ones_like(cosine), cosine, [w.sum(-1) ** 2]
    for k in range(1, degree + 1):
        found.append((w[..., None, :] @ now @ w[..., None])[..., 0, 0])
        before, now = now, ((2 * k + d - 2) * cosine * now - k * before) / (k + d - 2)
    return xp.stack(found, axis=-1)


class PairCosines(NamedTuple):
    """Of the inner products of all ordered pairs i != j: mean, smallest, largest, the asked quantiles, and the share above 1 - delta."""

    mean: Array
    smallest: Array
    largest: Array
    quantiles: Array
    close: Array


def pair_cosines(points: Float[Array, "*batch n d"], delta: float = 1e-3, *, quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)) -> PairCosines:
    r"""Statistics of $\langle x_i, x_j \rangle$, $i \ne j$, tokens counted equally.

    ``close`` is what the phase diagrams of 2312.10794 (Figures 3 and 5) show: the fraction of pairs with cosine above 1 - delta.

    Args:
        points: at least two tokens on the sphere; leading axes are batches. The quantiles come first in the shape of ``quantiles``.
        delta: in (0, 2].
        quantiles: levels in [0, 1].

    Raises:
        InputError: fewer than two tokens.
    """
    return gram_cosines(points @ namespace(points).swapaxes(points, -1, -2), delta, quantiles=quantiles)


def gram_cosines(gram: Float[Array, "*batch n n"], delta: float = 1e-3, *, quantiles: tuple[float, ...] = (0.1, 0.5, 0.9)) -> PairCosines:
    """``pair_cosines`` of tokens that are known by their Gram matrix <x_i, x_j> only."""
    xp, n = namespace(gram), gram.shape[-1]
    if n < 2:
        raise InputError(f"pairs need at least two tokens, got {n}")
    rows, columns = np.triu_indices(n, 1)
    pairs = gram[..., rows, columns]
    levels = xp.quantile(pairs, xp.asarray(quantiles, dtype=gram.dtype), axis=-1)
    return PairCosines(pairs.mean(-1), pairs.min(-1), pairs.max(-1), levels, (pairs > 1 - delta).mean(-1))


def _at_least_one(count: int, name: str) -> None:
    if count < 1:
        raise InputError(f"{name} must be at least 1, got {count}")
