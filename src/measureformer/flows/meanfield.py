"""Mean-field attention of rank one: one clock for a whole measure."""

import jax
import jax.core
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..fields import TransformerField
from ..measures import Empirical
from .boost import boost, half_angles
from .clock import run_clock
from .ode import integrate_ode


def meanfield_clock(mu: Empirical, alpha: Float[Array, " d"], t: float, *, sign: float = 1.0, tol: float = 1e-13) -> Float[Array, ""]:
    r"""The rapidity tau(t) after time t under V = sign * alpha alpha^T, B = 0, U = W = 0.

    Every point moves by the boost along e = alpha/|alpha|, for a time of its measure: x(t) = boost(x, tau(t) e),
    $$ \tau' = \pm |\alpha|^2 M(\tau), \qquad
       M(\tau) = \int \tanh(\operatorname{artanh} \langle x, e \rangle + \tau)\, \mu(dx) = \langle e, E[\mu_\tau] \rangle, $$
    one scalar equation whatever the number of points. It is solved as an integral, in float64 (``clock``); where JAX traces the
    arguments it is integrated.

    Args:
        mu: the measure at time 0.
        alpha: shape (d,).
        t: time, of any sign.
        sign: +1 or -1.
        tol: relative and absolute tolerance where the equation is integrated.
    """
    xp, dtype = namespace(mu.points, alpha), mu.points.dtype
    if any(isinstance(v, jax.core.Tracer) for v in (mu.points, mu.weights, alpha, t, sign)):
        length, (_, _, _, c2, s2) = t * sign * (alpha * alpha).sum(), half_angles(mu.points, alpha)

        def mean(tau):
            moved = jnp.exp(-2 * tau) * s2[:, 0]
            return (mu.weights * (c2[:, 0] - moved) / (c2[:, 0] + moved)).sum()

        return integrate_ode(lambda tau: length * mean(tau), xp.zeros((), dtype), 1.0, rtol=tol, atol=tol).value
    points, axis, weights = (np.asarray(v, float) for v in (mu.points, alpha, mu.weights))
    return xp.asarray(run_clock(points, axis, weights, float(t * sign * (axis @ axis))), dtype)


def meanfield_boost(mu: Empirical, alpha: Float[Array, " d"], t: float, *, sign: float = 1.0) -> Float[Array, " d"]:
    """The w of the boost that moves mu, and any passive probe in it, in time t under V = sign * alpha alpha^T: tau(t) alpha/|alpha|."""
    tau = meanfield_clock(mu, alpha, t, sign=sign)
    return (_along if namespace(tau) is np else _along_compiled)(tau, alpha)


def _along(tau, alpha):
    return tau * alpha / namespace(alpha).sqrt((alpha * alpha).sum())


_along_compiled = jax.jit(_along)


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
