r"""Sums of e^{<z, y>} over keys on S^2 in O((n + m) L^2), by spherical harmonics written as products of trigonometric functions.

The harmonics up to degree L are sums of trig(k theta) e^{i m phi}, cosines for even m and sines for odd m ("double Fourier sphere"):

$$ Q_l^m(\cos \theta) \sin^m \theta = \sum_{k \le l} T^m_{lk} \, \mathrm{trig}(k \theta). $$
So the moments of the keys are products of matrices, and so are the values at the queries. One scalar map S is enough, because
$\sum_j w_j e^{\langle z, y_j \rangle} y_j = \nabla_z S(z)$: the derivatives in theta and phi come from the same moments. The one in
phi is divided by sin(theta); maps are kept as series of S_m / sin(theta), and no pole is special.
"""

from functools import lru_cache

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._types import Array, Scalar
from .radial import Radial, Radii
from .separable import gathered, powers, spread


class SphereKernel(eqx.Module):
    """What does not depend on the points: the tables of a degree, and how the lengths of the queries are treated.

    ``error`` is what ``radii`` says. ``project`` leaves the component of the numerator along z out: a field on the sphere
    with z = beta x does not need it.
    """

    degree: int = eqx.field(static=True)
    nodes: int = eqx.field(static=True)
    project: bool = eqx.field(static=True)
    reach: Float[Array, "2"]
    error: Scalar
    moment_table: Float[Array, "M L K"]
    value_table: Float[Array, "M L K"]

    def __init__(self, plan: Radii, *, project: bool = False):
        self.degree, self.nodes, self.project = plan.degree, plan.nodes, project
        self.reach, self.error = np.array([plan.shortest, plan.longest]), plan.error
        self.moment_table, self.value_table = legendre_tables(plan.degree)

    def __call__(
        self, z: Float[Array, "n 3"], y: Float[Array, "m 3"], weights: Float[Array, " m"]
    ) -> tuple[Float[Array, "n 3"], Float[Array, " n"], Float[Array, " n"]]:
        r"""(numerator, mass, shift): $\sum_j w_j e^{\langle z, y_j \rangle} y_j$ and $\sum_j w_j e^{\langle z, y_j \rangle}$,
        both divided by e^shift.

        Args:
            z: queries, of lengths in the range that the kernel was made for.
            y: keys of length 1.
            weights: of the keys, >= 0.

        Derivatives of JAX in z or y (forward mode) are NaN where z or y is on the third axis; elsewhere they are right.
        """
        radial = Radial.of(self, z, self.degree, 3)
        T, D = (jnp.asarray(table, z.dtype) for table in (self.moment_table, self.value_table))
        maps = _maps(radial.f, _moments(y, weights, self.degree), T, D, slopes=radial.slopes)
        return spread(z, lambda points: _values(points, maps, self.degree, radial))


