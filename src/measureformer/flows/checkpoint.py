"""Where a flow of a field has got to at a saved time: all that its future depends on, as arrays."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np

from .._brief import brief
from .trajectory import Happening


@dataclass(frozen=True)
class Moment:
    """A saved state.

    Attributes:
        time: t.
        points: tokens, probes, and what smaller measures are filled up with: an array (N, n, d), or what NumPy can make one of.
        integrals: the integrals of the rates from time 0, shape (N,) for each name.
        quantities: what was observed, shape (N,) for each name.
    """

    time: float
    points: Any
    integrals: dict[str, np.ndarray]
    quantities: dict[str, np.ndarray] = field(default_factory=dict)
    __repr__ = brief


@runtime_checkable
class Moments(Protocol):
    """Where a flow puts its saved states: a list, or something that keeps their points in a file and reads them when they are used."""

    def append(self, moment: Moment, /) -> None: ...
    def __len__(self) -> int: ...
    def __getitem__(self, k: int, /) -> Moment: ...
    def __iter__(self) -> Iterator[Moment]: ...


@dataclass(frozen=True)
class Checkpoint:
    """All saved states so far, and what the integrator knows at the last of them.

    A flow that ``evolve(..., resume=checkpoint)`` takes up again is the undisturbed one, bit for bit: the length of the next step, the key
    of the noise and what the events have counted belong to the memory.

    Attributes:
        moments: the saved states, at least one.
        memory: arrays by name, ready to be stored.
    """

    moments: Sequence[Moment] | Moments
    memory: dict[str, np.ndarray]
    __repr__ = brief


def packed(happenings: Sequence[Happening]) -> dict[str, np.ndarray]:
    """Happenings as arrays."""
    return {
        "happening_kind": np.array([h.kind for h in happenings], np.str_),
        "happening_time": np.array([h.time for h in happenings], np.float64),
        "happening_measure": np.array([h.measure for h in happenings], np.int64),
        "happening_value": np.array([h.value for h in happenings], np.float64),
    }


def unpacked(memory: dict[str, np.ndarray]) -> list[Happening]:
    """The inverse of ``packed``."""
    columns = (memory[f"happening_{name}"] for name in ("kind", "time", "measure", "value"))
    return [Happening(str(kind), float(time), int(measure), float(value)) for kind, time, measure, value in zip(*columns, strict=True)]
