"""What one flow of a field is asked to do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..measures import Empirical
from .checkpoint import Checkpoint, Moments
from .noise import Noise


@dataclass(frozen=True)
class Task:
    """The arguments of ``evolve``, checked."""

    field: Any
    measures: list[Empirical]
    probes: list[np.ndarray]
    horizon: float
    times: np.ndarray
    rtol: float | None
    atol: float | None
    step: float | None
    solver: Any
    noise: Noise | None
    events: tuple[Any, ...]
    quantities: dict[str, Callable]
    rates: dict[str, Callable]
    dense: bool
    kernel: str
    max_steps: int
    progress: Callable[[float], None] | None
    keep: Callable[[Checkpoint], None] | None
    resume: Checkpoint | None
    mesh: Any
    into: Moments | None
