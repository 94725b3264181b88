"""Mean-field attention of rank one: one clock for a whole measure."""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..fields import TransformerField
from ..measures import Empirical
from .boost import boost, half_angles
from .ode import integrate_ode


def meanfield_clock(mu: Empirical, alpha: Float[Array, " d"], t: float, *, sign: float = 1.0, tol: float = 1e-13) -> Float[Array, ""]:
    r"""The rapidity tau(t) after time t under V = sign * alpha alpha^T, B = 0, U = W = 0.

    Every point moves by the boost along e = alpha/|alpha|, for a time of its measure: x(t) = boost(x, tau(t) e),
    $$ \tau' = \pm |\alpha|^2 M(\tau), \qquad
       M(\tau) = \int \tanh(\operatorname{artanh} \langle x, e \rangle + \tau)\, \mu(dx) = \langle e, E[\mu_\tau] \rangle, $$
    one scalar equation whatever the number of points.

    one scalar equation whatever the number of points. M is analytic within pi/2 of the real line and |tau| <= |alpha|^2 |t|, so that a
    Chebyshev interpolant of some dozen nodes stands for it; where that would take too many (|alpha|^2 |t| above 20), or |alpha|^2 is not
    known because JAX traces it, M itself is integrated.

    Args:
        mu: the measure at time 0.
        alpha: shape (d,).
        t: time, of any sign.
        sign: +1 or -1.
        tol: relative and absolute tolerance of the scalar integration.
    """
    xp = namespace(mu.points, alpha)
    strength = (alpha * alpha).sum()
    _, _, _, c2, s2 = half_angles(mu.points, alpha)
    speed = t * sign * strength
    try:
        reach = abs(float(speed))
    except jax.errors.ConcretizationTypeError:
        reach = np.inf
    mean = _mean if xp is np else _mean_jax
    zero = xp.zeros((), mu.points.dtype)
    nodes = _nodes(reach, mu.points.dtype)
    if not nodes:
        return integrate_ode(lambda tau: speed * mean(c2, s2, mu.weights, tau[None])[0], zero, 1.0, rtol=tol, atol=tol).value
    theta = np.pi * (np.arange(nodes) + 0.5) / nodes
    half = float(np.copysign(reach / 2, float(speed * mean(c2, s2, mu.weights, zero[None])[0])))
    values = mean(c2, s2, mu.weights, xp.asarray(half * (1 + np.cos(theta)), zero.dtype))
    k = np.arange(nodes)
    transform = np.cos(np.outer(k, theta)) * np.where(k == 0, 1, 2)[:, None] / nodes
    coefficients = speed * (xp.asarray(transform, zero.dtype) @ values)

    return (_along if xp is np else _along_jax)(coefficients, half, tol)


def _along(coefficients, half, tol):
    """tau(1) for tau' = sum_k c_k cos(k arccos(tau/half - 1)), tau(0) = 0."""
    xp = namespace(coefficients)
    k = xp.arange(coefficients.shape[0]).astype(coefficients.dtype)

    def speed(tau):
        return coefficients @ xp.cos(k * xp.arccos(xp.clip(tau / half - 1, -1, 1)))

    return integrate_ode(speed, xp.zeros((), coefficients.dtype), 1.0, rtol=tol, atol=tol).value


_along_jax = jax.jit(_along, static_argnames="tol")


def _nodes(reach: float, dtype) -> int:
    """How many nodes on an interval of this length resolve a function with poles at distance pi/2 to rounding; 0 for too many or none."""
    if not 0 < reach < 20:
        return 0
    a = np.pi / reach
    return int(np.ceil(-np.log(np.finfo(np.dtype(dtype)).eps / 16) / np.arcsinh(a))) + 4


def _mean(c2, s2, weights, tau):
    """M at each tau: the mean of the cosines to e, by half-angles."""
    total, c2, s2 = np.zeros_like(tau), c2[:, 0], s2[:, 0]
    for begin in range(0, len(c2), 8192):
        c, s, w = (v[begin : begin + 8192] for v in (c2, s2, weights))
        for i, squared in enumerate(np.exp(-2 * tau)):
            moved = squared * s
            total[i] += w @ ((c - moved) / (c + moved))
    return total


@jax.jit
def _mean_jax(c2, s2, weights, tau):
    moved = jnp.exp(-2 * tau)[:, None] * s2[:, 0]
    return (weights * ((c2[:, 0] - moved) / (c2[:, 0] + moved))).sum(-1)


def meanfield_boost(mu: Empirical, alpha: Float[Array, " d"], t: float, *, sign: float = 1.0) -> Float[Array, " d"]:
    """The w of the boost that moves mu, and any passive probe in it, in time t under V = sign * alpha alpha^T: tau(t) alpha/|alpha|."""
    xp = namespace(mu.points, alpha)
    return meanfield_clock(mu, alpha, t, sign=sign) * alpha / xp.sqrt((alpha * alpha).sum())


def meanfield_flow(mu: Empirical, alpha: Float[Array, " d"], t: float, *, sign: float = 1.0) -> Float[Array, "n d"]:
    """The points of mu after time t under V = sign * alpha alpha^T, B = 0: ``boost(x, tau(t) alpha/|alpha|)``."""
    return boost(mu.points, meanfield_boost(mu, alpha, t, sign=sign))


def rank_one(field: TransformerField) -> tuple[np.ndarray, float] | None:
    """(alpha, sign) with V = sign * alpha alpha^T if the field is mean-field attention of rank one and nothing else, otherwise None."""
    if field.V is None or field.W is not None or (field.B is not None and np.any(np.asarray(field.B))):
        return None
    V = np.asarray(field.V)
    j = int(np.argmax(np.abs(np.diag(V))))
    if V[j, j] == 0:
        return None
    sign = float(np.sign(V[j, j]))
    alpha = V[:, j] * sign / np.sqrt(abs(V[j, j]))
    if np.abs(V - sign * np.outer(alpha, alpha)).max() > 1e-13 * abs(V[j, j]):
        return None
    return alpha, sign
