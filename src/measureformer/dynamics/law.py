"""The attention laws that have closed forms here, and their units of time."""

import numpy as np

from .._types import Numbers
from ..errors import InputError

# How much slower the clock runs than for the kernel e^{beta <x, y>}: the logarithm of the factor on time, divided by beta.
CLOCKS = {"softmax": 0.0, "unnormalised": 0.0, "peak": 1.0}


def known_law(law: str) -> str:
    r"""The law itself, if it is one of these; x_i' = P_{x_i} of

    | law | velocity | |
    |---|---|---|
    | ``"softmax"`` | $\sum_j w_j e^{\beta \langle x_i, x_j \rangle} x_j / \sum_k w_k e^{\beta \langle x_i, x_k \rangle}$ | SA |
    | ``"unnormalised"`` | $\sum_j w_j e^{\beta \langle x_i, x_j \rangle} x_j$ | USA, as in 2312.10794 |
    | ``"peak"`` | $\sum_j w_j e^{\beta (\langle x_i, x_j \rangle - 1)} x_j$ | USA, as in 2410.06833 |

    The clock of ``"peak"`` shows $e^\beta$ times what that of ``"unnormalised"`` shows; the paths are the same.

    Raises:
        InputError: another name.
    """
    if law not in CLOCKS:
        raise InputError(f"law {law!r} has no closed forms here; choose one of {', '.join(CLOCKS)}")
    return law


def known_sign(sign: float) -> float:
    """+1 (V = I, attractive) or -1 (V = -I, repulsive); anything else is refused."""
    if sign not in (1, -1):
        raise InputError(f"sign must be +1 or -1 (V = I or V = -I), got {sign}")
    return float(sign)


def finite(value: Numbers, what: str, law: str, beta) -> Numbers:
    """The value, unless it overflowed."""
    if not np.isfinite(value).all():
        remedy = "law='peak' measures time so that it does not" if law == "unnormalised" else "lower beta"
        raise InputError(f"{what} overflows at beta = {np.max(beta)}; {remedy}")
    return value
