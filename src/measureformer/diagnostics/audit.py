"""The energy of a field, if it has one, to be watched while a flow runs."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..fields import L2, Linear, ParticleField, Scaled, Sigmoid, Sinkhorn, Softmax, TimeUnit, Unnormalised
from ..geometry import Euclidean, Sphere
from .energy import dissipation, interaction_energy, log_scale
from .functionals import linear_energy, mean_shift_energy, sigmoid_energy, transport_energy

_LARGE = 300.0  # beta beyond which e^beta is kept out of the energy

_EXPONENTIAL = "(1/2β) ∬ e^{β⟨Mx,y⟩} dμ dμ"
FORMULAS = {
    "softmax": _EXPONENTIAL,
    "unnormalised": _EXPONENTIAL,
    "linear": "(β/4) ∬ ⟨Mx,y⟩² dμ dμ",
    "sigmoid": "(1/2β) ∬ log(1+e^{β⟨Mx,y⟩+b}) dμ dμ",
    "sinkhorn": "(1/2βε) min_π ∫ -β⟨Mx,y⟩ dπ + ε KL(π|μ⊗μ)",
    "l2": "(1/4β) ∬ e^{-β⟨x-y,M(x-y)⟩} dμ dμ",
}


@dataclass(frozen=True)
class EnergyOf:
    r"""What a gradient flow climbs, or descends if ``pace`` is negative: one functional for each law, named by it.

    | law | functional, $s = \beta \langle M x, y \rangle$, M symmetric | the metric is W_2, weighted with |
    |---|---|---|
    | ``"softmax"`` | $\frac{1}{2\beta} \iint e^s$, see ``interaction_energy`` | $Z = \int e^s$ |
    | ``"unnormalised"`` | the same | 1 |
    | ``"linear"`` | $\frac{\beta}{4} \iint \langle M x, y \rangle^2$, see ``linear_energy`` | 1 |
    | ``"sigmoid"`` | $\frac{1}{2\beta} \iint \log(1 + e^{s + b})$, see ``sigmoid_energy`` | 1 |
    | ``"sinkhorn"`` | $\frac{1}{2\beta\varepsilon}$ of the entropic cost, see ``transport_energy`` | 1 |
    | ``"l2"`` | $\frac{1}{4\beta} \iint e^{-\beta \langle x - y, M (x - y) \rangle}$, see ``mean_shift_energy`` | its kernel |

    The field is ``pace`` times the gradient in that metric, so that dE/dt is ``dissipation`` over the pace.

    Attributes:
        law: a name of the table.
        beta: inverse temperature.
        M: Q^T K; None is the identity.
        pace: c, where the value matrix is V = c M; negative if the functional falls (Sinkhorn's falls if c is positive).
        bias, eps: of sigmoid and Sinkhorn attention.
        time: of unnormalised attention.
    """

    law: str
    beta: float
    M: np.ndarray | None
    pace: float
    bias: float = 0.0
    eps: float = 1.0
    time: TimeUnit = TimeUnit.MEAN

    @property
    def formula(self) -> str:
        """The functional, in the normalisation ``"measure"``."""
        return FORMULAS[self.law]

    @property
    def normalisation(self) -> str:
        """``"measure"``; for exponential kernels another one if beta is not positive, or so large that the energy might overflow."""
        if self.law not in ("softmax", "unnormalised"):
            return "measure"
        if self.beta <= 0:
            return "centred"
        size = 1.0 if self.M is None else float(np.linalg.norm(self.M, 2))
        return "measure" if self.beta * size <= _LARGE else "unit"

    def energy(self, points: Any, weights: Any) -> float:
        """E of tokens (n, d): a quantity for ``flow``."""
        tokens = points, self.beta, weights
        if self.law == "linear":
            return float(linear_energy(*tokens, V=self.M))
        if self.law == "sigmoid":
            return float(sigmoid_energy(*tokens, V=self.M, bias=self.bias))
        if self.law == "sinkhorn":
            return float(transport_energy(*tokens, V=self.M, eps=self.eps))
        if self.law == "l2":
            return float(mean_shift_energy(*tokens, V=self.M))
        return float(interaction_energy(*tokens, V=self.M, normalisation=self.normalisation))

    def rate(self, points: Any, velocities: Any, weights: Any) -> Any:
        """dE/dt by the dissipation identity: a rate for ``flow``."""
        if self.law != "unnormalised" or self.time is TimeUnit.MEAN:
            squared = dissipation(points, velocities, self.beta, weights, V=self.M, law=self.law, normalisation=self.normalisation)
            return squared / self.pace
        # the clock is slower by e^beta (and n), which may overflow apart from the scale of the energy
        scale = float(np.exp(log_scale(self.beta, points.shape[-2], self.normalisation) + self.beta)) / self.pace
        squared = scale * (weights * (velocities * velocities).sum(-1)).sum(-1)
        return squared * (weights > 0).sum(-1) if self.time is TimeUnit.TOKEN else squared

    def watch(self) -> dict[str, dict[str, Callable]]:
        """Keywords of ``flow``: ``flow(field, mu, T, **energy_of(field).watch())`` observes "energy", and integrates its "dissipation".

        The energy minus its value at the start is the integral, up to the tolerance of the integrator.
        """
        return {"quantities": {"energy": self.energy}, "rates": {"dissipation": self.rate}}


def energy_of(field: Any) -> EnergyOf | None:
    """The energy of a field, or None if it is not known to be a gradient flow.

    Known are, on the sphere and in R^d, softmax, unnormalised, linear, sigmoid and Sinkhorn attention with V = c Q^T K symmetric and
    constant, without a mask, with any sign and scale; L2 attention with ``shift`` if besides K^T K = Q^T K; and on the sphere without
    ``shift`` if K^T K is a multiple of the identity, when it is softmax with twice the beta.

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2312.10794, Section 3; Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322.
    """
    if not isinstance(field, ParticleField) or field.mask is not None or not isinstance(field.space, Sphere | Euclidean):
        return None
    law, pace = _unscaled(field.law)
    known = Softmax | Unnormalised | Linear | Sigmoid | Sinkhorn | L2
    if not isinstance(law, known) or any(callable(M) for M in (law.Q, law.K, law.V)):
        return None
    M, c = _scores_and_factor(law)
    if c * pace == 0:
        return None
    beta, pace = float(law.beta), c * pace
    if isinstance(law, Unnormalised):
        return EnergyOf("unnormalised", beta, M, pace, time=law.time)
    if isinstance(law, L2):
        return _of_distances(law, beta, M, pace, isinstance(field.space, Sphere))
    if isinstance(law, Linear):
        return EnergyOf("linear", beta, M, pace) if beta else None
    if isinstance(law, Sigmoid):
        bias = float(law.bias)
        return EnergyOf("sigmoid", beta, M, pace, bias=bias) if beta else EnergyOf("unnormalised", 0.0, M, pace / (1 + np.exp(-bias)))
    if isinstance(law, Sinkhorn):
        eps = float(law.eps)
        return EnergyOf("sinkhorn", beta, M, -pace, eps=eps) if beta else EnergyOf("unnormalised", 0.0, M, pace / eps)
    return EnergyOf("softmax", beta, M, pace)


def _unscaled(law: Any) -> tuple[Any, float]:
    """The law and the product of the constant factors round it."""
    if not isinstance(law, Scaled) or callable(law.factor):
        return law, 1.0
    inner, factor = _unscaled(law.law)
    return inner, factor * float(law.factor)


def _of_distances(law: L2, beta: float, M: np.ndarray | None, pace: float, on_sphere: bool) -> EnergyOf | None:
    """L2 attention as a mean shift, or on the sphere as softmax."""
    keys = None if law.K is None else np.asarray(law.K, np.float64)
    size = np.eye(0 if M is None else len(M)) if keys is None else keys.T @ keys  # of keys: |K y|^2 = <size y, y>
    scores = np.eye(len(size)) if M is None else M
    rounding = 1e-12 * max(1.0, float(abs(size).max(initial=0)))
    if law.shift:
        return EnergyOf("l2", beta, M, pace) if beta and (abs(size - scores) <= rounding).all() else None
    round_keys = (abs(size - np.trace(size) / max(1, len(size)) * np.eye(len(size))) <= rounding).all()
    return EnergyOf("softmax", 2 * beta, M, pace) if on_sphere and round_keys else None


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
