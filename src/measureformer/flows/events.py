"""Events of a flow: what is watched after every step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ..errors import InputError


@dataclass(frozen=True)
class Converged:
    """Ends the flow when no token of any measure is faster than ``speed`` (length per time); each measure's first such time is noted.

    A metastable state is no convergence, however slow: choose the speed with the time scale in mind.
    """

    speed: float = 1e-9

    def __post_init__(self):
        if not self.speed > 0:
            raise InputError(f"speed must be positive, got {self.speed}")


@dataclass(frozen=True)
class Jump:
    """Notes the times at which a whole number changes, found by bisection inside a step (to 1e-6 of it).

    Args:
        kind: the name of it in ``Trajectory.happenings``.
        count: ``count(points, weights)``, a whole number, of NumPy arrays (n, d) and (n,): of clusters, say.
        until: the flow ends when every measure's number is at most this.
    """

    kind: str
    count: Callable[[Any, Any], int]
    until: int | None = None


@dataclass(frozen=True)
class Escape:
    """Ends a flow in R^d when a token is further than ``radius`` times the largest start norm (or 1); the time of blow-up is estimated.

    If tokens merely grow like an exponential the estimate is infinite. A flow in R^d without it ends where numbers overflow.
    """

    radius: float = 1e8
