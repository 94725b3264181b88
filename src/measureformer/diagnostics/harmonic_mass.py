"""The masses that tokens of the circle and of S^2 find, in linear time."""

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float, Int

from .._types import OptionalArray
from ..errors import InputError
from ..fields import ParticleField, Softmax
from ..fields.harmonic import expansions, with_kernel
from ..geometry import norm

_RTOL = 1e-11  # of a mass
_SMALL = 1e-15  # what is left out of the expansion


def log_masses_by_harmonics(
    points: Float[np.ndarray, "n d"], beta: float, weights: Float[np.ndarray, " n"], V: OptionalArray = None
) -> tuple[Float[np.ndarray, " n"], Int[np.ndarray, " k"]]:
    r"""$\log \sum_j w_j e^{\beta \langle V x_i, x_j \rangle}$, and the numbers of the tokens for which it is not known to 1e-11:
    those far from all mass; all of them where all pairs are less work, or where there is no expansion (off the sphere, float32).

    Args:
        points: tokens.
        beta: inverse temperature.
        weights: >= 0.
        V: symmetric matrix; the identity if None.
    """
    n, d = points.shape
    nothing = np.empty(n, points.dtype), np.arange(n)
    if d not in (2, 3) or points.dtype != np.float64 or not abs(norm(points) - 1).max() <= 1e-12:
        return nothing
    try:
        choice = with_kernel(ParticleField(Softmax(beta, Q=V)), "auto", n, d, rtol=_SMALL)
    except InputError:
        return nothing
    if choice.name == "dense":
        return nothing
    with jax.enable_x64(True):
        part = expansions(choice.field)[0]
        queries = beta * (points if V is None else points @ V)
        mass, shift = (np.asarray(a) for a in _mass(part.kernel, queries, points, weights))
    sure = mass * _RTOL > float(part.kernel.error) * weights.sum()
    return np.log(np.where(sure, mass, 1)) + shift, np.flatnonzero(~sure)


@eqx.filter_jit
def _mass(kernel, z, y, w):
    return kernel(z, y, w)[1:]
