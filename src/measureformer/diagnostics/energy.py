"""Interaction energies of attention, in the normalisations that are in print, and the rate at which a flow changes them."""

import numpy as np
from jaxtyping import Float

from .._types import Array, OptionalArray, namespace
from ..errors import InputError
from ..geometry import tangent
from ..kernels import exponential_sums, pair_sums
from .harmonic_mass import log_masses_by_harmonics

# What multiplies S = iint e^{b <V x, y>} dmu dmu, as its logarithm, a function of b and of the number of tokens.
NORMALISATIONS = {
    "measure": lambda beta, n: -np.log(2 * beta),
    "sum": lambda beta, n: 2 * np.log(n) - np.log(2 * beta),
    "shifted": lambda beta, n: -beta - np.log(2 * beta),
    "unit": lambda beta, n: -beta,
    "centred": lambda beta, n: -np.log(2 * beta),
}

# The laws with a dissipation identity; "l2" stands for the mean shift.
GRADIENT_FLOWS = ("softmax", "unnormalised", "linear", "sigmoid", "sinkhorn", "l2")


def interaction_energy(
    points: Float[Array, "*batch n d"],
    beta: float,
    weights: Float[Array, "*batch n"] | None = None,
    *,
    V: Float[Array, "d d"] | None = None,
    normalisation: str = "measure",
) -> Float[Array, "*batch"] | np.floating | float:
    r"""The energy that attention with V = Q^T K increases, a multiple of $S = \iint e^{\beta \langle V x, y \rangle} \mu(dx) \mu(dy)$:

    | normalisation | energy | in print |
    |---|---|---|
    | ``"measure"`` | $S / 2\beta$; for n equal tokens $S = n^{-2} \sum_{ij}$ | 2312.10794, Section 3 |
    | ``"sum"`` | $n^2 S / 2\beta$, the sum without $1/n^2$ | 2312.10794, Section 3.4 |
    | ``"shifted"`` | $S / (2 \beta e^\beta)$ | 2410.06833, text |
    | ``"unit"`` | $S / e^\beta$, in (0, 1] on the sphere; clusters far apart give the sum of their masses squared | 2410.06833, figures |
    | ``"centred"`` | $(S - 1) / 2\beta$, which tends to $\frac12 \langle V m, m \rangle$, m the mean, as beta -> 0 | |

    At beta = 0 the energy of Appendix A of 2312.10794, $n^{-1} \sum_{ij} \langle x_i, x_j \rangle$, is 2n times ``"centred"``.
    Scores are shifted by their maximum, so that nothing overflows before the result does; memory is O(n) for each measure.

    Args:
        points: tokens; leading axes are batches of measures (or times).
        beta: inverse temperature; positive, for ``"centred"`` and ``"unit"`` any number.
        weights: of the tokens, with sum 1; equal if None.
        V: symmetric matrix; the identity if None.
        normalisation: one of the names above.

    Raises:
        InputError: an unknown normalisation, a beta out of its range, a matrix that is not symmetric, or overflow.

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2312.10794, Section 3; Geshkovski, Koubbi, Polyanskiy, Rigollet, arXiv:2410.06833.

    Example:
        >>> float(interaction_energy(np.eye(3), 50.0, normalisation="unit"))  # three clusters of mass 1/3
        0.333...
    """
    _known(normalisation)
    if not (np.isfinite(beta) and (beta > 0 or normalisation in ("unit", "centred"))):
        raise InputError(f"beta must be positive for normalisation {normalisation!r}, got {beta}; 'unit' and 'centred' take any")
    xp, n = namespace(points, weights), points.shape[-2]
    w = equal_if_none(points, weights)
    if normalisation == "centred":
        return _centred(points, beta, w, V)
    log_mass = log_partition(points, beta, w, V=V)
    top = log_mass.max(-1)
    log_energy = top + xp.log((w * xp.exp(log_mass - top[..., None])).sum(-1)) + NORMALISATIONS[normalisation](beta, n)
    if xp is np and np.max(log_energy) > np.log(np.finfo(log_energy.dtype).max):
        raise InputError(f"the energy e^{np.max(log_energy):.0f} overflows at beta = {beta}; normalisation='unit' stays in (0, 1]")
    return xp.exp(log_energy)


