"""The functions cos(k theta), sin(k theta), k <= L, on thin bands of latitude, where few polynomials stand for all of them.

On a band of colatitudes of half width h, L h = 3/2, each of them is its interpolant at 16 nodes of Chebyshev: what is missing is less than
4 J_16(3/2) = 2e-15, J the function of Bessel. Of points sorted by latitude each chunk is such a band, but for less than pi/(2h) + 1 that
are cut (``separable.walk``). So a point has 16 features of latitude instead of L + 1, whatever the measure is.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Integer

from .._types import Array
from .radial import chebyshev_nodes, chebyshev_transform
from .separable import CHUNK

_NODES = 16
_PHASE = 1.5  # L h
_OVERHEAD = 12  # what sorting and its consequences cost, in features of latitude


def pays(degree: int, n: int) -> bool:
    """Whether n points are summed faster in bands."""
    return (n / CHUNK + np.pi * degree / (2 * _PHASE)) * (_NODES + _OVERHEAD) < n / CHUNK * (degree + 1)


def width(degree: int) -> float:
    """Of a band, 2h."""
    return 2 * _PHASE / degree


def by_latitude(points: Float[Array, "n 3"]) -> tuple[Integer[Array, " n"], Float[Array, "n 4"]]:
    """An order in which the latitudes are sorted, up to 1e-6, and the points in it, with colatitudes as the last column."""
    theta = jnp.arctan2(jnp.sqrt(points[:, 0] ** 2 + points[:, 1] ** 2), points[:, 2])
    level = jax.lax.stop_gradient(theta) * (2**20 / np.pi)
    if jax.dtypes.canonicalize_dtype(np.int64) == np.int64:
        # integers that hold their number are sorted five times as fast as pairs
        order = jnp.sort((level.astype(np.int64) << 32) + jnp.arange(len(points))) & (2**32 - 1)
    else:
        order = jnp.argsort(level)
    return order, jnp.concatenate([points, theta[:, None]], axis=1)[order]


def band(degree: int, theta: Float[Array, " c"]) -> tuple[Float[Array, "k p"], Float[Array, "k p"], Float[Array, "p c"]]:
    """(C, S, T) with cos(k theta) = C T and sin(k theta) = S T for thetas that are within 2h: T has the polynomials."""
    low, half = jax.lax.stop_gradient(theta.min()), width(degree) / 2
    nodes = low + half * (1 + jnp.asarray(chebyshev_nodes(_NODES), theta.dtype))
    angles = jnp.arange(degree + 1).astype(theta.dtype)[:, None] * nodes
    transform = jnp.asarray(chebyshev_transform(_NODES), theta.dtype).T
    rho = (theta - low) / half - 1
    # T_{k+j} = 2 T_k T_j - T_{k-j}
    T = jnp.stack([jnp.ones_like(rho), rho])
    while (k := len(T) - 1) < _NODES - 1:
        T = jnp.concatenate([T, 2 * T[k] * T[1 : _NODES - k] - T[k - 1 :: -1][: _NODES - k - 1]])
    return jnp.cos(angles) @ transform, jnp.sin(angles) @ transform, T
