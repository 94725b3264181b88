"""Masks: which atoms a token sees. Any law under a mask is the law of another measure for each token."""

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Integer

from .._types import Array, namespace
from ..errors import InputError

# A mask answers ``rows(i, m)``: what the tokens of numbers i see among m atoms, booleans (len(i), m).


class Causal(eqx.Module):
    """Token i sees the tokens j <= i, itself among them.

    A normalised law averages over them; an unnormalised one keeps the masses of the whole measure.

    References:
        Karagodin, Polyanskiy, Rigollet, arXiv:2411.04990.
    """

    def rows(self, i: Integer[Array, " r"], m: int) -> Bool[Array, "r m"]:
        """j <= i."""
        return namespace(i).arange(m) <= i[:, None]


class Labels(eqx.Module):
    """Token i, at position s_i, sees the tokens with s_j <= s_i; those at its own position too. Positions never move.

    With s_i = i/n it is ``Causal``; so are the tokens sorted by their positions.

    Args:
        labels: s, one for each token.

    Raises:
        InputError: not a list of finite numbers.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322 (masked attention on measures of labelled tokens).
    """

    labels: Float[Array, " m"]

    def __init__(self, labels):
        labels = namespace(labels).asarray(labels)
        if labels.ndim != 1 or (isinstance(labels, np.ndarray) and not np.isfinite(labels).all()):
            raise InputError(f"labels must be a list of finite numbers, got {labels}")
        self.labels = labels.astype(float)

    def rows(self, i: Integer[Array, " r"], m: int) -> Bool[Array, "r m"]:
        """s_j <= s_i.

        Raises:
            InputError: there are not as many labels as tokens.
        """
        if self.labels.shape[0] != m:
            raise InputError(f"there are {self.labels.shape[0]} labels for {m} tokens; probes need labels too")
        s = namespace(i, self.labels).asarray(self.labels)
        return s <= s[i][:, None]


class Mask(eqx.Module):
    """Token i sees the tokens j with ``allowed[i, j]``.

    Raises:
        InputError: not a square matrix of booleans.
    """

    allowed: Bool[Array, "m m"]

    def __init__(self, allowed):
        allowed = namespace(allowed).asarray(allowed)
        if allowed.ndim != 2 or allowed.shape[0] != allowed.shape[1] or allowed.dtype != np.bool_:
            raise InputError(f"allowed must be a square matrix of booleans, got shape {allowed.shape} of {allowed.dtype}")
        self.allowed = allowed

    def rows(self, i: Integer[Array, " r"], m: int) -> Bool[Array, "r m"]:
        """The rows of ``allowed``.

        Raises:
            InputError: the mask is for another number of tokens.
        """
        if self.allowed.shape[0] != m:
            raise InputError(f"the mask is for {self.allowed.shape[0]} tokens, and there are {m}; probes need rows and columns too")
        return namespace(i, self.allowed).asarray(self.allowed)[i]
