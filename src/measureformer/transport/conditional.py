"""Distances between measures of labelled tokens, that move tokens and never labels."""

import warnings
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from .coupling import optimal_coupling


class Conditional(NamedTuple):
    """The distance, and whether causal attention is stable in it: not for p = 1, where one changed token shifts all later averages, so
    that the distance can grow by 1 + 1/2 + ... + 1/n at once."""

    value: float
    stable: bool


def conditional_wasserstein(
    labels: Float[np.ndarray, " n"],
    x: Float[np.ndarray, "n d"],
    labels_of_y: Float[np.ndarray, " m"],
    y: Float[np.ndarray, "m d"],
    p: float = 2.0,
) -> Conditional:
    r"""d_p of two measures on labels times R^d with the same marginal $\theta$ on the labels:

    $$ d_p(\mu, \nu) = \Bigl( \int_0^1 W_p(\mu^s, \nu^s)^p \, \theta(ds) \Bigr)^{1/p}, $$
    infinite if the marginals differ. Tokens of a measure weigh the same; W_p is Euclidean.

    The averages over [0, s] of causal attention are a Hardy operator, bounded on L^p by p / (p - 1) for p > 1 and not at all for p = 1.

    Args:
        labels, x: positions s and tokens of mu.
        labels_of_y, y: of nu.
        p: at least 1; infinite for the largest distance of tokens under the labels that occur once.

    Warns:
        UserWarning: p = 1.

    Raises:
        InputError: p < 1; dimensions that differ; p infinite with labels that occur more than once.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322 (conditional Wasserstein distance).
    """
    if not p >= 1:
        raise InputError(f"p must be at least 1, got {p}")
    if x.shape[1] != y.shape[1]:
        raise InputError(f"tokens have dimensions {x.shape[1]} and {y.shape[1]}; they must agree")
    if p == 1:
        warnings.warn("causal attention is not stable in d_1: one changed token moves all later averages; take p > 1", stacklevel=2)
    stable = p > 1
    places, counts = np.unique(labels, return_counts=True)
    others, more = np.unique(labels_of_y, return_counts=True)
    shares = counts / len(labels)
    if len(places) != len(others) or (places != others).any() or abs(shares - more / len(labels_of_y)).max() > 1e-12:
        return Conditional(float("inf"), stable)
    if np.isinf(p) and (counts.max() > 1 or more.max() > 1):
        raise InputError("p is infinite and labels occur more than once; give each token a label of its own, or a finite p")
    powers = np.zeros(len(places))
    for k, s in enumerate(places):
        a, b = x[labels == s], y[labels_of_y == s]
        lengths = np.linalg.norm(a[:, None] - b, axis=-1)
        if np.isinf(p):
            powers[k] = lengths[0, 0]
            continue
        coupling, _ = optimal_coupling(lengths**p, np.full(len(a), 1 / len(a)), np.full(len(b), 1 / len(b)))
        powers[k] = coupling.mass @ lengths[coupling.rows, coupling.cols] ** p / coupling.mass.sum()
    return Conditional(float(powers.max()) if np.isinf(p) else float((shares @ powers) ** (1 / p)), stable)