@lru_cache(maxsize=16)
def legendre_tables(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """T^m_{lk}, shape (L + 1, L + 1, L + 1) in the order m, l, k: the functions of latitude, with (cos, sin)(m phi) orthonormal for
    the uniform probability, in cosines (m even) or sines; the same over sin(theta), in sines (m even, m > 0) or cosines; 0 for m = 0.
    """
    size = 2 * (degree + 2)
    theta = 2 * np.pi * (np.arange(size) + 0.5) / size
    c, s = np.cos(theta), np.sin(theta)
    k = np.arange(degree + 1)
    share = np.where(k == 0, 1.0, 2.0) / size
    cosines, sines = share * np.cos(np.outer(theta, k)), share * np.sin(np.outer(theta, k))
    moment, value = np.zeros((2, degree + 1, degree + 1, degree + 1))
    diagonal, ring = 1.0, 1 / s  # of sin^{m-1}
    for m in k:
        if m:
            diagonal, ring = diagonal * np.sqrt(3.0 if m == 1 else (2 * m + 1) / (2 * m)), ring * s
        rows, before = np.zeros((degree + 1, size)), np.zeros(size)
        rows[m] = diagonal * ring
        for deg in range(m + 1, degree + 1):
            span = (deg - m) * (deg + m)
            lead = np.sqrt((4 * deg * deg - 1) / span)
            lag = np.sqrt((2 * deg + 1) * (deg + m - 1) * (deg - m - 1) / (span * (2 * deg - 3)))
            before, rows[deg] = rows[deg - 1], lead * c * rows[deg - 1] - lag * before
        moment[m] = (s * rows) @ (cosines if m % 2 == 0 else sines)
        if m:
            value[m] = rows @ (sines if m % 2 == 0 else cosines)
    return moment, value


def _angles(points, degree: int):
    """Length and sine of colatitude of points (3, n), then (cos, sin) of k theta and of m phi. At a pole phi is 0."""
    r = jnp.sqrt((points * points).sum(0))
    u = points / jnp.where(r > 0, r, 1)
    flat = u[0] * u[0] + u[1] * u[1]
    sine = jnp.sqrt(jnp.where(flat > 0, flat, 0))
    off = sine > 0
    safe = jnp.where(off, sine, 1)
    turn = jnp.where(off, u[0] / safe, 1), jnp.where(off, u[1] / safe, 0)
    return r, u[2], sine, turn, powers(u[2], sine, degree + 1), powers(*turn, degree + 1)


def _moments(y, weights, degree: int):
    """Sums of cos(k theta) (cos, sin)(m phi) over keys for even m, of sin(k theta) (cos, sin)(m phi) for odd m: (k, 2, m) each."""

    def features(points):
        _, _, _, _, (ck, sk), (cm, sm) = _angles(points, degree)
        return (ck, jnp.concatenate([cm[0::2], sm[0::2]])), (sk, jnp.concatenate([cm[1::2], sm[1::2]]))

    even, odd = gathered(y, weights, features)
    return even.reshape(degree + 1, 2, -1), odd.reshape(degree + 1, 2, -1)


def _maps(f, M, T, D, *, slopes: int):
    """The matrices of ``_values``: for each radial function f (p, l) the map of m = 0, maps over sin(theta), derivatives in theta."""
    degree = T.shape[1] - 1
    k = jnp.arange(degree + 1).astype(T.dtype)
    flat = f * jnp.einsum("lk,k->l", T[0], M[0][:, 0, 0]) @ T[0]
    found = []
    for parity, moments in enumerate(M):
        t, v = T[parity::2], D[parity::2]
        a = f[:, None, None, :] * jnp.einsum("mlk,ksm->sml", t, moments)[None]  # (p, s, m, l)
        values = jnp.einsum("psml,mlk->psmk", a, v)
        turned = (k if parity else -k) * jnp.einsum("psml,mlk->psmk", a[:slopes], t)
        found.append(jnp.concatenate([values, turned]).reshape(-1, degree + 1))
    return flat, *found


def _values(points, maps, degree: int, radial):
    """Numerator (3), mass and shift at points (3, c)."""
    flat, even, odd = maps
    r, cosine, sine, turn, (ck, sk), (cm, sm) = _angles(points, degree)
    count, c = len(flat), points.shape[1]
    m = jnp.arange(degree + 1).astype(points.dtype)[:, None]
    mass, slope, round_ = flat @ ck, 0.0, 0.0
    for parity, (rows, trig) in enumerate(((even, sk), (odd, ck))):
        part = slice(parity, None, 2)
        G = (rows @ trig).reshape(-1, 2, len(cm[part]), c)
        a, b = G[:, 0], G[:, 1]
        values = a * cm[part] + b * sm[part]
        mass = mass + sine * values[:count].sum(1)
        slope = slope + values[count:].sum(1)
        turned = m[part] * (b[: len(G) - count] * cm[part] - a[: len(G) - count] * sm[part])
        round_ = round_ + turned.sum(1)
    value, (slope, round_), along = radial.combined(r, mass, slope, round_)
    slope, round_ = slope / r, round_ / r
    outward = slope * cosine + along * sine
    vector = outward * turn[0] - round_ * turn[1], outward * turn[1] + round_ * turn[0], along * cosine - slope * sine
    return jnp.stack(vector), value, r
