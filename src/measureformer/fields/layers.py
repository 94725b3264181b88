r"""Layers as in practice: where the normalisation stands, as an exact discrete map and as the flow that it tends to.

With N(x) = x / |x|, direction theta = N(x), radius r = |x|, A the attention among the directions, and step eta ("depth" of a layer):

| scheme | layer | in the limit |
|---|---|---|
| ``PostLN`` | x <- N(x + eta A(x)) | theta' = P A, r = 1 |
| ``PreLN`` | x <- x + eta A(N x) | theta' = P A / r, r' = <theta, A> |
| ``MixLN`` | Post-LN while t < tau, then Pre-LN | one after the other |
| ``PeriLN`` | x <- x + eta N(A(N x)) | theta' = P A / (r abs(A)), r' = <theta, A> / abs(A) |
| ``NGPT`` | x <- N(x + alpha_t (N(A) - x)) | theta' = alpha P A / abs(A), r = 1 |
| ``SqrtScaled`` | x <- N(x + eta A(x) / sqrt(t + 1)) | theta' = P A / sqrt(t + 1), r = 1 |

Time is t = eta k in layer k = 0, 1, ...; so with eta = 1 the branch of ``SqrtScaled`` is divided by the square root of the layer's number.

References:
    The normalisation schemes are compared in arXiv:2510.22026 and arXiv:2512.01868; ``PostLN`` is the map of the simulations of 2312.10794.
"""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, Scalar, namespace
from ..errors import InputError
from ..geometry import Euclidean, norm, normalize, tangent
from ..measures import Empirical
from .combine import Scaled
from .particle import ParticleField


class PostLN(eqx.Module):
    """x <- N(x + eta A(x)), the sum not projected first."""

    eta: Scalar = 0.1

    def step(self, x: Array, attend: Callable[[Array], Array], k: int) -> Array:
        """The state after layer k."""
        return normalize(x + self.eta * attend(x))

    def limit(self, law: Any, mask: Any = None) -> ParticleField:
        """The field of which this is a discretisation, in time t = eta k."""
        return ParticleField(law, mask=mask)


class PreLN(eqx.Module):
    """x <- x + eta A(N x): the radius grows, and slows the direction down."""

    eta: Scalar = 0.1

    def step(self, x: Array, attend: Callable[[Array], Array], k: int) -> Array:
        """The state after layer k."""
        return x + self.eta * attend(normalize(x))

    def limit(self, law: Any, mask: Any = None) -> ParticleField:
        """The field in R^d of which this is a discretisation, in time t = eta k."""
        return ParticleField(OfDirections(law), Euclidean(), mask)


class MixLN(eqx.Module):
    """Post-LN in the layers with eta k < tau, Pre-LN in the others."""

    eta: Scalar = 0.1
    tau: Scalar = 1.0

    def step(self, x: Array, attend: Callable[[Array], Array], k: int) -> Array:
        """The state after layer k."""
        return (PostLN(self.eta) if self.eta * k < self.tau * (1 - 1e-12) else PreLN(self.eta)).step(x, attend, k)

    def limit(self, law: Any, mask: Any = None) -> ParticleField:
        """The field in R^d of which this is a discretisation, in time t = eta k; it jumps at tau, which should be a saved time."""
        return ParticleField(_ProjectedUntil(law, self.tau), Euclidean(), mask)


class PeriLN(eqx.Module):
    """x <- x + eta N(A(N x)): the branch is normalised too."""

    eta: Scalar = 0.1

    def step(self, x: Array, attend: Callable[[Array], Array], k: int) -> Array:
        """The state after layer k."""
        return x + self.eta * normalize(attend(normalize(x)))

    def limit(self, law: Any, mask: Any = None) -> ParticleField:
        """The field in R^d of which this is a discretisation, in time t = eta k."""
        return ParticleField(UnitLength(OfDirections(law)), Euclidean(), mask)


