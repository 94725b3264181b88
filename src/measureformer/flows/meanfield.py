"""Mean-field attention of rank one: one clock for a whole measure."""

import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..fields import TransformerField
from ..measures import Empirical
from .boost import boost
from .ode import integrate_ode


def meanfield_clock(mu: Empirical, alpha: Float[Array, " d"], t: float, *, sign: float = 1.0, tol: float = 1e-13) -> Float[Array, ""]:
    r"""The rapidity tau(t) after time t under V = sign * alpha alpha^T, B = 0, U = W = 0.

    Every point moves by the boost along e = alpha/|alpha|, for a time of its measure: x(t) = boost(x, tau(t) e),
    $$ \tau' = \pm |\alpha|^2 M(\tau), \qquad
       M(\tau) = \int \tanh(\operatorname{artanh} \langle x, e \rangle + \tau)\, \mu(dx) = \langle e, E[\mu_\tau] \rangle, $$
    one scalar equation whatever the number of points.

    Args:
        mu: the measure at time 0.
        alpha: shape (d,).
        t: time, of any sign.
        sign: +1 or -1.
        tol: relative and absolute tolerance of the scalar integration.
    """
    xp = namespace(mu.points, alpha)
    strength = (alpha * alpha).sum()
    height = mu.points @ (alpha / xp.sqrt(strength))

    def speed(tau):
        slope = xp.tanh(tau)
        return t * sign * strength * (mu.weights * ((height + slope) / (1 + height * slope))).sum()

    return integrate_ode(speed, xp.zeros((), mu.points.dtype), 1.0, rtol=tol, atol=tol).value


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
