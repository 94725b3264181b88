"""How far the push-forward of a density is from a target density: the Kullback-Leibler divergence."""

from typing import NamedTuple

import numpy as np

from ..errors import InputError
from ..flows import log_density
from ..measures import Density, Empirical
from ..schedule import Schedule


class Divergence(NamedTuple):
    """KL(push-forward | target) in nats, its standard error, and the share of the mass that lies off the target's support.

    The value is infinite, and its error not a number, as soon as a sample lies off the support.
    """

    value: float
    standard_error: float
    outside: float


def kl_divergence(
    schedule: Schedule, source: Density, target: Density, *, samples: int = 1000, measure: Empirical | None = None, seed: int = 0
) -> Divergence:
    r"""$\mathrm{KL}(\rho_T \mid \rho^*) = \int (\log \rho_T - \log \rho^*)\, d\rho_T$ by the mean over samples of rho_0 that go along.

    Args:
        schedule: theta on [0, T].
        source: rho_0.
        target: rho^*.
        samples: how many points of rho_0, at least 2; the standard error falls like 1 / sqrt(samples).
        measure: mu_0 that drives the attention; the samples themselves if None.
        seed: of the samples.

    Raises:
        InputError: fewer than two samples.

    References:
        Geshkovski, Ruiz-Balet, arXiv:2602.08606.
    """
    if samples < 2:
        raise InputError(f"samples must be at least 2 for a standard error, got {samples}")
    x = source.sample(np.random.default_rng(seed), samples)
    moved = log_density(schedule, measure or Empirical(x), None if measure is None else x, source.log_density)
    reached = target.log_density(moved.points)
    outside = float(np.mean(np.isneginf(reached)))
    if outside:
        return Divergence(np.inf, np.nan, outside)
    excess = moved.log_density - reached
    return Divergence(float(excess.mean()), float(excess.std(ddof=1) / np.sqrt(samples)), 0.0)
