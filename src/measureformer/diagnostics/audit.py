"""The energy of a field, if it has one, to be watched while a flow runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..fields import L2, ParticleField, Scaled, Softmax, TimeUnit, Unnormalised
from ..geometry import Rescaled, Sphere
from .energy import dissipation, interaction_energy

_LARGE = 300.0  # beta beyond which e^beta is kept out of the energy


@dataclass(frozen=True)
class EnergyOf:
    r"""What a gradient flow climbs: the interaction energy with scores $\beta \langle M x, y \rangle$, M symmetric.

    The field is ``pace`` times the gradient in the metric of the law, so that $dE/dt = \frac{1}{\text{pace}} \int Z |v|^2 d\mu$ (softmax),
    or the same without Z (unnormalised); a negative pace goes down.
    """

    law: str
    beta: float
    M: np.ndarray | None
    pace: float

    @property
    def normalisation(self) -> str:
        """``"measure"``, unless beta is not positive or so large that the energy might overflow."""
        if self.beta <= 0:
            return "centred"
        size = 1.0 if self.M is None else float(np.linalg.norm(self.M, 2))
        return "measure" if self.beta * size <= _LARGE else "unit"

    def energy(self, points: Any, weights: Any) -> float:
        """E of tokens (n, d): a quantity for ``flow``."""
        return float(interaction_energy(points, self.beta, weights, V=self.M, normalisation=self.normalisation))

    def rate(self, points: Any, velocities: Any, weights: Any) -> Any:
        """dE/dt by the dissipation identity: a rate for ``flow``."""
        squared = dissipation(points, velocities, self.beta, weights, V=self.M, law=self.law, normalisation=self.normalisation)
        return squared / self.pace

    def watch(self) -> dict[str, dict[str, Callable]]:
        """Keywords of ``flow``: ``flow(field, mu, T, **energy_of(field).watch())`` observes "energy", and integrates its "dissipation".

        The energy minus its value at the start is the integral, up to the tolerance of the integrator.
        """
        return {"quantities": {"energy": self.energy}, "rates": {"dissipation": self.rate}}


def energy_of(field: Any) -> EnergyOf | None:
    """The energy of a field, or None if it is not known to be a gradient flow.

    Known are softmax and unnormalised attention with V = c Q^T K symmetric and constant, without a mask, with any sign and scale; on the
    sphere also L2 attention with Q = K = V = I.

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2312.10794, Section 3.
    """
    if not isinstance(field, ParticleField) or field.mask is not None or isinstance(field.space, Rescaled):
        return None
    law, pace = field.law, 1.0
    while isinstance(law, Scaled) and not callable(law.factor):
        law, pace = law.law, pace * float(law.factor)
    if isinstance(law, L2) and isinstance(field.space, Sphere) and law.Q is None and law.K is None and law.V is None:
        return EnergyOf("softmax", 2 * float(law.beta), None, pace) if pace else None
    if not isinstance(law, Softmax | Unnormalised) or any(callable(M) for M in (law.Q, law.K, law.V)):
        return None
    M, c = _scores_and_factor(law)
    if c * pace == 0:
        return None
    beta = float(law.beta)
    if isinstance(law, Softmax):
        return EnergyOf("softmax", beta, M, c * pace)
    if law.time is TimeUnit.TOKEN:
        return None  # its pace depends on the number of tokens
    return EnergyOf("unnormalised", beta, M, c * pace * (float(np.exp(-beta)) if law.time is TimeUnit.PEAK else 1.0))


def _scores_and_factor(law: Any) -> tuple[np.ndarray | None, float]:
    """(M, c) with M = Q^T K symmetric and V = c M; c = 0 if there is no such c. M = None is the identity."""
    Q, K, V = (None if M is None else np.asarray(M, np.float64) for M in (law.Q, law.K, law.V))
    if Q is None and K is None and V is None:
        return None, 1.0
    d = next(M.shape[1] for M in (Q, K, V) if M is not None)
    identity = np.eye(d)
    Q, K, V = (identity if M is None else M for M in (Q, K, V))
    if len(Q) != len(K) or V.shape != (d, d):
        return None, 0.0  # the law itself will say what does not fit
    M = Q.T @ K
    c = float((V * M).sum() / (M * M).sum()) if M.any() else 0.0
    size = 1e-12 * max(1.0, float(abs(M).max()))
    if abs(M - M.T).max() > size or abs(V - c * M).max() > max(1.0, abs(c)) * size:
        return None, 0.0
    return M, c
