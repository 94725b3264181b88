"""Values of the interaction energy: Dirac masses, the uniform measure, independent uniform tokens."""

import numpy as np

from .._types import Numbers
from ..errors import InputError
from .growth import log_funk_hecke


def dirac_energy(beta: Numbers) -> Numbers:
    r"""$E_\beta[\delta_x] = e^\beta / 2\beta$, the maximum (normalisation ``"measure"`` of ``diagnostics.interaction_energy``).

    Args:
        beta: positive.

    References:
        arXiv:2312.10794, Proposition 3.4.
    """
    beta = _positive(beta)
    return np.exp(beta) / (2 * beta)


def uniform_energy(beta: Numbers, d: int) -> Numbers:
    r"""$E_\beta[\sigma] = \Lambda_0 / 2\beta$, the minimum, with Lambda_0 of ``log_funk_hecke`` (sinh beta / beta for d = 3).

    Args:
        beta: positive.
        d: dimension of the space, at least 2.

    References:
        arXiv:2312.10794, Proposition 3.4.
    """
    beta = _positive(beta)
    return np.exp(log_funk_hecke(0, beta, d)) / (2 * beta)


def mean_energy(beta: Numbers, d: int, n: int) -> Numbers:
    r"""The mean energy of n independent uniform tokens: $\frac{1}{2\beta} [e^\beta / n + (1 - 1/n) \Lambda_0]$.

    Args:
        beta: positive.
        d: dimension of the space, at least 2.
        n: number of tokens, at least 1.
    """
    return dirac_energy(beta) / n + (1 - 1 / n) * uniform_energy(beta, d)


def _positive(beta) -> Numbers:
    beta = np.asarray(beta, float)
    if not ((beta > 0) & (beta < 700)).all():
        raise InputError(f"beta must lie in (0, 700), got {beta}; beyond, divide by e^beta and use log_funk_hecke")
    return beta
