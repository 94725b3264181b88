"""Linear growth of perturbations of the uniform measure, mode by mode, in every dimension."""

import numpy as np

from .._types import Numbers
from ..errors import InputError
from .law import CLOCKS, known_law, known_sign
from .special import increasing_root


def log_funk_hecke(k: Numbers, beta: Numbers, d: int) -> Numbers:
    r"""$\log \Lambda_k$ for beta > 0, where $\int e^{\beta \langle x, y \rangle} Y_k(y) \, \sigma(dy) = \Lambda_k Y_k(x)$:

    $$ \Lambda_k(\beta) = \Gamma(d/2) (2/\beta)^\nu I_{k + \nu}(\beta), \qquad \nu = d/2 - 1. $$

    For negative beta, Lambda_k(-beta) = (-1)^k Lambda_k(beta).

    Args:
        k: degrees of the harmonics, at least 0.
        beta: inverse temperatures > 0.
        d: dimension of the space, at least 2.

    Raises:
        InputError: beta not positive, or d below 2.

    References:
        Funk-Hecke formula; arXiv:2312.10794, proof of Proposition 3.4.
    """
    from scipy.special import gammaln, hyp0f1, ive

    k, beta = np.broadcast_arrays(np.asarray(k, float), np.asarray(beta, float))
    if d < 2 or not (beta > 0).all():
        raise InputError(f"d must be at least 2 and beta positive, got d = {d} and beta = {beta}")
    order = k + d / 2
    small = beta**2 / 4 < 50 * order  # there the power series is short and does not overflow; I_k itself may underflow
    series = gammaln(d / 2) - gammaln(order) + k * np.log(beta / 2) + np.log(hyp0f1(order, np.where(small, beta**2 / 4, 0.0)))
    with np.errstate(divide="ignore"):
        bessel = gammaln(d / 2) + (d / 2 - 1) * np.log(2 / beta) + np.log(ive(order - 1, beta)) + beta
    return np.where(small, series, bessel)


def growth_rate(k: Numbers, beta: Numbers, d: int, *, law: str = "softmax", sign: float = 1.0, kappa: float = np.inf) -> Numbers:
    r"""omega_k: how fast a harmonic f of degree k grows in mu = (1 + eps f) sigma, Q = K = I, V = sign I:

    $$ \omega_k = \pm k(k+d-2) \frac{\Lambda_k}{\beta} \text{ (unnormalised)}, \qquad
       \omega_k = \pm k(k+d-2) \frac{\Lambda_k}{\beta \Lambda_0} \text{ (softmax)}, $$
    less k(k+d-2)/kappa for noise dX = ... + (2/kappa)^{1/2} dW. At beta = 0 the limits: (d-1)/d for k = 1, else 0. For negative beta
    odd modes grow and even ones decay.

    Args:
        k: degrees, at least 0.
        beta: inverse temperatures of any sign.
        d: dimension of the space, at least 2.
        law: ``"softmax"``, ``"unnormalised"`` or ``"peak"``, see ``known_law``.
        sign: +1, or -1 for repulsion.
        kappa: inverse noise; inf for none.

    Raises:
        InputError: an argument out of range; overflow of the unnormalised law.

    Example:
        >>> growth_rate([1, 2, 3, 4], 5.0, 2).round(8)
        array([0.17867663, 0.5141174 , 0.68267833, 0.60008914])
    """
    k, beta = np.broadcast_arrays(np.asarray(k, float), np.asarray(beta, float))
    size = np.where(beta == 0, 1.0, abs(beta))
    scale = -log_funk_hecke(0, size, d) if known_law(law) == "softmax" else -beta * CLOCKS[law]
    log_pull = log_funk_hecke(k, size, d) + scale
    if law == "unnormalised" and (log_pull > 700).any():
        raise InputError(f"a rate overflows at beta = {beta.max()}; law='peak' measures time so that it does not")
    parity = np.where((beta < 0) & (k % 2 == 0), -1.0, 1.0)  # (-1)^k / sign(beta)
    pull = np.where(beta == 0, np.where(k == 1, 1 / d, 0.0), parity * np.exp(log_pull) / size)
    return k * (k + d - 2) * (known_sign(sign) * pull - 1 / kappa)


def fastest_mode(beta: float, d: int) -> int:
    r"""k_max = argmax_k omega_k, the same for both laws; about $\sqrt{2 \beta}$ for large beta (k(k+d-2) = 2 beta).

    The number of clusters that first appear near uniform on the circle (2410.23228).

    Args:
        beta: positive.
        d: dimension of the space, at least 2.
    """
    k = np.arange(1, int(2 * np.sqrt(2 * beta)) + 4)
    return int(k[np.argmax(np.log(k * (k + d - 2)) + log_funk_hecke(k, beta, d))])


def switch_betas(d: int, count: int) -> Numbers:
    """The beta at which k_max goes from k to k + 1, k = 1, ..., ``count``: omega_k = omega_{k+1}.

    Args:
        d: dimension of the space, at least 2.
        count: how many, at least 1.

    Raises:
        InputError: d below 2.

    Example:
        >>> switch_betas(2, 3).round(5)
        array([1.04446, 3.16543, 6.2113 ])
    """

    def lead(beta: float, k: int) -> float:
        """log omega_{k+1} - log omega_k, increasing like I_{k+1+nu}/I_{k+nu}, which goes from 0 to 1."""
        before, after = (np.log(j * (j + d - 2)) + float(log_funk_hecke(j, beta, d)) for j in (k, k + 1))
        return after - before

    return np.array([increasing_root(lambda beta, k=k: lead(beta, k), 1e-9) for k in range(1, count + 1)])


def noise_threshold(beta: Numbers, d: int, *, law: str = "softmax") -> Numbers:
    r"""kappa_c: above it (less noise) the uniform measure is unstable, below it stable; mode 1 is the first to grow.

    $$ \kappa_c = \frac{\beta}{\Lambda_1} = \frac{\beta^{d/2}}{2^\nu \Gamma(d/2) I_{d/2}(\beta)} \text{ (unnormalised)}, \qquad
       \kappa_c = \frac{\beta I_\nu(\beta)}{I_{1+\nu}(\beta)} \text{ (softmax)}; $$
    both tend to d as beta -> 0.

    Args:
        beta: inverse temperatures >= 0.
        d: dimension of the space, at least 2.
        law: ``"softmax"``, ``"unnormalised"`` or ``"peak"``, see ``known_law``.

    Raises:
        InputError: an argument out of range.

    References:
        arXiv:2512.01868; linearisation of the Fokker-Planck equation mu_t = Lap mu / kappa - div(mu X[mu]).
    """
    return (d - 1) / growth_rate(1, beta, d, law=law)
