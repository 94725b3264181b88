"""Unnormalised attention (USA): a gradient flow, in three units of time that are in print."""

from enum import Enum
from typing import Any, ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, Matrix, Scalar, Seen, namespace
from ..errors import InputError
from ..kernels import exponential_sums, total
from .pairs import About, queries_and_keys, transform

_PEAK = 'take the time unit TimeUnit.PEAK (in a configuration time = "peak"), which divides by e^beta and changes nothing but the clock'


class TimeUnit(Enum):
    """What one unit of time of unnormalised attention is. The trajectories are the same; only the clock differs.

    ``MEAN``    weight e^{beta <x, y>} / n, arXiv:2312.10794 and 2512.01868. Its clock shows t.
    ``PEAK``    weight e^{beta (<x, y> - 1)} / n, arXiv:2410.06833: an atom at x itself pulls with weight 1. Its clock shows t e^beta.
    ``TOKEN``   weight e^{beta (<x, y> - 1)} / n^2, arXiv:2410.06833, Sections 3 and 6. Its clock shows t n e^beta; n counts the atoms.
    """

    MEAN = "mean"
    PEAK = "peak"
    TOKEN = "token"

    def clock(self, t: float, beta: float, n: int = 1) -> float:
        """What this clock shows when that of ``MEAN`` shows t."""
        factor = 1.0 if self is TimeUnit.MEAN else float(np.exp(beta))
        return t * factor * (n if self is TimeUnit.TOKEN else 1)


class Unnormalised(eqx.Module):
    r"""Softmax attention without its normaliser:

    $$ A[\mu](x) = \int e^{\beta \langle Q x, K y \rangle} \, V y \, \mu(dy), $$
    divided by $e^\beta$ in the time unit ``PEAK``, and by $n e^\beta$ in ``TOKEN``. On the sphere with Q = K = V = I its flow is the W_2
    gradient ascent of the interaction energy. In R^d it can blow up in finite time.

    Args:
        beta: inverse temperature.
        Q, K, V: see ``fields.pairs``.
        time: the unit of time. Speeds reach e^beta in ``MEAN``; take ``PEAK`` for large beta.

    Raises:
        InputError: when called on NumPy arrays, if a weight overflows. (``flow`` checks the start.)

    References:
        Geshkovski, Letrouit, Polyanskiy, Rigollet, arXiv:2312.10794, (USA).
    """

    beta: Scalar = 1.0
    Q: Matrix = None
    K: Matrix = None
    V: Matrix = None
    time: TimeUnit = eqx.field(static=True, default=TimeUnit.MEAN)

    parallel: ClassVar[bool] = True
    about: ClassVar[About] = About(
        name="unnormalised",
        formula="∫ e^{β⟨Qx,Ky⟩} Vy dμ(y)",
        gradient="W₂ gradient ascent of (1/2β) ∬ e^{β⟨Qx,Ky⟩} dμ dμ if V = QᵀK is symmetric",
        gaussian="no",
        mean_field="Geshkovski et al. 2023 on the sphere; in R^d until blow-up",
        source="arXiv:2312.10794, (USA)",
    )

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n k"]:
        """A[mu](x)."""
        queries, keys = queries_and_keys(self, x, points, t)
        numerator, _, shift = exponential_sums(self.beta * queries, keys, weights, transform(self.V, points, t, "V"), seen=seen)
        shift = shift if self.time is TimeUnit.MEAN else shift - self.beta
        xp = namespace(shift)
        if xp is np and shift.size and shift.max() > (limit := np.log(np.finfo(shift.dtype).max)):
            raise InputError(f"a score is {shift.max():.4g}, and exp is finite up to {limit:.4g}: {self.remedy()}")
        value = xp.exp(shift)[..., None] * numerator
        return value / total((weights > 0).sum(-1))[..., None, None] if self.time is TimeUnit.TOKEN else value

    def remedy(self) -> str:
        """What to do if its values are not finite."""
        way_out = _PEAK if self.time is TimeUnit.MEAN else "take a smaller beta, or smaller points"
        return f"the weights e^(beta <Qx, Ky>) overflow at beta = {float(self.beta):.6g}; {way_out}, or the law softmax"
