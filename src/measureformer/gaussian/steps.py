r"""Steps of the Gaussian flow for many measures at once, each with its own length.

The state is ``y``, shape (n, d, 1 + r): the mean, then the columns of a factor F with $S = F F^\top$. As $F' = B F$, every step of a
Runge-Kutta method multiplies F from the left: S stays symmetric and positive semi-definite, and its rank cannot grow.
"""

from collections.abc import Callable
from functools import cache, partial
from typing import Any

import numpy as np

from ..measures import Gaussian

ORDER = 8
_FAR = 1e100

Slope = Callable[[Any, np.ndarray], tuple[np.ndarray, np.ndarray]]


def stacked(gaussian: Gaussian) -> np.ndarray:
    """The state of a batch of shape (n,). Directions without variance are left out where all measures lack them."""
    S = np.asarray(gaussian.cov)
    values, vectors = np.linalg.eigh(S)
    tiny = 4 * S.shape[-1] * np.finfo(S.dtype).eps * values[..., -1:]
    factor = vectors * np.sqrt(np.where(values > tiny, values, 0))[..., None, :]
    needed = (factor != 0).any((0, 1))
    return np.concatenate([np.asarray(gaussian.mean)[..., None], factor[..., needed]], -1)


def mean_and_cov(y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """m (n, d) and S (n, d, d)."""
    F = y[..., 1:]
    return y[..., 0], F @ np.swapaxes(F, -1, -2)


def slopes_of(law: Any) -> Slope:
    """(t, y) -> y' and B, t a number for all or one for each. The law may be a batch of them, one for each state."""
    field = partial(type(law).on_gaussian, law)  # what equinox adds to a bound method takes as long as the field itself

    def slopes(t: Any, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        F = y[..., 1:]
        # the time of a single measure as a number, which is what functions of time take
        u, B = field(y[..., 0], F @ np.swapaxes(F, -1, -2), float(t[0]) if len(t) == 1 else t)
        return np.concatenate([u[..., None], B @ F], -1), B

    return slopes


def congruence(y: np.ndarray, k: np.ndarray, B: np.ndarray, h: np.ndarray) -> np.ndarray:
    r"""The map of one residual layer, to second order in the matrix that it has at the start, where y' = k:

    $$ m \leftarrow m + h u, \qquad S \leftarrow P S P^\top, \qquad P = I + h B + h^2 B^2 / 2 . $$
    """
    h = h[:, None, None]
    return np.concatenate([y[..., :1] + h * k[..., :1], y[..., 1:] + h * (k[..., 1:] + h / 2 * (B @ k[..., 1:]))], -1)


def runge_kutta(slopes: Slope, t: np.ndarray, y: np.ndarray, h: np.ndarray, first: np.ndarray, rtol: float, atol: float):
    """One attempt with the Dormand-Prince pair of order 8.

    Args:
        slopes: the field of the state.
        t, h: times and lengths, shape (n,).
        y, first: states and their slopes at t.
        rtol, atol: a column's error is measured against atol + rtol times its largest entry.

    Returns:
        The states after it, their slopes, and the errors in units of the tolerance, infinite where something is not finite.
    """
    a, b, c, e5, e3 = tableau()
    step = h[:, None, None]
    stages = [first]
    for row, shift in zip(a[1:], c[1:], strict=True):
        stages.append(slopes(t + shift * h, y + step * _sum(row, stages))[0])
    new = y + step * _sum(b, stages)
    last = slopes(t + h, new)[0]
    stages.append(last)
    errors = [step * _sum(e, stages) for e in (e5, e3)]
    return new, last, error_of(errors, y, new, last, rtol, atol)


def error_of(errors: list[np.ndarray], y: np.ndarray, new: np.ndarray, last: np.ndarray, rtol: float, atol: float) -> np.ndarray:
    """The error of a step from y to ``new`` in units of the tolerance, infinite where something is not finite.

    Args:
        errors: an estimate, shape of y; or one of order 5 and one of order 3, weighed as in the pair of order 8.
        y, new, last: the states before and after, and the slope after.
        rtol, atol: see ``runge_kutta``.
    """
    scale = atol + rtol * np.maximum(abs(y), abs(new)).max(1)
    fine, *others = (abs(e).max(1) / scale for e in errors)
    error = fine if not others else fine * fine / np.sqrt(np.maximum(fine * fine + 0.01 * others[0] * others[0], 1e-300))
    # a mean on its way to overflow is not worth shorter steps; where it acts on the factor, that one's error shows it
    error[:, 0] = np.where(abs(y[:, :, 0]).max(1) < _FAR, error[:, 0], 0)
    whole = np.isfinite(new[..., 1:]).all((1, 2)) & np.isfinite(last[..., 1:]).all((1, 2))
    return np.where(whole, error.max(1), np.inf)


def _sum(row: np.ndarray, stages: list[np.ndarray]) -> np.ndarray:
    total = np.zeros_like(stages[0])
    for coefficient, stage in zip(row, stages, strict=False):
        if coefficient:
            total += coefficient * stage
    return total


@cache
def tableau():
    """a, b, c and the weights of the errors of orders 5 and 3 of the Dormand-Prince pair of order 8."""
    from scipy.integrate import DOP853

    return DOP853.A, DOP853.B, DOP853.C, DOP853.E5, DOP853.E3
