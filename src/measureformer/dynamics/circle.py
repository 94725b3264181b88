"""Attention on the circle in O(n K): the kernel e^{beta cos t} has few Fourier modes."""

import numpy as np
from jaxtyping import Float

from .._types import Array
from ..errors import InputError
from .law import CLOCKS, finite, known_law


def circle_field(
    theta: Float[Array, " n"],
    beta: float,
    weights: Float[Array, " n"] | None = None,
    *,
    at: Float[Array, " m"] | None = None,
    law: str = "softmax",
    modes: int | None = None,
) -> Float[np.ndarray, " m"]:
    r"""theta' of tokens x = (cos theta, sin theta), Q = K = V = I, by the Jacobi-Anger expansion $e^{\beta \cos t} = \sum_k I_k e^{ikt}$:

    $$ -\int e^{\beta \cos(\theta - \phi)} \sin(\theta - \phi) \, \mu(d\phi) = -\frac2\beta \sum_{k \ge 1} k I_k(\beta) \,
       \mathrm{Im}(m_k e^{ik\theta}), \qquad m_k = \int e^{-ik\phi} \, \mu(d\phi), $$
    divided, for softmax, by $I_0 + 2 \sum_{k \ge 1} I_k \mathrm{Re}(m_k e^{ik\theta})$. O(n K) operations, O(n) memory, with
    K about $\sqrt{2 \beta \ln(1/\epsilon)}$ modes. The sums are accurate to rounding error relative to e^{|beta|}: softmax loses a factor
    of at most 1/weight at the tokens themselves, and up to e^{2 |beta|} far from all mass.

    Args:
        theta: angles of the tokens in radians.
        beta: inverse temperature, of any sign.
        weights: of the tokens, with sum 1; equal if None.
        at: where the field is wanted (passive probes); at the tokens if None.
        law: ``"softmax"``, ``"unnormalised"`` or ``"peak"``, see ``known_law``.
        modes: K; as many as matter in float64 if None.

    Raises:
        InputError: modes below 1, an unknown law, or overflow.

    References:
        arXiv:2312.10794, Section 7 (circle); Jacobi-Anger expansion, DLMF 10.35.2.
    """
    if modes is not None and modes < 1:
        raise InputError(f"modes must be at least 1, got {modes}")
    theta = np.asarray(theta, float)
    w = np.full(theta.size, 1 / theta.size) if weights is None else np.asarray(weights, float)
    bessel, slopes = _coefficients(beta, modes)
    turn = np.exp(1j * theta)
    probe = turn if at is None else np.exp(1j * np.asarray(at, float))
    power, seen = np.ones_like(turn), np.ones_like(probe)
    drift, mass = np.zeros(probe.size), np.full(probe.size, bessel[0] * w.sum())
    for k in range(1, len(bessel)):
        power = power * turn
        seen = power if at is None else seen * probe
        mode = (w @ power.conj()) * seen
        drift -= 2 * slopes[k] * mode.imag
        mass += 2 * bessel[k] * mode.real
    if known_law(law) == "softmax":
        return drift / mass
    with np.errstate(over="ignore", invalid="ignore"):
        return finite(drift * np.exp(abs(beta) - beta * CLOCKS[law]), "the speed", law, beta)


def _coefficients(beta: float, modes: int | None) -> tuple[np.ndarray, np.ndarray]:
    """I_k(beta) and k I_k(beta)/beta = (I_{k-1} - I_{k+1})/2 for k = 0, ..., K, all times e^{-|beta|}."""
    from scipy.special import ive

    size = abs(beta)
    k = np.arange((modes or int(np.sqrt(80 * size)) + 60) + 2)
    bessel = ive(k, size)
    slopes = np.zeros(len(k))
    slopes[1:-1] = (bessel[:-2] - bessel[2:]) / 2 if size < 1 else k[1:-1] * bessel[1:-1] / size
    bessel, slopes = bessel[:-1], slopes[:-1]
    if modes is None:
        last = int(np.flatnonzero(np.maximum(slopes, bessel) > 1e-18 * bessel[0])[-1]) + 1
        bessel, slopes = bessel[:last], slopes[:last]
    if beta < 0:  # I_k(-b) = (-1)^k I_k(b)
        bessel, slopes = bessel * (-1.0) ** np.arange(len(bessel)), slopes * (-1.0) ** (np.arange(len(slopes)) - 1)
    return bessel, slopes