def log_partition(
    points: Float[Array, "*batch n d"],
    beta: float,
    weights: Float[Array, "*batch n"] | None = None,
    *,
    V: Float[Array, "d d"] | None = None,
) -> Float[Array, "*batch n"]:
    r"""$\log Z_i$ with $Z_i = \sum_j w_j e^{\beta \langle V x_i, x_j \rangle}$: what softmax divides by, and the weight of its metric.

    On the sphere and with V = I, -beta <= log Z_i <= beta. For n equal tokens the sum without weights is n Z_i. Thousands of tokens (NumPy)
    on the circle or S^2 are summed in linear time, to 1e-11.

    Args, Raises: as in ``interaction_energy``.
    """
    xp, w = namespace(points, weights), equal_if_none(points, weights)
    queries = beta * _images(points, V)
    if xp is not np or points.ndim != 2:
        return _log_mass(queries, points, w)
    log_mass, far = log_masses_by_harmonics(points, float(beta), w, V)
    if len(far):
        log_mass[far] = _log_mass(queries[far], points, w)
    return log_mass


def _log_mass(queries, points, w):
    """The same for any queries, over all pairs."""
    _, mass, shift = exponential_sums(queries, points, w, points[..., :0])
    return shift + namespace(mass).log(mass)


def energy_rate(
    points: Float[Array, "*batch n d"],
    velocities: Float[Array, "*batch n d"],
    beta: float,
    weights: Float[Array, "*batch n"] | None = None,
    *,
    V: Float[Array, "d d"] | None = None,
    normalisation: str = "measure",
) -> Float[Array, "*batch"] | np.floating | float:
    r"""dE/dt along any velocities, by the chain rule: $\sum_{ij} w_i w_j e^{\beta \langle V x_i, x_j \rangle} \langle V x_j, v_i \rangle$.

    The formula is for the normalisation ``"measure"``. The other side of the dissipation identity, ``dissipation``, knows the law.

    Args: as in ``interaction_energy``; ``velocities`` are tangent vectors v_i at the points, per unit of time.
    """
    xp, w = namespace(points, velocities, weights), equal_if_none(points, weights)
    images = _images(points, V)
    pull, _, shift = exponential_sums(beta * images, points, w, images)
    return (w * xp.exp(shift + log_scale(beta, points.shape[-2], normalisation)) * (pull * velocities).sum(-1)).sum(-1)


def dissipation(
    points: Float[Array, "*batch n d"],
    velocities: Float[Array, "*batch n d"],
    beta: float,
    weights: Float[Array, "*batch n"] | None = None,
    *,
    V: Float[Array, "d d"] | None = None,
    law: str = "softmax",
    normalisation: str = "measure",
) -> Float[Array, "*batch"] | np.floating | float:
    r"""The squared speed in the metric of which the law is the gradient flow; it equals dE/dt (minus it for the repulsive sign):

    $$ \int |v|^2 d\mu, \qquad \text{for softmax } \int Z |v|^2 d\mu, \quad Z(x) = \int e^{\beta \langle V x, y \rangle} \mu(dy),
       \qquad \text{for the mean shift } \int Z |v|^2 d\mu, \quad Z(x) = \int e^{-\beta \langle x - y, V (x - y) \rangle} \mu(dy). $$

    Args: as in ``energy_rate``; ``law`` is one of ``GRADIENT_FLOWS``, ``"unnormalised"`` with time as for the kernel e^{beta <x,y>};
        another normalisation than ``"measure"`` is for the exponential kernels, those of softmax and unnormalised.

    Raises:
        InputError: another law, or a normalisation that it does not have.

    References:
        arXiv:2312.10794, Section 3; Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322.
    """
    if law not in GRADIENT_FLOWS:
        raise InputError(f"law {law!r} has no known dissipation identity; choose one of {', '.join(GRADIENT_FLOWS)}")
    if normalisation != "measure" and law not in ("softmax", "unnormalised"):
        raise InputError(f"normalisation {normalisation!r} is for exponential kernels; the energy of {law!r} has one only, 'measure'")
    xp = namespace(points, velocities, weights)
    w = equal_if_none(points, weights)
    squared = (velocities * velocities).sum(-1)
    shift = log_scale(beta, points.shape[-2], normalisation)
    if law == "softmax":
        return (w * xp.exp(log_partition(points, beta, w, V=V) + shift) * squared).sum(-1)
    if law == "l2":
        return (w * closeness(points, beta, w, V=V) * squared).sum(-1)
    return (w * squared).sum(-1) * float(np.exp(shift))


