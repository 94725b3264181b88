"""The Gram engine: rotation-invariant attention moves inner products, whatever the dimension they come from."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..flows import integrate_ode
from .law import CLOCKS, finite, known_law, known_sign


def sample_gram(rng: np.random.Generator, n: int, d: int, batch: tuple[int, ...] = ()) -> Float[np.ndarray, "*batch n n"]:
    r"""The Gram matrix of n independent uniform tokens of S^{d-1}, drawn without the tokens.

    Bartlett: the Gaussian n x d matrix has the triangular factor L (n x min(n, d)) with chi_{d-i} on the diagonal, i = 0, 1, ...,
    standard normals below; the rows of L, normalised, have the inner products of the tokens. O(n^2) random numbers, for d = 10^6 too.

    Args:
        rng: source of randomness.
        n: number of tokens, at least 1.
        d: dimension of the space, at least 1.
        batch: shape of the batch.

    Raises:
        InputError: n or d below 1.

    References:
        Bartlett, On the theory of statistical regression, Proc. R. Soc. Edinb. 53 (1933).
    """
    if n < 1 or d < 1:
        raise InputError(f"n and d must be at least 1, got n = {n}, d = {d}")
    m = min(n, d)
    factor = np.tril(rng.normal(size=(*batch, n, m)), -1)
    diagonal = np.arange(m)
    factor[..., diagonal, diagonal] = np.sqrt(rng.chisquare(d - diagonal, size=(*batch, m)))
    factor /= np.linalg.norm(factor, axis=-1, keepdims=True)
    return _unit(factor @ factor.swapaxes(-1, -2))


def gram_layer(
    gram: Float[np.ndarray, "*batch n n"],
    beta: float,
    eta: float,
    weights: Float[np.ndarray, " n"] | None = None,
    *,
    law: str = "softmax",
    sign: float = 1.0,
) -> Float[np.ndarray, "*batch n n"]:
    r"""One post-norm layer x <- N(x + eta A(x)) on inner products: $G \leftarrow N M G M^\top N$, $M = I \pm \eta W(G)$.

    W(G) are the attention weights, N the diagonal matrix that makes the diagonal 1. O(n^3), independent of d.

    Args:
        gram: inner products of unit tokens; leading axes are batches.
        beta: inverse temperature.
        eta: step, positive.
        weights: of the tokens, with sum 1; equal if None.
        law: ``"softmax"``, ``"unnormalised"`` or ``"peak"``, see ``known_law``.
        sign: V = +I or -I.

    Raises:
        InputError: an argument out of range, or overflow.

    References:
        arXiv:2312.10794, Section 7 and the published simulator (its layers do not project A first).
    """
    M = known_sign(sign) * eta * _attention(gram, beta, weights, law)
    n = gram.shape[-1]
    M[..., np.arange(n), np.arange(n)] += 1
    G = M @ gram @ M.swapaxes(-1, -2)
    length = np.sqrt(np.diagonal(G, axis1=-2, axis2=-1))
    return _unit(G / (length[..., :, None] * length[..., None, :]))


def gram_layers(
    gram: Float[np.ndarray, "*batch n n"],
    beta: float,
    eta: float,
    count: int,
    weights: Float[np.ndarray, " n"] | None = None,
    *,
    law: str = "softmax",
    sign: float = 1.0,
    observe: Callable[[int, np.ndarray], None] | None = None,
) -> Float[np.ndarray, "*batch n n"]:
    """``count`` times ``gram_layer``; ``observe(k, gram)`` is called after k layers, also for k = 0.

    Example:
        >>> grams = sample_gram(np.random.default_rng(0), 8, 10**6, (2,))
        >>> bool((gram_layers(grams, 1.0, 0.1, 100) > 0.999).all())
        True
    """
    if observe:
        observe(0, gram)
    for k in range(count):
        gram = gram_layer(gram, beta, eta, weights, law=law, sign=sign)
        if observe:
            observe(k + 1, gram)
    return gram


def gram_rate(
    gram: Float[np.ndarray, "*batch n n"],
    beta: float,
    weights: Float[np.ndarray, " n"] | None = None,
    *,
    law: str = "softmax",
    sign: float = 1.0,
) -> Float[np.ndarray, "*batch n n"]:
    r"""G' of the flow x_i' = P_{x_i} (W X)_i: $G' = W G + G W^\top - (a_i + a_j) G_{ij}$ with $a_i = (W G)_{ii}$.

    Args, Raises: as in ``gram_layer``.
    """
    pull = known_sign(sign) * _attention(gram, beta, weights, law) @ gram
    own = np.diagonal(pull, axis1=-2, axis2=-1)
    return pull + pull.swapaxes(-1, -2) - (own[..., :, None] + own[..., None, :]) * gram


def gram_flow(
    gram: Float[np.ndarray, "*batch n n"],
    beta: float,
    t: float,
    weights: Float[np.ndarray, " n"] | None = None,
    *,
    law: str = "softmax",
    sign: float = 1.0,
    rtol: float = 1e-12,
    atol: float = 1e-12,
) -> Float[np.ndarray, "*batch n n"]:
    """The inner products after time t of the flow, integrated with error control (all the batch with common steps).

    Args:
        t: time >= 0.
        rtol, atol: local tolerances.
        gram, beta, weights, law, sign: as in ``gram_layer``.

    Raises:
        InputError: an argument out of range, or overflow.
        RuntimeError: the step size fell to zero.
    """
    return _unit(integrate_ode(lambda G: gram_rate(_unit(G), beta, weights, law=law, sign=sign), gram, t, rtol=rtol, atol=atol).value)


def _attention(gram, beta: float, weights, law: str) -> np.ndarray:
    """W_ij = w_j e^{beta G_ij} / Z_i, or without Z_i."""
    n = gram.shape[-1]
    w = np.full(n, 1 / n) if weights is None else weights
    if known_law(law) == "softmax":
        W = w * np.exp(beta * (gram - np.sign(beta)))
        return W / W.sum(-1, keepdims=True)
    with np.errstate(over="ignore"):
        return finite(w * np.exp(beta * (gram - CLOCKS[law])), "attention", law, beta)


def _unit(gram: np.ndarray) -> np.ndarray:
    """The same with a diagonal of ones."""
    n = gram.shape[-1]
    gram = gram.copy()
    gram[..., np.arange(n), np.arange(n)] = 1
    return gram
