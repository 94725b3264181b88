r"""Sums of e^{<z, y>} over keys on the circle in O((n + m) L), by the expansion of Jacobi and Anger,

$$ \sum_j w_j e^{\langle z, y_j \rangle} = \mathrm{Re} \sum_{k \ge 0} N_k I_k(r) \overline{m_k} e^{i k \alpha}, \qquad
   m_k = \sum_j w_j e^{i k \theta_j}, \quad z = r e^{i \alpha}. $$
The numerator is the gradient of this one sum. Numbers k = a + A b are split into small and large steps, e^{ik.} = e^{ia.} e^{iAb.}: a
point has about 4 sqrt(L) features instead of 2 L, and the rest is products of matrices.
"""

from collections.abc import Callable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._types import Array, Scalar
from .radial import Radial, Radii
from .separable import gathered, powers, spread


class CircleKernel(eqx.Module):
    """As ``SphereKernel``, for d = 2. It has no tables."""

    degree: int = eqx.field(static=True)
    nodes: int = eqx.field(static=True)
    project: bool = eqx.field(static=True)
    reach: Float[Array, "2"]
    error: Scalar

    def __init__(self, plan: Radii, *, project: bool = False):
        self.degree, self.nodes, self.project = plan.degree, plan.nodes, project
        self.reach, self.error = np.array([plan.shortest, plan.longest]), plan.error

    def __call__(
        self,
        x: Float[Array, "n 2"],
        y: Float[Array, "m 2"],
        weights: Float[Array, " m"],
        query: Callable[[Array], Array] = lambda x: x,
    ) -> tuple[Float[Array, "n 2"], Float[Array, " n"], Float[Array, " n"]]:
        """(numerator, mass, shift), see ``SphereKernel``."""
        small, large = _steps(self.degree)
        radial = Radial.of(self, query(x[:1]), small * large - 1, 2)
        maps = _maps(radial.f, _moments(y, weights, small, large), slopes=radial.slopes)
        return spread(x, lambda points: _values(query(points.T).T, maps, small, large, radial))


def _steps(degree: int) -> tuple[int, int]:
    """(A, B), A B > degree, about square."""
    small = int(np.ceil(np.sqrt(degree + 1)))
    return small, -(-(degree + 1) // small)


def _turns(points, small: int, large: int):
    """Lengths of points (2, n), and the parts of e^{ia.} stacked as (2A, n), of e^{iAb.} as (2B, n). The point 0 is at angle 0."""
    r = jnp.sqrt((points * points).sum(0))
    off = r > 0
    safe = jnp.where(off, r, 1)
    c, s = jnp.where(off, points[0] / safe, 1), jnp.where(off, points[1] / safe, 0)
    re, im = powers(c, s, small + 1)
    return r, c, s, jnp.concatenate([re[:-1], im[:-1]]), jnp.concatenate(powers(re[-1], im[-1], large))


def _moments(y, weights, small: int, large: int):
    """Re and Im of m_k, k < A B."""

    def features(points, w):
        *_, U, W = _turns(points, small, large)
        return ((w * U) @ W.T,)

    (M,) = gathered(y, weights, features)
    M = M.reshape(2, small, 2, large)
    return (M[0, :, 0] - M[1, :, 1]).T.ravel(), (M[0, :, 1] + M[1, :, 0]).T.ravel()


def _maps(f, moments, *, slopes: int):
    """Coefficients of e^{ik.}, real and imaginary: of the values for each radial function f (p, k), then of the derivatives in alpha."""
    k = jnp.arange(f.shape[1]).astype(f.dtype)
    f = jnp.where(k == 0, 1, 2) * f
    re, im = f * moments[0], -f * moments[1]
    re, im = jnp.concatenate([re, -k * im[:slopes]]), jnp.concatenate([im, k * re[:slopes]])
    return re, im


def _values(points, maps, small: int, large: int, radial):
    """Numerator (2), mass and shift at points (2, c)."""
    r, c, s, U, W = _turns(points, small, large)
    re, im = (q.reshape(-1, 1, large, small) for q in maps)
    rows = jnp.concatenate([jnp.concatenate([re, -im], -1), jnp.concatenate([-im, -re], -1)], 1)
    sums = ((rows.reshape(-1, 2 * small) @ U).reshape(len(re), -1, len(r)) * W).sum(1)
    count = len(radial.f)
    value, (slope,), along = radial.combined(r, sums[:count], sums[count:])
    slope = slope / r
    return jnp.stack([along * c - slope * s, along * s + slope * c]), value, r