def closeness(
    points: Float[Array, "*batch n d"],
    beta: float,
    weights: Float[Array, "*batch n"] | None = None,
    *,
    V: Float[Array, "d d"] | None = None,
) -> Float[Array, "*batch n"]:
    r"""$Z_i = \sum_j w_j e^{-\beta \langle x_i - x_j, V (x_i - x_j) \rangle}$: what L2 attention divides by if V = Q^T Q = Q^T K.

    Args, Raises: as in ``interaction_energy``.
    """
    xp, images = namespace(points, weights), _images(points, V)
    size = (points * images).sum(-1, keepdims=True)
    queries = xp.concatenate([2 * beta * images, xp.full_like(size, -beta)], -1)
    _, mass, shift = exponential_sums(queries, xp.concatenate([points, size], -1), equal_if_none(points, weights), points[..., :0])
    return mass * xp.exp(shift - beta * size[..., 0])


def energy_gradient(
    points: Float[Array, "n d"], beta: float, weights: Float[Array, " n"] | None = None, *, V: Float[Array, "d d"] | None = None
) -> Float[Array, "n d"]:
    r"""The W_2 gradient of E at the tokens: $P_{x_i} \sum_j w_j e^{\beta \langle V x_i, x_j \rangle} V x_j$, the unnormalised field.

    Args: as in ``interaction_energy``.
    """
    images = _images(points, V)
    pull, _, shift = exponential_sums(beta * images, points, equal_if_none(points, weights), images)
    return tangent(points, namespace(shift).exp(shift)[:, None] * pull)


def log_scale(beta: float, n: int, normalisation: str) -> float:
    """The logarithm of dE/dt over its value for ``"measure"``."""
    _known(normalisation)
    return 0.0 if normalisation in ("measure", "centred") else float(NORMALISATIONS[normalisation](beta, n) + np.log(2 * beta))


def _known(normalisation: str) -> None:
    if normalisation not in NORMALISATIONS:
        raise InputError(f"normalisation {normalisation!r} is not known; choose one of {', '.join(NORMALISATIONS)}")


def _centred(points, beta: float, weights, V):
    """sum_ij w_i w_j expm1(b <V x_i, x_j>) / 2b, with its limit at b = 0."""
    xp, images = namespace(points, weights), _images(points, V)
    if beta == 0:
        mean = (weights[..., None] * points).sum(-2)
        return (mean * (weights[..., None] * images).sum(-2)).sum(-1) / 2
    each = pair_sums(xp.expm1, beta * images, points, weights[..., None])[..., 0]
    return (weights * each).sum(-1) / (2 * beta)


def equal_if_none(points, weights: OptionalArray) -> Array:
    """The weights, or 1/n each."""
    xp = namespace(points, weights)
    return xp.full(points.shape[:-1], 1 / points.shape[-2], points.dtype) if weights is None else weights


def _images(points, V):
    """V x at each token."""
    return points if V is None else points @ symmetric(V)


def symmetric(V):
    """V itself, which must be symmetric."""
    if isinstance(V, np.ndarray) and not np.allclose(V, V.T, rtol=0, atol=1e-12 * max(1.0, float(abs(V).max()))):
        raise InputError("V must be symmetric for the energy to exist; the largest |V - V^T| is " + f"{abs(V - V.T).max():.3g}")
    return V
