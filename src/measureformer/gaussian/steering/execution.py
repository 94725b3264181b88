"""What a schedule of softmax attention in R^d does to Gaussians (by the adaptive integrator) and to clouds of tokens."""

from collections.abc import Iterable

import numpy as np

from ...errors import InputError
from ...fields import ParticleField, Softmax
from ...flows import flow
from ...geometry import Euclidean
from ...measures import Empirical, Gaussian
from ...schedule import Schedule, Segment
from ..flow import Fate, gaussian_flow


def law_of(segment: Segment) -> Softmax:
    """Softmax attention with the V of the segment and A = B."""
    return Softmax(Q=np.asarray(segment.field.B), V=np.asarray(segment.field.V))


def run(segment: Segment, gaussian: Gaussian, saves: int, rtol: float) -> tuple[np.ndarray, np.ndarray, Gaussian]:
    """Means (N, T, d) and covariances (N, T, d, d) at evenly spaced times, the first and the last among them, and the end.

    Raises:
        InputError: the integration stopped early.
    """
    found = gaussian_flow(law_of(segment), gaussian, segment.duration, saveat=saves, rtol=rtol, atol=rtol * 1e-3, converged=None)
    early = [fate for fate in found.fates.ravel() if fate not in (Fate.HORIZON, Fate.CONVERGED)]
    if early:
        raise InputError(f"the schedule cannot be executed on these measures: {early[0].value}")
    return found.mean, found.cov, found.final


def steered(schedule: Schedule | Iterable[Segment], gaussian: Gaussian, *, rtol: float = 1e-12) -> Gaussian:
    """Where the schedule carries a batch (N, d) of measures, by the Dormand-Prince pair of order 8 on (m, S).

    Args:
        schedule: of attention; no perceptron.
        gaussian: the measures.
        rtol: of the integrator.

    Raises:
        InputError: the integration stopped early: a blow-up, say.
    """
    for segment in schedule:
        _, _, gaussian = run(segment, gaussian, 1, rtol)
    return gaussian


def steered_cloud(schedule: Schedule, cloud: Empirical, **options) -> Empirical:
    """Where the schedule carries a cloud of tokens of R^d under softmax attention itself.

    Args:
        schedule: of attention; no perceptron.
        cloud: the tokens.
        options: of ``flow`` (rtol, atol, step).
    """
    for segment in schedule:
        cloud = flow(ParticleField(law_of(segment), Euclidean()), cloud, segment.duration, **options).measures[0]
    return cloud
