"""The Gaussian flow: mean and covariance of N(m, S) under a law, for many measures at once, with what becomes of each."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

import equinox as eqx
import jax
import numpy as np

from .._brief import brief
from ..errors import InputError
from ..fields.gaussians import laws_in, some_laws
from ..flows.evolve import times_of
from ..measures import Gaussian
from .field import affine_field, check_closed
from .lanes import Lanes, Rules

METHODS = ("adaptive", "implicit", "congruence")
_CHUNK = 1 << 14  # measures that are advanced together


class Fate(Enum):
    """What became of a Gaussian."""

    HORIZON = "the horizon was reached"
    CONVERGED = "the covariance does not change any more"
    BLOW_UP = "the second moment becomes infinite in finite time"
    OVERFLOW = "numbers overflow, though the growth is not that of a blow-up in finite time; take a shorter horizon"
    STEPS = "the limit of steps was reached; give a larger max_steps, a shorter horizon, or the implicit method"
    STEP_SIZE = "the step size fell to rounding; the equation is too stiff: take looser tolerances, or the implicit method"


@dataclass(frozen=True)
class GaussianFlow:
    """The outcome of ``gaussian_flow``; all arrays have the leading axes of the batch.

    Attributes:
        times: saved times, shape (T,).
        mean, cov: at these times, shapes (*batch, T, d) and (*batch, T, d, d); NaN after a measure's end.
        final: the measures where they ended. A mean that grew beyond all numbers is infinite there.
        fates: of each measure, an array of ``Fate``.
        time: when it ended; for a blow-up the estimated time of it.
        rate: |S'|_F at the end.
        steps, rejected: accepted steps, and attempts whose error was too large.
    """

    times: np.ndarray
    mean: np.ndarray
    cov: np.ndarray
    final: Gaussian
    fates: np.ndarray
    time: np.ndarray
    rate: np.ndarray
    steps: np.ndarray
    rejected: np.ndarray
    __repr__ = brief

    @property
    def fate(self) -> Fate:
        """That of the only measure.

        Raises:
            InputError: there are several; see ``fates``.
        """
        if self.fates.size != 1:
            raise InputError(f"there are {self.fates.size} measures; look at fates, one for each")
        return self.fates.ravel()[0]


def gaussian_flow(
    law: Any,
    gaussian: Gaussian,
    horizon: float,
    *,
    saveat: Any = None,
    method: str = "adaptive",
    rtol: float = 1e-11,
    atol: float = 1e-14,
    step: float | None = None,
    converged: float | None = 1e-8,
    max_steps: int = 100_000,
) -> GaussianFlow:
    r"""Solve $m' = u$, $S' = B S + S B^\top$ with the affine field (u, B) of the law on N(m, S), in float64 (NumPy).

    S is carried as $F F^\top$ with $F' = B F$, so that it stays symmetric and positive semi-definite, and its rank never grows, by
    construction.

    A blow-up is seen by its growth time $\tau = q / q'$ (q the trace of S; of $M_2$ if the mean acts on S): it falls to zero like
    (T* - t) / p, whatever the power p, and T* is where the line through its last two values vanishes. Growth like an exponential is none.

    Args:
        law: one that keeps Gaussians, see ``affine_field``; in R^d. With matrices of shape (n, k, d) it is n laws, one for each of a
            batch (n, d) of measures.
        gaussian: one measure, or a batch (*batch, d) of measures that do not see each other; each has its own steps.
        horizon: T > 0.
        saveat: times in [0, T], increasing; a whole number K for 0, T/K, ..., T; None for 0 and T.
        method: ``"adaptive"``: Dormand-Prince of order 8 with error control; ``"implicit"``: linearly implicit steps of order 7 with error
            control, for stiff equations; ``"congruence"``: S <- P S P^T with P = I + hB + h^2 B^2 / 2
            and h = min(step, 1 / (4 |B|)), of first order, some 25 steps to a limit.
        rtol, atol: of the adaptive method; the error of each column of (m, F) stays below atol + rtol times its largest entry.
        step: the longest step; None for no limit.
        converged: a measure ends when |S'|_F is below (and |u|, if the mean acts on S); None to go on (so it is
            for a law with functions of time). A measure whose covariance is at
            rest from the start ends at once only if its mean is too.
        max_steps: attempts for one measure.

    Returns:
        The flow; look at ``fates``.

    Raises:
        InputError: bad arguments; a law that does not keep Gaussians.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322 (the closed equations).

    Example:
        >>> from measureformer.fields import Softmax
        >>> law = Softmax(Q=np.array([[1.0, 2.0], [0.0, -1.0]]))
        >>> flow = gaussian_flow(law, Gaussian([0.0, 0.0], [[2.0, 1.0], [1.0, 2.0]]), 1.0)
        >>> flow.fate.name, round(float(flow.time), 10)
        ('BLOW_UP', 0.1371459426)
    """
    times = times_of(saveat, horizon)
    _check(method, rtol, atol, step, converged, max_steps)
    start = Gaussian(np.asarray(gaussian.mean, np.float64), np.asarray(gaussian.cov, np.float64))
    check_closed(law, start)
    law = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64) if eqx.is_array_like(leaf) else leaf, law)
    if (laws := laws_in(law)) is not None and start.batch != (laws,):
        raise InputError(f"there are {laws} laws, and the measures have the batch {start.batch}; give one measure to each law")
    affine_field(law, start)
    batch, d = start.batch, start.dimension
    count = int(np.prod(batch))
    means, covs = start.mean.reshape(count, d), start.cov.reshape(count, d, d)
    rules = Rules(float(horizon), times, method, rtol, atol, np.inf if step is None else step, converged, max_steps)
    size = _CHUNK
    if any(callable(leaf) for leaf in jax.tree.leaves(law)):  # what is at rest now may move later; and functions of time take one time
        size, rules = 1, replace(rules, converged=None)
    with np.errstate(all="ignore"):
        cuts = [slice(k, k + size) for k in range(0, count, size)]
        parts = [Lanes(some_laws(law, cut), rules, means[cut], covs[cut]).run() for cut in cuts]
    joined = {name: np.concatenate([part[name] for part in parts]).reshape((*batch, *parts[0][name].shape[1:])) for name in parts[0]}
    names = np.array(list(Fate), dtype=object)
    order = [fate.name for fate in Fate]
    final = eqx.tree_at(lambda g: (g.mean, g.cov), start, (joined.pop("end_mean"), joined.pop("end_cov")))
    codes = joined.pop("code")
    fates = np.empty(batch, dtype=object)
    fates[...] = names[np.vectorize(order.index, otypes=[int])(codes)] if count else names[:0].reshape(batch)
    return GaussianFlow(times=times, final=final, fates=fates, **joined)


def _check(method: str, rtol: float, atol: float, step: float | None, converged: float | None, max_steps: int) -> None:
    if method not in METHODS:
        raise InputError(f"method {method!r} is not known; choose one of {', '.join(METHODS)}")
    for name, value in (("rtol", rtol), ("atol", atol), ("step", step), ("converged", converged)):
        if value is not None and not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} must be positive and finite, got {value}")
    if max_steps < 1:
        raise InputError(f"max_steps must be at least 1, got {max_steps}")
