"""The mean-field equation on the circle: particles that start quietly, and a spectral method for densities with noise."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from .._brief import brief
from .._types import Array, Numbers
from ..errors import InputError
from .circle import circle_field

_TURN = 2 * np.pi


@dataclass(frozen=True)
class CircleFlow:
    """A solution on the circle at T times. Densities are relative to the uniform measure: their mean is 1.

    Attributes:
        times: shape (T,).
        theta: where the density is known, shape (T, n): angles of the particles, or the same grid at all times.
        density: there, shape (T, n).
        weights: mass of each particle, shape (T, n); of the grid's nodes, density / n.
    """

    times: np.ndarray
    theta: np.ndarray
    density: np.ndarray
    weights: np.ndarray
    __repr__ = brief


def circle_particles(
    density: Float[Array, " n"] | Callable[[np.ndarray], Numbers],
    beta: float,
    times: Sequence[float] | Float[Array, " T"],
    *,
    n: int = 256,
    law: str = "softmax",
    rtol: float = 1e-12,
    atol: float = 1e-13,
) -> CircleFlow:
    r"""$\partial_t f + \partial_\theta (f X[f]) = 0$ by its characteristics from a uniform grid of labels a, particles of mass f_0(a)/n:

    $$ \theta' = X[\mu](\theta), \qquad f_t(\theta(a)) = f_0(a) / \partial_a \theta(a), $$
    X by ``circle_field`` in O(n K). The start is quiet: the first n modes of the measure are those of f_0 to rounding, whereas n random
    tokens have an error of n^{-1/2} in each. The derivative is spectral, right until the particles stand in too few places.

    Args:
        density: f_0 >= 0, mean 1: n values at 2 pi j / n, or a function of the angles.
        beta: inverse temperature.
        times: increasing times >= 0.
        n: particles, where the density is a function.
        law: ``"softmax"``, ``"unnormalised"`` or ``"peak"``, see ``known_law``.
        rtol, atol: local tolerances.

    Raises:
        InputError: a density that is negative or whose mean is not 1, or times that do not increase.
    """
    from ..flows import integrate_ode

    label, f = _start(density, n)
    w = f / len(f)
    theta, now, found = label.copy(), 0.0, []
    for t in _checked_times(times):
        theta = integrate_ode(lambda y: circle_field(y, beta, w, law=law), theta, t - now, rtol=rtol, atol=atol).value
        now = t
        found.append(theta)
    paths = np.array(found)
    stretch = 1 + _derivative(paths - label)
    with np.errstate(divide="ignore"):
        return CircleFlow(np.asarray(times, float), paths, f / stretch, np.broadcast_to(w, paths.shape))


def circle_density(
    density: Float[Array, " n"] | Callable[[np.ndarray], Numbers],
    beta: float,
    times: Sequence[float] | Float[Array, " T"],
    *,
    n: int = 128,
    law: str = "softmax",
    kappa: float = np.inf,
    rtol: float = 1e-10,
    atol: float = 1e-12,
) -> CircleFlow:
    r"""$\partial_t f + \partial_\theta (f X[f]) = \kappa^{-1} \partial_\theta^2 f$ on a fixed grid, pseudo-spectral: products on the grid,
    derivatives in Fourier space, modes above n/3 left out of the flux.

    The cross-check of ``circle_particles``, and the solver for noise. Explicit steps: noise costs steps of kappa / n^2. Once the density is
    narrower than the grid the result is wrong; look at the last modes.

    Args:
        kappa: inverse noise, positive; inf for none.
        density, beta, times, n, law, rtol, atol: as in ``circle_particles``.

    Raises:
        InputError: as in ``circle_particles``; or kappa is not positive.
    """
    from ..flows import integrate_ode

    if not kappa > 0:
        raise InputError(f"kappa must be positive, got {kappa}; without noise leave it out")
    grid, f = _start(density, n)
    k = np.arange(len(f) // 2 + 1)
    kept = k <= len(f) // 3

    def slope(g):
        flux = np.fft.rfft(g * circle_field(grid, beta, g / len(g), law=law)) * kept
        return np.fft.irfft(-1j * k * flux - k**2 / kappa * np.fft.rfft(g), len(g))

    now, found = 0.0, []
    for t in _checked_times(times):
        f, now = integrate_ode(slope, f, t - now, rtol=rtol, atol=atol).value, t
        found.append(f)
    values = np.array(found)
    return CircleFlow(np.asarray(times, float), np.broadcast_to(grid, values.shape), values, values / len(grid))


def _start(density, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The grid and f_0 on it."""
    if callable(density):
        grid = _TURN * np.arange(n) / n
        f = np.broadcast_to(np.asarray(density(grid), float), grid.shape)
    else:
        f = np.asarray(density, float)
        grid = _TURN * np.arange(len(f)) / len(f)
    if not (f >= 0).all() or abs(f.mean() - 1) > 1e-9:
        raise InputError(f"density must be at least 0 and have mean 1 on the grid, got values from {f.min():.4g} with mean {f.mean():.9g}")
    return grid, f


def _checked_times(times) -> list[float]:
    listed = np.asarray(times, float)
    if listed.ndim != 1 or not listed.size or listed[0] < 0 or np.any(np.diff(listed) <= 0):
        raise InputError(f"times must increase from 0 or later, got {times}")
    return listed.tolist()


def _derivative(values: np.ndarray) -> np.ndarray:
    """d/da of periodic values on the grid of labels, along the last axis."""
    n = values.shape[-1]
    k = np.arange(n // 2 + 1)
    wave = np.fft.rfft(values) * 1j * k
    if n % 2 == 0:
        wave[..., -1] = 0
    return np.fft.irfft(wave, n)
