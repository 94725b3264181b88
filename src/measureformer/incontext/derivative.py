"""The derivative of a push-forward in the direction of new mass, for maps that are open to look into."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Float

from .._types import Array
from ..measures import Empirical
from .maps import InContextMap


@dataclass(frozen=True)
class Derivative:
    """D_f(mu, x, psi) = regular + moved.

    Attributes:
        value: the whole derivative.
        regular: psi(G(mu, x)): the new mass lands there.
        moved: the old mass is displaced, and sees the gradient of psi.
    """

    value: Any
    regular: Any
    moved: Any


def derivative(G: InContextMap, mu: Empirical, x: Float[Array, " d"], psi: Callable[[Any], Any]) -> Derivative:
    r"""The derivative of f_G, extended to all masses by homogeneity, in forward mode:

    $$ D_f(\mu, x, \psi) = \frac{d}{d\varepsilon}\Big|_0 \langle f(\mu + \varepsilon \delta_x), \psi \rangle
       = \psi(G(\mu, x)) + \int \nabla\psi(G(\mu, y)) \cdot \frac{\delta G}{\delta\mu}(\mu, y)(x) \, \mu(dy). $$

    Args:
        G: written for arrays of JAX.
        mu: the measure.
        x: where mass is added.
        psi: test function, (m, k) -> (m,).

    References:
        Furuya, de Hoop, Lassas, arXiv:2509.25611 (the regular part is what a continuous G has to continue).
    """
    points = jnp.concatenate([jnp.asarray(mu.points), jnp.asarray(x)[None]])
    weights = jnp.asarray(mu.weights)

    def tested(eps):
        masses = jnp.append(weights, eps)
        return masses @ psi(G.push(Empirical(points, masses)).points)

    # the smallest mass rather than none: softmax takes its scale from atoms that have mass, and clips the scores of the others
    least = 16 * jnp.asarray(jnp.finfo(weights.dtype).tiny, weights.dtype)
    _, value = jax.jvp(tested, (least,), (jnp.ones_like(least),))
    regular = psi(G(Empirical(points[:-1], weights), points[-1:]))[0]
    return Derivative(value, regular, value - regular)
