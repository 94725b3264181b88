"""A plan: the schedule and the network that do a task, and how they were found."""

from dataclasses import dataclass

import numpy as np

from .._brief import brief
from ..errors import InputError
from ..export import Network
from ..schedule import Schedule
from .match import Matching


@dataclass(frozen=True)
class Attention:
    """An amount of attention with V = I, B = beta I: a time s of the flow, or residual layers with steps that add up to it; 0 is none.

    With ``turns`` = (Q, R), orthogonal matrices, it is V = Q, B = beta R instead.
    """

    beta: float
    amount: float
    turns: tuple[np.ndarray, np.ndarray] | None = None

    def matrices(self, d: int) -> tuple[np.ndarray, np.ndarray | None]:
        """(V, B) = (I, beta I), or (Q, beta R) with ``turns``; B is None for beta = 0."""
        V, R = self.turns or (np.eye(d), np.eye(d))
        return V, self.beta * R if self.beta else None


@dataclass(frozen=True)
class Plan:
    """A schedule, the network that does the same job in discrete depth, and how each was obtained.

    Attributes:
        schedule: theta on [0, T].
        network: attention layers and residual blocks, planned on its own attention layers' output.
        attention, matching: of the schedule.
        network_attention, network_matching: of the network.
        notes: what a user should know (poor conditioning, places moved apart, ...).
    """

    schedule: Schedule
    network: Network
    attention: Attention
    matching: Matching
    network_attention: Attention
    network_matching: Matching
    notes: tuple[str, ...]
    __repr__ = brief

    @property
    def smallest_gap(self) -> float:
        """The smallest height gap that a stage of the schedule has to resolve, in chart units (the chart's ball has radius 1.73)."""
        return min(self.matching.source_gap, self.matching.target_gap)


def check_options(d: int, *, eps: float, width: int | None, horizon: float) -> int:
    """The width to use (d if None).

    Raises:
        InputError: eps or horizon is not positive and finite, or the width is less than 2.
    """
    width = d if width is None else width
    if width < 2:
        raise InputError(f"width must be at least 2 (a saturated gate takes two neurons), got {width}")
    for name, value in (("eps", eps), ("horizon", horizon)):
        if not (np.isfinite(value) and value > 0):
            raise InputError(f"{name} must be positive and finite, got {value}")
    return width
