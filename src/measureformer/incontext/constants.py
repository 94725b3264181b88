"""What is known beforehand: Lipschitz constants of attention, the estimates of Dobrushin, the price of depth and of a wrong velocity."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from .._types import Array
from ..errors import InputError


@dataclass(frozen=True)
class Lipschitz:
    """|G(mu, x) - G(nu, y)| <= in_x |x - y| + in_mu W_1(mu, nu) on the ball where it was computed; ``size`` bounds |G|."""

    in_x: float
    in_mu: float
    size: float = float("inf")

    @property
    def total(self) -> float:
        """Lambda = Lambda_x + Lambda_mu."""
        return self.in_x + self.in_mu

    def __add__(self, other: "Lipschitz") -> "Lipschitz":
        return Lipschitz(self.in_x + other.in_x, self.in_mu + other.in_mu, self.size + other.size)


def attention_constants(B: Float[Array, "d d"], V: Float[Array, "k d"], *, radius: float = 1.0, on_sphere: bool = False) -> Lipschitz:
    r"""Constants of softmax attention $A(\mu, x)$ with scores <B x, y> on the ball of radius R, b = |B|, v = |V| (spectral norms):

    $$ |D_x A| = |V \mathrm{Cov}\, B| \le v b R^2, \qquad |A(\mu,x) - A(\nu,x)| \le v (1 + 2 b R^2) e^{2 b R^2}\, W_1(\mu, \nu),
       \qquad |A| \le v R. $$

    The growth in R^2 is exponential, and no better bound has another order.

    Args:
        B: score matrix, beta K^T Q.
        V: value matrix (after the output matrix).
        radius: R.
        on_sphere: the constants of P_x A on the unit sphere instead (the projection adds 2|A| to the first).

    Raises:
        InputError: the radius is not positive; or it is not 1 on the sphere.
    """
    if not radius > 0 or (on_sphere and radius != 1):
        raise InputError(f"radius must be positive, and 1 on the sphere; got {radius}")
    b, v = (float(np.linalg.norm(np.asarray(M), 2)) for M in (B, V))
    in_x = v * b * radius**2 + (2 * v if on_sphere else 0.0)
    return Lipschitz(in_x, v * (1 + 2 * b * radius**2) * float(np.exp(2 * b * radius**2)), v * radius)


def sampling_error(B: Float[Array, "d d"], V: Float[Array, "k d"], count: int, *, radius: float = 1.0) -> float:
    r"""What a context of N independent tokens knows of its law mu on the ball of radius R, b and v as in ``attention_constants``:

    $$ (E |A(\mu_N, x) - A(\mu, x)|^2)^{1/2} \le 2 e^{2 b R^2} v R / \sqrt{N} . $$
    (The difference is the mean of $e^s (V y - A)$, centred and at most $2 v R e^{b R^2}$, over a normaliser of at least $e^{-b R^2}$.)

    Args:
        B, V: score and value matrix.
        count: N.
        radius: R.
    """
    b, v = (float(np.linalg.norm(np.asarray(M), 2)) for M in (B, V))
    return 2 * v * radius * float(np.exp(2 * b * radius**2)) / count**0.5


def flow_constants(field: Lipschitz, horizon: float) -> Lipschitz:
    r"""Constants of the solution map X_T of a field with constants $\Lambda_x, \Lambda_\mu$ on all that is reached:

    $$ |X_T(\mu, x) - X_T(\nu, y)| \le e^{\Lambda_x T} |x - y| + e^{\Lambda_x T} (e^{\Lambda_\mu T} - 1)\, W_1(\mu, \nu). $$
    """
    stretch = float(np.exp(field.in_x * horizon))
    return Lipschitz(stretch, stretch * float(np.expm1(field.in_mu * horizon)))


def dobrushin(field: Lipschitz, horizon: float) -> float:
    r"""$e^{\Lambda T}$, by which W_1 of two solutions grows at most."""
    return float(np.exp(field.total * horizon))


def velocity_error(delta: float, field: Lipschitz, horizon: float) -> float:
    r"""$\delta (e^{\Lambda T} - 1)/\Lambda$: how far the flows of two fields part that differ by at most delta (Lambda of either)."""
    return delta * _growth(field.total, horizon)


def depth_error(field: Lipschitz, horizon: float, layers: int, *, drift: float = 0.0) -> float:
    r"""$\tfrac{C h}{2} (e^{\Lambda T} - 1)/\Lambda$, h = T/L, $C = \text{drift} + \Lambda \sup|v|$: the distance of L layers from the flow.

    Args:
        field: constants of v, with its ``size``.
        horizon: T.
        layers: L.
        drift: Lipschitz constant of v in time.

    Raises:
        InputError: the size of the field is not known.
    """
    if not np.isfinite(field.size):
        raise InputError("field.size is infinite; give Lipschitz(in_x, in_mu, size) with a bound of |v| on what is reached")
    return (drift + field.total * field.size) * horizon / layers / 2 * _growth(field.total, horizon)


def _growth(rate: float, horizon: float) -> float:
    return float(np.expm1(rate * horizon) / rate) if rate > 0 else horizon


def observed_constants(G: Any, pairs: Any) -> Lipschitz:
    """The largest quotients seen: pairs are (mu, nu, x, y, W_1(mu, nu)). A lower bound of the constants, for comparison with the above."""
    in_x = in_mu = size = 0.0
    for mu, nu, x, y, distance in pairs:
        at_x, at_y, at_nu = (np.asarray(G(*arguments)) for arguments in ((mu, x), (mu, y), (nu, x)))
        in_x = max(in_x, float((np.linalg.norm(at_x - at_y, axis=1) / np.linalg.norm(np.asarray(x - y), axis=1)).max()))
        in_mu = max(in_mu, float(np.linalg.norm(at_x - at_nu, axis=1).max()) / distance)
        size = max(size, float(np.linalg.norm(at_x, axis=1).max()))
    return Lipschitz(in_x, in_mu, size)