class NGPT(eqx.Module):
    """x <- N(x + alpha (N(A) - x)), alpha = eta rate(t): normalised on the sphere, and moved towards the branch.

    Args:
        eta: length of a layer in time.
        rate: alpha per time, a number or a function of t.
    """

    eta: Scalar = 0.1
    rate: Any = 1.0

    def step(self, x: Array, attend: Callable[[Array], Array], k: int) -> Array:
        """The state after layer k."""
        alpha = self.eta * (self.rate(self.eta * k) if callable(self.rate) else self.rate)
        return normalize(x + alpha * (normalize(attend(x)) - x))

    def limit(self, law: Any, mask: Any = None) -> ParticleField:
        """The field of which this is a discretisation, in time t = eta k."""
        return ParticleField(Scaled(UnitLength(law), self.rate), mask=mask)


class SqrtScaled(eqx.Module):
    """Post-LN with the branch divided by sqrt(t + 1), t = eta k."""

    eta: Scalar = 0.1

    def step(self, x: Array, attend: Callable[[Array], Array], k: int) -> Array:
        """The state after layer k."""
        return normalize(x + self.eta * attend(x) / np.sqrt(self.eta * k + 1))

    def limit(self, law: Any, mask: Any = None) -> ParticleField:
        """The field of which this is a discretisation, in time t = eta k."""
        return ParticleField(Scaled(law, _inverse_root), mask=mask)


SCHEMES = {"post": PostLN, "pre": PreLN, "mix": MixLN, "peri": PeriLN, "ngpt": NGPT, "sqrt": SqrtScaled}


def run_layers(
    law: Any, scheme: Any, mu: Empirical, depth: int, *, mask: Any = None, largest_step: float = 1.0
) -> Float[Array, "depth_1 n d"]:
    """The tokens of a measure through the layers of a network, the same law in each.

    Args:
        law: attention or a combination; t in it is eta k.
        scheme: ``PostLN(eta)`` or another of this file.
        mu: tokens on the sphere.
        depth: number of layers.
        mask: as in ``ParticleField``.
        largest_step: the most that eta |A| may be, compared with |x|. Beyond 1 the map leaps over the consensus that it converges to.

    Returns:
        The states before the first layer and after each, shape (depth + 1, n, d).

    Raises:
        InputError: a step is larger than that; or the depth is negative.
    """
    if depth < 0:
        raise InputError(f"depth must be at least 0, got {depth}")
    xp = namespace(mu.points)
    field = ParticleField(law, Euclidean(), mask)
    x, states = mu.points, [mu.points]
    for k in range(depth):

        def attend(y, k=k):
            return field(y, y, mu.weights, scheme.eta * k)

        new = scheme.step(x, attend, k)
        if not isinstance(scheme, PeriLN | NGPT):
            size = float(scheme.eta * (norm(attend(normalize(x))) / norm(x)).max())
            if not size <= largest_step * (1 + 1e-9):
                raise InputError(
                    f"layer {k} is unstable: eta |A| / |x| = {size:.4g} exceeds {largest_step}; take eta <= "
                    f"{float(scheme.eta) * largest_step / size:.3g} (now {scheme.eta}), or give a larger largest_step"
                )
        x = new
        states.append(x)
    return xp.stack(states)


class OfDirections(eqx.Module):
    """A[mu](N x) where mu too is taken to the sphere: a law that does not see radii."""

    law: Any

    def __call__(self, x, points, weights, t=0.0, seen=None):
        """A of the directions."""
        return self.law(normalize(x), normalize(points), weights, t, seen)


class UnitLength(eqx.Module):
    """A / |A|."""

    law: Any

    def __call__(self, x, points, weights, t=0.0, seen=None):
        """N(A)."""
        return normalize(self.law(x, points, weights, t, seen))


class _ProjectedUntil(eqx.Module):
    """P_x A(N x) before tau, A(N x) after."""

    law: Any
    tau: Scalar

    def __call__(self, x, points, weights, t=0.0, seen=None):
        v = OfDirections(self.law)(x, points, weights, t, seen)
        return namespace(x).where(t < self.tau, tangent(normalize(x), v), v)


def _inverse_root(t):
    return (t + 1) ** -0.5
