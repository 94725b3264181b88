"""Masks: which atoms a token sees. Any law under a mask is the law of another measure for each token."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Float, Integer

from .._types import Array, namespace
from ..errors import InputError

# A mask answers ``block(i, j)``: which of the atoms j the tokens i see, booleans (len(i), len(j)); and ``check(m)``: does it fit m tokens?
# It may answer ``amount(i, j)``: 0 if all the block is False, 2 if all of it is True, else 1, where that is known without looking.


class Causal(eqx.Module):
    """Token i sees the tokens j <= i, itself among them.

    A normalised law averages over them; an unnormalised one keeps the masses of the whole measure.

    References:
        Karagodin, Polyanskiy, Rigollet, arXiv:2411.04990.
    """

    def block(self, i: Integer[Array, " r"], j: Integer[Array, " c"]) -> Bool[Array, "r c"]:
        """j <= i."""
        return j <= i[:, None]

    def amount(self, i: Integer[Array, " r"], j: Integer[Array, " c"]) -> Any:
        """By the ends of the two ranges."""
        xp = namespace(i, j)
        return xp.where(j.max() <= i.min(), 2, xp.where(j.min() <= i.max(), 1, 0))

    def check(self, m: int) -> None:
        """It fits any number of tokens."""


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

    def block(self, i: Integer[Array, " r"], j: Integer[Array, " c"]) -> Bool[Array, "r c"]:
        """s_j <= s_i."""
        s = namespace(i, j, self.labels).asarray(self.labels)
        return s[j] <= s[i][:, None]

    def check(self, m: int) -> None:
        """Whether there is a label for each token.

        Raises:
            InputError: there are not as many labels as tokens.
        """
        if self.labels.shape[0] != m:
            raise InputError(f"there are {self.labels.shape[0]} labels for {m} tokens; probes need labels too")


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

    def block(self, i: Integer[Array, " r"], j: Integer[Array, " c"]) -> Bool[Array, "r c"]:
        """A block of ``allowed``."""
        return namespace(i, j, self.allowed).asarray(self.allowed)[i[:, None], j]

    def check(self, m: int) -> None:
        """Whether the mask is for m tokens.

        Raises:
            InputError: it is for another number of them.
        """
        if self.allowed.shape[0] != m:
            raise InputError(f"the mask is for {self.allowed.shape[0]} tokens, and there are {m}; probes need rows and columns too")
