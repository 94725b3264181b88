"""Masks: which atoms a token sees. Any law under a mask is the law of another measure for each token."""

import equinox as eqx
import numpy as np
from jaxtyping import Bool, Integer

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
