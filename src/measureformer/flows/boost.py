"""Boosts: the flow of x' = P_x w, a conformal map of the sphere."""

import jax
import numpy as np
from jaxtyping import Float

from .._types import Array, OptionalArray, namespace
from ..fields import TransformerField, perceptron
from ..geometry import distance, tangent


def boost(x: Float[Array, "*batch d"], w: Float[Array, " d"]) -> Float[Array, "*batch d"]:
    r"""The flow of x' = P_x w for unit time (for time t pass t w).

    With lambda = |w|, u = w / lambda:
    $$ x(1) = \frac{x + ((\cosh\lambda - 1) \langle x, u \rangle + \sinh\lambda)\, u}{\cosh\lambda + \sinh\lambda \langle x, u \rangle}, $$
    that is, tan(angle(x, u) / 2) shrinks by exp(-lambda). It is the Lorentz boost of the light ray (1, x). Evaluated without
    cancellation, with the half-angle taken from the component of x across u where the cosine would lose digits.

    Args:
        x: points of the sphere.
        w: direction times rapidity; w = 0 is the identity.
    """
    return (_boost if namespace(x, w) is np else _compiled)(x, w)


def _boost(x, w):
    u, shrink, across, c2, s2 = half_angles(x, w)
    return ((c2 - shrink**2 * s2) * u + shrink * across) / (c2 + shrink**2 * s2)


_compiled = jax.jit(_boost)


def boost_log_growth(x: Float[Array, "*batch d"], w: Float[Array, " d"]) -> Float[Array, "*batch"]:
    r"""log |det D boost(., w)| at x, on the tangent spaces: $-(d-1) \log(\cosh\lambda + \sinh\lambda \langle x, u \rangle)$, since boosts
    are conformal and lengths at x are divided by $\cosh\lambda + \sinh\lambda \langle x, u \rangle$. Without cancellation, as ``boost``.
    """
    _, shrink, _, c2, s2 = half_angles(x, w)
    xp = namespace(x, w)
    return (1 - x.shape[-1]) * (xp.log(c2 + shrink**2 * s2) - xp.log(shrink))[..., 0]


def constant_field(field: TransformerField) -> OptionalArray:
    """w if the field is P_x w, otherwise None."""
    if field.V is not None or field.W is None or (field.U is not None and np.any(np.asarray(field.U))):
        return None
    return perceptron(namespace(field.W).zeros(field.W.shape[0], field.W.dtype), field.W, None, field.b)


def half_angles(x, w):
    """u = w/|w|, exp(-|w|), the component of x across u, and cos^2 and sin^2 of half the angle between x and u."""
    xp = namespace(x, w)
    rapidity = xp.sqrt((w * w).sum())
    u = w / xp.where(rapidity > 0, rapidity, 1)
    sum_ = _row_sum if xp is np else _fused_sum
    cosine = sum_(x, u)
    across = x - cosine * u
    sine2 = sum_(across, across)
    near = cosine > 0
    c2 = xp.where(near, (1 + cosine) / 2, sine2 / (2 * (1 - xp.where(near, 0, cosine))))
    s2 = xp.where(near, sine2 / (2 * (1 + xp.where(near, cosine, 0))), (1 - cosine) / 2)
    return u, xp.exp(-rapidity), across, c2, s2


def _row_sum(x, y):
    return np.einsum("...i,...i->...", x, y)[..., None]


def _fused_sum(x, y):
    return (x * y).sum(-1, keepdims=True)


def boost_as_block(w: Float[Array, " d"]) -> tuple[Float[Array, "d 1"], Float[Array, "1 d"], Float[Array, " 1"]]:
    r"""The boost as a residual block with one neuron: boost(x, w) = normalize(x + W (U x + b)_+) *exactly*, for every x of the sphere.

    W = u, U = (cosh lambda - 1) u^T, b = sinh lambda: the norm of the light ray's space part is its time part, which the normalisation
    divides by; and the neuron never rests, since sinh(lambda) - (cosh(lambda) - 1) = 1 - exp(-lambda) > 0.

    Returns:
        W (d, 1), U (1, d), b (1,).
    """
    xp = namespace(w)
    rapidity = xp.sqrt((w * w).sum())
    u = w / xp.where(rapidity > 0, rapidity, 1)
    return u[:, None], (2 * xp.sinh(rapidity / 2) ** 2 * u)[None, :], xp.sinh(rapidity)[None]


def boost_between_caps(center, radius: float, new_center, new_radius: float):
    r"""The w for which ``boost(., w)`` carries one cap exactly onto another.

    Boosts map caps to caps. In the plane of the two centres, with half-angle vectors $e_\pm, f_\pm$ of the end points of the two arcs, the
    boost acts on half-angles as the symmetric positive definite 2 x 2 matrix S of determinant 1 with $S e_\pm \parallel f_\pm$. It exists
    and is unique whenever d(center, new_center) < |pi - radius - new_radius|, and always for concentric caps: tan(new_radius/2) =
    exp(-lambda) tan(radius/2).

    Args:
        center, new_center: unit vectors, shape (d,).
        radius, new_radius: in (0, pi), radians.

    Returns:
        w, shape (d,); or None if the caps lie so that no single boost does it.
    """
    gap = float(distance(center, new_center))
    if gap < 1e-9:
        return np.log(np.tan(radius / 2) / np.tan(new_radius / 2)) * center
    if gap >= abs(np.pi - radius - new_radius):
        return None
    across = tangent(center, new_center)
    across = across / np.linalg.norm(across)

    def half(angle):
        return np.array([np.cos(angle / 2), np.sin(angle / 2)])

    E = np.stack([half(-radius), half(radius)], axis=1)
    F = np.stack([half(gap - new_radius), half(gap + new_radius)], axis=1)
    G = E.T @ F
    S = F @ np.diag([G[0, 1], G[1, 0]]) @ np.linalg.inv(E)
    S = np.sign(np.trace(S)) * S / np.sqrt(np.linalg.det(S))
    # A boost of rapidity l along the direction at angle a is exp(l/2 (cos a, sin a; sin a, -cos a)) on half-angle vectors.
    values, vectors = np.linalg.eigh((S + S.T) / 2)
    rapidity = float(np.log(values[1] / values[0]))
    angle = 2 * np.arctan2(vectors[1, 1], vectors[0, 1])
    return rapidity * (np.cos(angle) * center + np.sin(angle) * across)
