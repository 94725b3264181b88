"""What attention at beta = 0 conserves: it acts by Möbius maps of the sphere."""

import numpy as np
from jaxtyping import Float

from .._types import Array, Numbers
from ..errors import InputError


def cross_ratio(
    a: Float[Array, "*#batch d"], b: Float[Array, "*#batch d"], c: Float[Array, "*#batch d"], e: Float[Array, "*#batch d"]
) -> Float[Array, "*batch"] | np.floating:
    r"""$\frac{(1 - \langle a, b \rangle)(1 - \langle c, e \rangle)}{(1 - \langle a, c \rangle)(1 - \langle b, e \rangle)}$ of four tokens.

    Conserved by x_i' = P_{x_i} m, m = mean of all tokens (beta = 0), in every dimension and for any weights, because
    d/dt log(1 - <x_i, x_j>) = -<m, x_i + x_j>; equally by any field P_x w with the same w for all. 1 - <x, y> is computed as
    |x - y|^2/2, accurate for tokens close together.

    Args:
        a, b, c, e: unit vectors; the last axis holds the coordinates.
    """

    def gap(x, y):
        return ((x - y) ** 2).sum(-1)

    return gap(a, b) * gap(c, e) / (gap(a, c) * gap(b, e))


def ott_antonsen_radius(t: Numbers, radius: Numbers) -> Numbers:
    r"""|m_1| at time t of a Poisson-kernel density on the circle at beta = 0: $r' = r(1 - r^2)/2$, so $r^2/(1 - r^2) \propto e^t$.

    The density (1 - r^2)/(2 pi (1 - 2 r cos(theta - psi) + r^2)) stays of this form, psi fixed (Ott and Antonsen, Chaos 18 (2008)).

    Args:
        t: times of any sign.
        radius: r(0) in [0, 1].

    Raises:
        InputError: a radius outside [0, 1].
    """
    r = np.asarray(radius, float)
    if not ((r >= 0) & (r <= 1)).all():
        raise InputError(f"radius must lie in [0, 1], got {radius}")
    return r / np.sqrt(r**2 + (1 - r**2) * np.exp(-np.asarray(t, float)))
