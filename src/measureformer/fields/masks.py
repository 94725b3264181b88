"""Masks: which atoms a token sees. Any law under a mask is the law of another measure for each token."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Integer

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
