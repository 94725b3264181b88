"""Densities on the sphere that can be sampled exactly: von Mises-Fisher, uniform on a cap, and mixtures."""

from typing import Protocol, runtime_checkable

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from ..geometry import distance, normalize, tangent


@runtime_checkable
class Density(Protocol):
    """A probability measure with a density with respect to the area of the sphere S^{d-1}."""

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent points, shape (n, d)."""
        ...

    def log_density(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """The logarithm of the density at points of the sphere, -inf off the support."""
        ...


class VonMisesFisher(eqx.Module):
    r"""The density exp(kappa <m, x>) / Z, with $Z = (2\pi)^{d/2} \kappa^{1-d/2} I_{d/2-1}(\kappa)$; uniform for kappa = 0.

    Args:
        mean: the unit vector m, shape (d,), d >= 2.
        concentration: kappa >= 0, finite.

    Raises:
        InputError: the mean is not a unit vector, or kappa is negative or not finite.

    References:
        Ulrich, Computer generation of distributions on the m-sphere, Appl. Statist. 33 (1984); Wood, Simulation of the von Mises Fisher
        distribution, Commun. Statist. Simul. 23 (1994).
    """

    mean: Float[Array, " d"]
    concentration: float

    def __init__(self, mean, concentration: float):
        self.mean, self.concentration = _unit(mean, "mean"), float(concentration)
        if not (np.isfinite(concentration) and concentration >= 0):
            raise InputError(f"concentration must be finite and at least 0, got {concentration}")

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent points, exactly: the height <m, x> by rejection from a rational function of a beta variable."""
        a, kappa = (self.mean.size - 1) / 2, self.concentration
        b = a / (kappa + np.hypot(kappa, a))
        depth = np.empty(0)  # 1 - <m, x>, which keeps its digits when kappa is large
        while depth.size < n:
            beta = rng.beta(a, a, size=n)
            drawn = 2 * b * beta / (1 - (1 - b) * beta)
            # the envelope is (1 - x0 height)^{-2a} with x0 = (1-b)/(1+b); the ratio to it is largest at height x0
            mode = 2 * b / (1 + b)
            ratio = kappa * (mode - drawn) + 2 * a * np.log((mode + (1 - mode) * drawn) / (mode + (1 - mode) * mode))
            depth = np.concatenate([depth, drawn[np.log1p(-rng.random(n)) <= ratio]])
        return _round(self.mean, 1 - depth[:n], np.sqrt(depth[:n] * (2 - depth[:n])), rng)

    def log_density(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """kappa <m, x> - log Z."""
        from scipy.special import gammaln, hyp0f1, ive

        d, kappa = self.mean.size, self.concentration
        if kappa < d / 2:  # Z = |S^{d-1}| 0F1(d/2, kappa^2/4) does not mind kappa -> 0
            log_z = np.log(2) + d / 2 * np.log(np.pi) - gammaln(d / 2) + np.log(hyp0f1(d / 2, kappa**2 / 4))
        else:
            log_z = d / 2 * np.log(2 * np.pi) + (1 - d / 2) * np.log(kappa) + np.log(ive(d / 2 - 1, kappa)) + kappa
        return kappa * (x @ self.mean) - float(log_z)


class UniformOnCap(eqx.Module):
    """The uniform law on the closed cap {x : d(x, center) <= radius}; on the whole sphere for radius = pi.

    Args:
        center: unit vector, shape (d,), d >= 2.
        radius: in (0, pi], radians.

    Raises:
        InputError: the center is not a unit vector, or the radius is out of range.
    """

    center: Float[Array, " d"]
    radius: float

    def __init__(self, center, radius: float):
        self.center, self.radius = _unit(center, "center"), float(radius)
        if not 0 < radius <= np.pi:
            raise InputError(f"radius must lie in (0, pi] radians, got {radius}")

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent points: sin^2 of half the angle to the centre has a beta law on the sphere, cut off here at the rim."""
        from scipy.special import betainc, betaincinv

        a = (self.center.size - 1) / 2
        half = betaincinv(a, a, rng.random(n) * betainc(a, a, np.sin(self.radius / 2) ** 2))
        return _round(self.center, 1 - 2 * half, 2 * np.sqrt(half * (1 - half)), rng)

    def log_density(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """Minus the logarithm of the cap's area inside, -inf outside."""
        from scipy.special import betainc, gammaln

        d = self.center.size
        area = np.log(2) + d / 2 * np.log(np.pi) - gammaln(d / 2)
        a = (d - 1) / 2
        inside = distance(x, self.center) <= self.radius
        return namespace(x).where(inside, -float(area + np.log(betainc(a, a, np.sin(self.radius / 2) ** 2))), -np.inf)


class Mixture(eqx.Module):
    """sum_k weights_k rho_k.

    Args:
        parts: densities rho_k on the same sphere.
        weights: positive; divided by their sum. Equal if None.

    Raises:
        InputError: no part, or weights that are not one positive number each.
    """

    parts: tuple
    weights: Float[Array, " K"]

    def __init__(self, parts, weights=None):
        self.parts = tuple(parts)
        weights = np.ones(len(self.parts)) if weights is None else np.asarray(weights, float)
        if not self.parts or weights.shape != (len(self.parts),) or not (np.isfinite(weights) & (weights > 0)).all():
            raise InputError(f"a mixture of {len(self.parts)} parts needs as many positive weights, at least one, got {weights}")
        self.weights = weights / weights.sum()

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent points."""
        counts = rng.multinomial(n, self.weights)
        return rng.permutation(np.concatenate([part.sample(rng, int(count)) for part, count in zip(self.parts, counts, strict=True)]))

    def log_density(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """log sum_k weights_k rho_k(x)."""
        xp = namespace(x)
        logs = xp.stack([part.log_density(x) + float(np.log(w)) for part, w in zip(self.parts, self.weights, strict=True)])
        top = logs.max(0)
        top = xp.where(xp.isfinite(top), top, 0)
        mass = xp.exp(logs - top).sum(0)
        return xp.where(mass > 0, top + xp.log(xp.where(mass > 0, mass, 1)), -xp.inf)


def _unit(vector, name: str) -> np.ndarray:
    vector = np.asarray(vector, float)
    if vector.ndim != 1 or vector.size < 2 or not abs(np.linalg.norm(vector) - 1) <= 1e-6:
        raise InputError(f"{name} must be a unit vector of at least two coordinates, got {vector}; divide it by its norm")
    return normalize(vector)


def _round(axis, cosine, sine, rng: np.random.Generator) -> np.ndarray:
    """Points at given angles to the axis, the direction round it uniform."""
    across = normalize(tangent(axis, rng.normal(size=(cosine.size, axis.size))))
    return normalize(cosine[:, None] * axis + sine[:, None] * across)
