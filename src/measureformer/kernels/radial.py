r"""How e^{<z, y>} depends on |z| when y is a unit vector: modified Bessel functions, and how many of them matter.

With r = |z|, u = z/r, and R_k the zonal polynomial of degree k with R_k(1) = 1,

$$ e^{\langle z, y \rangle - r} = \sum_k N_k f_k(r) R_k(\langle u, y \rangle), \qquad
   f_k = e^{-r} I_k(r) \text{ for } d = 2, \qquad f_k = e^{-r} i_k(r) \text{ for } d = 3, $$

with N_0 = 1 and N_k = 2 for d = 2, N_k = 2k + 1 for d = 3; i_k is the modified spherical Bessel function of the first kind.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._types import Array
from ..errors import InputError

# Steps of the continued fraction of I_{k+1}/I_k before the first one that is used: as many as there are degrees, and these. Each of them
# divides the error by (I_k/I_{k+1})^2, which is little beyond 1 only if the degree is far below what ``radii`` takes for any tolerance.
_LEAD = 60
_SAMPLES = 48  # radii at which the interpolant is checked
_MOST = 64  # nodes of the interpolant
_ROUNDING = 16  # in units of the last place, more than was ever found


class Radii(NamedTuple):
    """How to treat queries of lengths from ``shortest`` to ``longest``.

    Attributes:
        degree: L.
        nodes: of Chebyshev in r; 0 if all lengths are equal.
        error: bounds the error of the mass and of the numerator, both over e^{|z|}, for each unit of mass of the keys: ``tail``, what is
            left out, and rounding.
        tail: the first part alone.
        uniform: the mass that a uniform measure has at any query, over e^{|z|}: the least in the range.
    """

    shortest: float
    longest: float
    degree: int
    nodes: int
    error: float
    tail: float
    uniform: float


class Radial(eqx.Module):
    """The radial functions of a kernel: ``f`` (p, k), of which the first ``slopes`` have tangential derivatives too, and how to sum over p.

    If all lengths are equal p = 0 is f and p = 1 its derivative; otherwise f = sum_p f_p T_p, T_p the polynomials of Chebyshev.
    """

    f: Float[Array, "p k"]
    middle: Array
    half: Array
    nodes: int = eqx.field(static=True)

    @classmethod
    def of(cls, kernel: Any, z: Float[Array, "n d"], degree: int, d: int) -> "Radial":
        """Of a kernel with ``nodes``, ``reach`` and ``project``, at queries z."""
        nodes = kernel.nodes
        reach = jnp.asarray(kernel.reach, z.dtype)
        middle, half = reach.mean(), (reach[1] - reach[0]) / 2
        if nodes:
            f, _ = coefficients(middle + half * jnp.asarray(chebyshev_nodes(nodes), z.dtype), degree, d)
            return cls(jnp.asarray(chebyshev_transform(nodes), z.dtype) @ f.T, middle, half, nodes)
        f, slope = coefficients(jnp.sqrt((z[:1] * z[:1]).sum(-1)), degree, d)
        return cls((f if kernel.project else jnp.concatenate([f, slope], axis=1)).T, middle, half, 0)

    @property
    def slopes(self) -> int:
        """How many of the functions have tangential derivatives."""
        return max(self.nodes, 1)

    def combined(self, r: Array, values: Float[Array, "p c"], *slopes: Float[Array, "q c"]) -> tuple[Array, list[Array], Any]:
        """The value, the tangential derivatives, and e^{-r} times the derivative of e^{r} value (0 if it is left out)."""
        if not self.nodes:
            return values[0], [slope[0] for slope in slopes], values[1] if len(values) > 1 else 0.0
        t, dt = chebyshev((r - self.middle) / self.half, self.nodes)
        value = (t * values).sum(0)
        return value, [(t * slope).sum(0) for slope in slopes], (dt * values).sum(0) / self.half + value


def coefficients(r: Float[Array, " q"], degree: int, d: int) -> tuple[Float[Array, "L q"], Float[Array, "L q"]]:
    r"""f_k(r) and e^{-r} dI_k/dr (or di_k/dr), k = 0, ..., ``degree``, from the ratios $\rho_k = I_{k+1}/I_k$, downwards:

    $$ \rho_{k-1} = \frac{1}{(2k + d - 2)/r + \rho_k}, \qquad \frac{d}{dr} I_k = I_k \Bigl( \frac{k}{r} + \rho_k \Bigr). $$
    No cancellation for any r > 0.

    References:
        DLMF 10.29.1, 10.29.2, 10.51.4, 10.51.5.
    """
    r = jnp.asarray(r)
    top = 2 * degree + _LEAD
    order = top + d / 2
    start = r / (order + jnp.sqrt(order**2 + r**2))

    def down(rho, k):
        below = 1 / ((2 * k + (d - 2)) / r + rho)
        return below, rho

    _, ratios = jax.lax.scan(down, start, jnp.arange(top, -1, -1).astype(r.dtype))
    ratios = ratios[::-1][: degree + 1]
    first = jax.scipy.special.i0e(r) if d == 2 else -jnp.expm1(-2 * r) / (2 * r)
    f = first * jnp.concatenate([jnp.ones_like(r)[None], jnp.cumprod(ratios[:-1], axis=0)])
    k = jnp.arange(degree + 1).astype(r.dtype)[:, None]
    return f, f * (k / r + ratios)


def radii(shortest: float, longest: float, tolerance: float, d: int, *, eps: float = 2**-52) -> Radii:
    r"""The degree L, and the number of nodes, with which what is left out of the mass and of the numerator, for each unit of mass of the
    keys, is below ``tolerance`` times the mass that a uniform measure has, e^{r} f_0(r).

    The degree: $|R_k| \le 1$ and (Bernstein) $|dR_k(\cos \alpha)/d\alpha| \le k$, so that what is left out of the mass and of its two
    derivatives, radial and tangential, is at most the sum over k > L of N_k times f_k, f_k', k f_k / r. The nodes: the interpolant is
    compared with the functions between the nodes.

    Args:
        shortest, longest: the range of r = |z|, 0 < shortest <= longest.
        tolerance: in (0, 1).
        d: 2 or 3.
        eps: of the numbers in which the sums will be computed.

    Raises:
        InputError: the range is empty or reaches 0; lengths so different that 64 nodes do not suffice.
    """
    if not 0 < shortest <= longest < np.inf:
        raise InputError(f"lengths of queries must be positive and finite, got [{shortest}, {longest}]; use the dense kernel")
    same = longest - shortest <= 1e-9 * longest
    r = np.array([longest]) if same else np.linspace(shortest, longest, _SAMPLES)
    most = int(longest + np.sqrt(100 * longest)) + 60
    f, slopes = _bessel(r, most + 1, d)
    k = np.arange(most + 1)[:, None]
    terms = _count(most, d) * np.maximum(np.maximum(f, slopes), k * f / r)
    tails = np.cumsum(terms[::-1], axis=0)[::-1]  # of the degrees >= k
    degree = max(1, int(np.flatnonzero((tails > tolerance * f[0]).any(axis=1))[-1]))
    nodes, missed = (0, 0.0) if same else _nodes(shortest, longest, tolerance, degree, d)
    tail = float(tails[degree + 1].max()) + missed
    steep = 0.0 if same else 2 * nodes**2 / (longest - shortest)
    rounding = _ROUNDING * eps * (1 + 1 / shortest + steep)
    return Radii(shortest, longest, degree, nodes, tail + rounding, tail, float(f[0].min()))


def _nodes(shortest: float, longest: float, tolerance: float, degree: int, d: int) -> tuple[int, float]:
    """The number of Chebyshev nodes, and the error of the interpolant and its derivative at radii between them."""
    r = np.linspace(shortest, longest, 3 * _MOST)
    f, slopes = _bessel(r, degree + 1, d)
    count, k = _count(degree, d), np.arange(degree + 1)[:, None]
    middle, half = (longest + shortest) / 2, (longest - shortest) / 2
    for nodes in range(3, _MOST + 1):
        s = chebyshev_nodes(nodes)
        at = np.polynomial.chebyshev.chebfit(s, _bessel(middle + half * s, degree + 1, d)[0].T, nodes - 1)
        rho = (r - middle) / half
        wrong = abs(np.polynomial.chebyshev.chebval(rho, at) - f)
        steep = abs(np.polynomial.chebyshev.chebval(rho, np.polynomial.chebyshev.chebder(at)) / half - (slopes - f))
        missed = (count * np.maximum(np.maximum(wrong, steep), k * wrong / r)).sum(axis=0)
        rounding = _ROUNDING * 2**-52 * (1 + 1 / shortest + nodes**2 / half)
        if (missed <= tolerance * f[0] + rounding).all():
            return nodes, float(missed.max())
    raise InputError(f"queries have lengths from {shortest:.3g} to {longest:.3g}, too different for {_MOST} nodes; use the dense kernel")


def chebyshev_nodes(count: int) -> np.ndarray:
    """The zeros of T_count in (-1, 1)."""
    return np.cos(np.pi * (np.arange(count) + 0.5) / count)


def chebyshev_transform(count: int) -> np.ndarray:
    """The matrix (p, q) from values at the nodes to coefficients of T_p."""
    angle = np.pi * np.outer(np.arange(count), np.arange(count) + 0.5) / count
    return np.cos(angle) * (2 - (np.arange(count) == 0))[:, None] / count


def chebyshev(rho: Float[Array, " c"], count: int) -> tuple[Float[Array, "p c"], Float[Array, "p c"]]:
    """T_p(rho) and its derivative p U_{p-1}(rho), p = 0, ..., count - 1; a loop, so that nothing grows with the count but the arrays."""

    p = jnp.arange(count).astype(rho.dtype)

    def step(carry, _):
        t, above, u, v = carry
        return (above, 2 * rho * above - t, v, 2 * rho * v - u), (t, u)

    zero, one = jnp.zeros_like(rho), jnp.ones_like(rho)
    _, (t, u) = jax.lax.scan(step, (one, rho, zero, one), None, length=count)  # u is U_{p-1}
    return t, p[:, None] * u


def _count(degree: int, d: int) -> np.ndarray:
    """N_k as a column."""
    k = np.arange(degree + 1)[:, None]
    return np.where(k == 0, 1.0, 2.0) if d == 2 else 2.0 * k + 1


def _bessel(r: np.ndarray, count: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """f_k(r) and e^{-r} times the derivative of I_k or i_k, k < count, by SciPy."""
    from scipy.special import ive

    k = np.arange(count + 1)[:, None]
    f = ive(k + (d / 2 - 1), r) * (1 if d == 2 else np.sqrt(np.pi / (2 * r)))
    return f[:-1], k[:-1] / r * f[:-1] + f[1:]
