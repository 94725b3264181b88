"""Noise: Brownian motion of the tokens, on the sphere or in R^d."""

from dataclasses import dataclass
from typing import Any

from ..errors import InputError


@dataclass(frozen=True)
class Noise:
    r"""Brownian motion on top of a flow, $dX = v\,dt + \sqrt{2/\kappa}\,dW$, on the sphere with its own Brownian motion.

    Args:
        kappa: inverse strength, > 0; the density obeys $\partial_t \mu = \kappa^{-1} \Delta \mu - \operatorname{div}(\mu v)$.
        key: of ``jax.random``.
        heun: the Stratonovich-Heun scheme; otherwise geodesic Euler-Maruyama. Both are of weak order 1 (Heun's drift is of order 2).

    Raises:
        InputError: kappa is not positive.
    """

    kappa: float
    key: Any
    heun: bool = False

    def __post_init__(self):
        if not self.kappa > 0:
            raise InputError(f"kappa must be positive, got {self.kappa}; without noise leave it out")
