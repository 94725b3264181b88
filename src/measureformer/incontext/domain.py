"""Where the measures of a test live: a ball, or the sphere."""

from dataclasses import dataclass

import numpy as np

from .._types import Array, namespace
from ..errors import InputError
from ..geometry import exp, normalize, tangent


@dataclass(frozen=True)
class Ball:
    """The ball of a radius round 0 in R^d.

    Raises:
        InputError: the dimension is less than 1, or the radius not positive.
    """

    dimension: int = 1
    radius: float = 1.0

    def __post_init__(self):
        if self.dimension < 1 or not self.radius > 0:
            raise InputError(f"dimension = {self.dimension} must be at least 1 and radius = {self.radius} positive")

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent points, uniform."""
        x = rng.normal(size=(n, self.dimension))
        return self.radius * rng.uniform(size=(n, 1)) ** (1 / self.dimension) * normalize(x)

    def rim(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n points of the boundary: extreme points show what maxima do."""
        return self.radius * normalize(rng.normal(size=(n, self.dimension)))

    def centre(self) -> np.ndarray | None:
        """The origin: near it floating-point numbers tell points apart at any scale."""
        return np.zeros(self.dimension)

    def near(self, x: np.ndarray, step: np.ndarray) -> np.ndarray:
        """x + step, reflected inwards where that leaves the ball."""
        y = x + step
        outside = np.linalg.norm(y, axis=-1, keepdims=True) > self.radius
        return np.where(outside, x - step, y)

    def nearest(self, x: Array) -> Array:
        """The nearest points of the ball; no two points come further apart."""
        xp = namespace(x)
        return x / xp.sqrt(xp.maximum((x * x).sum(-1, keepdims=True) / self.radius**2, 1))

    def along(self, x: Array, u: Array) -> Array:
        """u: every direction is one of the ball."""
        return u


@dataclass(frozen=True)
class UnitSphere:
    """The unit sphere of R^d.

    Raises:
        InputError: the dimension is less than 2.
    """

    dimension: int = 3

    def __post_init__(self):
        if self.dimension < 2:
            raise InputError(f"dimension = {self.dimension} must be at least 2")

    def sample(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """n independent points, uniform."""
        return normalize(rng.normal(size=(n, self.dimension)))

    def rim(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """There is no boundary: n points, uniform."""
        return self.sample(rng, n)

    def centre(self) -> np.ndarray | None:
        """There is none."""
        return None

    def near(self, x: np.ndarray, step: np.ndarray) -> np.ndarray:
        """The point reached along the projection of the step on the tangent space."""
        base = np.broadcast_to(x, np.broadcast_shapes(x.shape, step.shape))
        return normalize(exp(base, tangent(base, np.broadcast_to(step, base.shape))))

    def nearest(self, x: Array) -> Array:
        """The nearest points of the sphere; from outside of it no two points come further apart."""
        return normalize(x)

    def along(self, x: Array, u: Array) -> Array:
        """The part of u in the tangent space at x."""
        return tangent(x, u)
