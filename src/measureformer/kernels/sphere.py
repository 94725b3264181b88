r"""Sums of e^{<z, y>} over keys on S^2 in O((n + m) L^2), by spherical harmonics written as products of trigonometric functions.

The harmonics up to degree L are sums of trig(k theta) e^{i m phi}, cosines for even m and sines for odd m ("double Fourier sphere"):

$$ Q_l^m(\cos \theta) \sin^m \theta = \sum_{k \le l} T^m_{lk} \, \mathrm{trig}(k \theta). $$
So the moments of the keys are products of matrices, and so are the values at the queries. One scalar map S is enough, because
$\sum_j w_j e^{\langle z, y_j \rangle} y_j = \nabla_z S(z)$: the derivatives in theta and phi come from the same moments. The one in
phi is divided by sin(theta); maps are kept as series of S_m / sin(theta), and no pole is special. At high degrees points are taken in
``bands`` of latitude. The poles are not on the third axis but where nobody puts a token: there derivatives of JAX would be NaN.
"""

from collections.abc import Callable
from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._types import Array, Scalar
from .bands import band, by_latitude, pays, width
from .radial import Radial, Radii
from .separable import gathered, powers, spread

# The rotation to the coordinates in which theta and phi are measured; its last row is the pole.
_FRAME = np.linalg.qr(np.array([[3.0, 1.0, 0.5], [-1.0, 2.7, 0.3], [0.7, -0.2, 3.1]]))[0]


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
        self,
        x: Float[Array, "n 3"],
        y: Float[Array, "m 3"],
        weights: Float[Array, " m"],
        query: Callable[[Array], Array] = lambda x: x,
    ) -> tuple[Float[Array, "n 3"], Float[Array, " n"], Float[Array, " n"]]:
        r"""(numerator, mass, shift): $\sum_j w_j e^{\langle z, u_j \rangle} u_j$ and $\sum_j w_j e^{\langle z, u_j \rangle}$, both
        divided by e^shift, with z = ``query(x)`` and $u_j = y_j / |y_j|$. Derivatives of JAX are of forward mode.

        Args:
            x: what becomes queries, of lengths in the range that the kernel was made for.
            y: keys, of any length but 0.
            weights: of the keys, >= 0.
            query: from some rows of x to as many z: applied to few at a time, so that z need not be held.
        """
        radial = Radial.of(self, query(x[:1]), self.degree, 3)
        T, D = (jnp.asarray(table, x.dtype) for table in (self.moment_table, self.value_table))
        maps = _maps(radial.f, _moments(y, weights, self.degree), T, D, slopes=radial.slopes)
        if pays(self.degree, len(x)):
            order, points = by_latitude(_turned(query(x)))
            out = spread(points, lambda z: _values(z, maps, self.degree, radial), width=width(self.degree))
            numerator, mass, shift = (jnp.zeros_like(part).at[order].set(part, unique_indices=True) for part in out)
        else:
            numerator, mass, shift = spread(x, lambda points: _values(_turned(query(points.T)).T, maps, self.degree, radial))
        return numerator, mass, shift


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


def _turned(points):
    """Rows in the coordinates of the frame."""
    return jnp.matmul(points, jnp.asarray(_FRAME.T, points.dtype), precision=jax.lax.Precision.HIGHEST)


def _angles(points, degree: int):
    """Of points in the frame, (3, n), or (4, n) with colatitudes: length, cosine and sine of theta and of phi, (cos, sin) of m phi, and
    cos(k theta), sin(k theta), each as (left, right) whose product they are; a left that is None is the identity. At a pole phi is 0.
    """
    xyz = points[:3]
    r = jnp.sqrt((xyz * xyz).sum(0))
    u = xyz / jnp.where(r > 0, r, 1)
    flat = u[0] * u[0] + u[1] * u[1]
    sine = jnp.sqrt(jnp.where(flat > 0, flat, 0))
    off = sine > 0
    safe = jnp.where(off, sine, 1)
    turn = jnp.where(off, u[0] / safe, 1), jnp.where(off, u[1] / safe, 0)
    if len(points) == 4:
        C, S, right = band(degree, points[3])
        latitudes = (C, right), (S, right)
    else:
        ck, sk = powers(u[2], sine, degree + 1)
        latitudes = (None, ck), (None, sk)
    return r, u[2], sine, turn, powers(*turn, degree + 1), latitudes


def _moments(y, weights, degree: int):
    """Sums of cos(k theta) (cos, sin)(m phi) over keys for even m, of sin(k theta) (cos, sin)(m phi) for odd m: (k, 2, m) each."""

    def features(points, w):
        *_, (cm, sm), latitudes = _angles(points, degree)
        found = []
        for parity, (left, right) in enumerate(latitudes):
            part = (w * right) @ jnp.concatenate([cm[parity::2], sm[parity::2]]).T
            found.append(part if left is None else left @ part)
        return tuple(found)

    if pays(degree, len(y)):
        order, points = by_latitude(_turned(y))
        even, odd = gathered(points, weights[order], features, width=width(degree))
    else:
        even, odd = gathered(y, weights, lambda points, w: features(_turned(points.T).T, w))
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
    """Numerator (3), mass and shift at points of the frame."""
    flat, even, odd = maps
    r, cosine, sine, turn, (cm, sm), (cosines, sines) = _angles(points, degree)
    count, c = len(flat), points.shape[1]
    m = jnp.arange(degree + 1).astype(points.dtype)[:, None]
    mass, slope, round_ = _series(flat, cosines), 0.0, 0.0
    for parity, (rows, trig) in enumerate(((even, sines), (odd, cosines))):
        part = slice(parity, None, 2)
        G = _series(rows, trig).reshape(-1, 2, len(cm[part]), c)
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
    return jnp.matmul(jnp.asarray(_FRAME.T, r.dtype), jnp.stack(vector), precision=jax.lax.Precision.HIGHEST), value, r


def _series(rows, basis):
    """Sums of the functions of ``_angles`` with these coefficients."""
    left, right = basis
    return (rows if left is None else rows @ left) @ right
