"""The mean-field equation on S^2: particles on a quadrature grid, the field by spherical harmonics."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .._brief import brief
from .._types import Array, Numbers
from ..errors import InputError
from ..geometry import normalize, tangent
from ..measures import Empirical
from .growth import log_funk_hecke
from .law import CLOCKS, finite, known_law


@dataclass(frozen=True)
class SphereFlow:
    """A solution on S^2: ``points`` (T, n, 3) at ``times`` (T,), of masses ``weights`` (n,)."""

    times: np.ndarray
    points: np.ndarray
    weights: np.ndarray
    __repr__ = brief

    def modes(self, degree: int) -> Float[np.ndarray, "T L"]:
        """The integrals of the harmonics up to a degree, in the order of ``real_harmonics``."""
        return np.stack([self.weights @ real_harmonics(x, degree) for x in self.points])


def sphere_grid(latitudes: int, longitudes: int) -> Empirical:
    """Gauss-Legendre circles of equispaced points of S^2: exact for polynomials of degree < min(2 latitudes, longitudes).

    Args:
        latitudes, longitudes: numbers, at least 1.

    Raises:
        InputError: a number below 1.
    """
    if latitudes < 1 or longitudes < 1:
        raise InputError(f"latitudes and longitudes must be at least 1, got {latitudes} and {longitudes}")
    z, mass = np.polynomial.legendre.leggauss(latitudes)
    phi, s = 2 * np.pi * np.arange(longitudes) / longitudes, np.sqrt(1 - z**2)
    x = np.stack([np.outer(s, np.cos(phi)), np.outer(s, np.sin(phi)), np.outer(z, np.ones(longitudes))], axis=-1)
    return Empirical(normalize(x.reshape(-1, 3)), np.repeat(mass / (2 * longitudes), longitudes))


def real_harmonics(x: Float[Array, "n 3"], degree: int) -> Float[np.ndarray, "n L"]:
    r"""Real spherical harmonics of S^2, orthonormal for the uniform probability: columns (k, m), k = 0 ... ``degree``, m = -k ... k.

    Y_{k,m} = Q_k^m(z) Re (x + iy)^m for m >= 0, Y_{k,-m} with Im; Q by the stable three-term recurrence. No pole is special.

    Args:
        x: points of S^2.
        degree: largest k >= 0; column (k, m) is number k^2 + k + m.
    """
    u, v, z = np.asarray(x, float).T
    found = np.empty(((degree + 1) ** 2, len(z)))
    cosine, sine, diagonal = np.ones(len(z)), np.zeros(len(z)), 1.0  # Re and Im of (x + iy)^m
    for m in range(degree + 1):
        if m:
            cosine, sine = cosine * u - sine * v, cosine * v + sine * u
            diagonal *= np.sqrt(3.0 if m == 1 else (2 * m + 1) / (2 * m))
        before, now = np.zeros(len(z)), np.full(len(z), diagonal)
        for k in range(m, degree + 1):
            if k > m:
                span = (k - m) * (k + m)
                lead = np.sqrt((4 * k * k - 1) / span)
                lag = np.sqrt((2 * k + 1) * (k + m - 1) * (k - m - 1) / (span * (2 * k - 3)))
                before, now = now, lead * z * now - lag * before
            found[k * k + k + m] = now * cosine
            if m:
                found[k * k + k - m] = now * sine
    return found.T


def sphere_field(
    x: Float[Array, "n 3"], beta: float, weights: Float[Array, " n"] | None = None, *, law: str = "softmax", degree: int | None = None
) -> Float[np.ndarray, "n 3"]:
    r"""x' of tokens of S^2, Q = K = V = I, in O(n L^2) by the theorem of Funk and Hecke,

    $$ \int e^{\beta \langle x, y \rangle} g(y) \, \mu(dy) = \sum_k \Lambda_k \sum_m Y_{km}(x) \int Y_{km} \, g \, d\mu, $$
    for g = 1 and for the three coordinates; then projected. L is about $\sqrt{2 \beta \ln(1/\epsilon)}$. Accurate relative to e^{beta}, as
    ``circle_field``.

    Args:
        x: the tokens.
        beta: positive.
        weights: with sum 1; equal if None.
        law: ``"softmax"``, ``"unnormalised"`` or ``"peak"``, see ``known_law``.
        degree: L; as many as matter in float64 if None.

    Raises:
        InputError: beta not positive, an unknown law, or overflow.
    """
    x = np.asarray(x, float)
    w = np.full(len(x), 1 / len(x)) if weights is None else np.asarray(weights, float)
    k = np.arange((int(np.sqrt(80 * beta)) + 30 if degree is None else degree) + 1)
    log_size = log_funk_hecke(k, beta, 3) - beta
    if degree is None:
        k = k[log_size > log_size[0] - 42]  # e^{-42} is rounding
    sizes = np.repeat(np.exp(log_size[k]), 2 * k + 1)
    Y = real_harmonics(x, int(k[-1]))
    seen = Y @ (sizes[:, None] * (Y.T @ (w[:, None] * np.column_stack([np.ones(len(x)), x]))))
    if known_law(law) == "softmax":
        return tangent(x, seen[:, 1:] / seen[:, :1])
    with np.errstate(over="ignore", invalid="ignore"):
        return tangent(x, finite(seen[:, 1:] * np.exp(beta * (1 - CLOCKS[law])), "the speed", law, beta))


def sphere_particles(
    density: Callable[[np.ndarray], Numbers],
    beta: float,
    times: Sequence[float] | Float[Array, " T"],
    *,
    latitudes: int = 20,
    longitudes: int = 40,
    law: str = "softmax",
    rtol: float = 1e-11,
    atol: float = 1e-12,
) -> SphereFlow:
    r"""$\partial_t \mu + \operatorname{div}(\mu X[\mu]) = 0$ on S^2 from mu_0 = f_0 sigma, by particles that start on ``sphere_grid``.

    Their masses are those of the quadrature times f_0, so that all low harmonics of the start are exact (a quiet start).

    Args:
        density: f_0 >= 0 as a function of points (n, 3), mean 1.
        beta: positive.
        times: increasing times >= 0.
        latitudes, longitudes: of the grid.
        law: ``"softmax"``, ``"unnormalised"`` or ``"peak"``, see ``known_law``.
        rtol, atol: local tolerances.

    Raises:
        InputError: a density that is negative or whose mean is not 1, or times that do not increase.
    """
    from ..flows import integrate_ode

    grid, listed = sphere_grid(latitudes, longitudes), np.asarray(times, float)
    if listed.ndim != 1 or not listed.size or listed[0] < 0 or np.any(np.diff(listed) <= 0):
        raise InputError(f"times must increase from 0 or later, got {times}")
    w = grid.weights * np.broadcast_to(np.asarray(density(np.asarray(grid.points)), float), (grid.size,))
    if not (w >= 0).all() or abs(w.sum() - 1) > 1e-9:
        raise InputError(f"density must be at least 0 and have mean 1 on the grid, got masses from {w.min():.4g} with sum {w.sum():.9g}")
    x, now, found = np.asarray(grid.points), 0.0, []
    for t in listed.tolist():
        x = normalize(integrate_ode(lambda y: sphere_field(normalize(y), beta, w, law=law), x, t - now, rtol=rtol, atol=atol).value)
        now = t
        found.append(x)
    return SphereFlow(listed, np.array(found), w)
