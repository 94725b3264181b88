"""Regular polygons of equal clusters on the circle: how fast they fall apart."""

import numpy as np

from .._types import Numbers
from ..errors import InputError
from .law import CLOCKS, finite, known_law


def interaction_slope(t: Numbers, beta: float, *, shift: float = 0.0) -> Numbers:
    r"""$g(t) = (\cos t - \beta \sin^2 t) e^{\beta \cos t}$, the derivative of sin(t) e^{beta cos t}; times $e^{-\beta \, shift}$.

    Negative outside |t| < tau*, where beta sin^2 tau* = cos tau* (about beta^{-1/2}): tokens further apart than tau* push each other's
    perturbations apart.

    References:
        arXiv:2312.10794, Section 5 (Figure 6).
    """
    t = np.asarray(t, float)
    return (np.cos(t) - beta * np.sin(t) ** 2) * np.exp(beta * (np.cos(t) - shift))


def polygon_rates(k: int, beta: float, *, law: str = "softmax") -> Numbers:
    r"""Growth rates of the perturbations $\delta \theta_m = e^{2 \pi i p m / k}$ of k equispaced equal clusters, p = 0, ..., k - 1:

    $$ \lambda_p = -\frac1Z \sum_{m=0}^{k-1} g\Bigl(\frac{2 \pi m}{k}\Bigr) \Bigl(1 - \cos \frac{2 \pi p m}{k}\Bigr), \qquad
       Z = \sum_m e^{\beta \cos(2 \pi m / k)} \text{ (softmax)}, \; k \text{ (unnormalised)}, $$
    the eigenvalues of the exact (circulant) Jacobian. lambda_0 = 0 is the rotation; the largest is the inverse lifetime of the polygon.

    Args:
        k: number of clusters, at least 1.
        beta: inverse temperature.
        law: ``"softmax"``, ``"unnormalised"`` or ``"peak"``, see ``known_law``.

    Raises:
        InputError: k below 1, another law, or overflow.

    Example:
        >>> polygon_rates(4, 4.0, law="unnormalised")[2].round(12)  # beta itself
        np.float64(4.0)
    """
    if k < 1:
        raise InputError(f"k must be at least 1 cluster, got {k}")
    m = np.arange(k)
    angle = 2 * np.pi * m / k
    shift = float(np.sign(beta)) if known_law(law) == "softmax" else CLOCKS[law]
    with np.errstate(over="ignore", invalid="ignore"):
        slope = interaction_slope(angle, beta, shift=shift)
        mass = np.exp(beta * (np.cos(angle) - shift)).sum() if law == "softmax" else k
        turned = 1 - np.cos(2 * np.pi * np.outer(m, m) / k)
        slope[0] = 0.0  # its factor is 0 for every p
        return finite(-(turned @ slope) / mass, "a rate", law, beta)
