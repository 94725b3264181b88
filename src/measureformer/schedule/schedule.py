"""Schedules: piecewise-constant parameters theta(t), that is, a Transformer in continuous depth."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator

import equinox as eqx
import numpy as np

from .._brief import html_table, short_number, text_table
from ..errors import InputError
from ..fields import TransformerField


class Segment(eqx.Module):
    """A maximal interval on which theta is constant.

    Args:
        field: the parameters on it.
        duration: its length in time, > 0.
        phase: the name of the part of the construction that it belongs to.
    """

    field: TransformerField
    duration: float
    phase: str = eqx.field(static=True, default="")

    def __check_init__(self):
        if isinstance(self.duration, (int, float)) and not (np.isfinite(self.duration) and self.duration > 0):
            raise InputError(f"duration must be positive and finite, got {self.duration}")

    def inverse(self) -> "Segment":
        """The segment whose flow undoes this one: theta -> -theta in V and W."""
        return Segment(self.field.scaled(-1.0), self.duration, self.phase)

    def lasting(self, duration: float) -> "Segment":
        """The same flow map in another time: V and W are multiplied by (old duration)/(new duration)."""
        return Segment(self.field.scaled(self.duration / duration), duration, self.phase)


class Schedule(eqx.Module):
    r"""theta(t) on [0, T]: segments run one after the other, from the first to the last.

    Its flow is the solution operator of $\partial_t \mu + \operatorname{div}(\mu\, v[\mu]) = 0$ with the field of ``TransformerField``.
    ``first >> second`` runs ``first``, then ``second``; ``~theta`` is the inverse.

    Args:
        segments: in the order in which they run.

    References:
        Geshkovski, Rigollet, Ruiz-Balet, arXiv:2411.04551v3, Section 1.
    """

    segments: tuple[Segment, ...]

    def __init__(self, segments: Iterable[Segment]):
        self.segments = tuple(segments)
        dimensions = {s.field.dimension for s in self.segments} - {None}
        if len(dimensions) > 1:
            raise InputError(f"segments of different dimensions {sorted(map(str, dimensions))} cannot follow each other")

    def __len__(self) -> int:
        return len(self.segments)

    def __iter__(self) -> Iterator[Segment]:  # type: ignore[override]
        return iter(self.segments)

    def __repr__(self) -> str:
        return f"{self._title()}\n{text_table(*self._phases())}" if self.segments else "Schedule without segments"

    def _repr_html_(self) -> str:
        return html_table(self._title(), *self._phases())

    def _title(self) -> str:
        d = "any d" if self.dimension is None else f"d = {self.dimension}"
        return f"Schedule: {len(self)} segments of width {self.width} on [0, {short_number(self.horizon)}], {d}"

    def _phases(self) -> tuple[list[str], list[list[str]]]:
        """The phases in the order in which they appear, as a table."""
        phases: dict[str, list[Segment]] = {}
        for segment in self:
            phases.setdefault(segment.phase, []).append(segment)
        rows = [[name or "-", str(len(own)), short_number(math.fsum(s.duration for s in own))] for name, own in phases.items()]
        return ["phase", "segments", "duration"], rows

    def __rshift__(self, other: "Schedule") -> "Schedule":
        return Schedule(self.segments + other.segments)

    def __invert__(self) -> "Schedule":
        return Schedule(s.inverse() for s in reversed(self.segments))

    @property
    def dimension(self) -> int | None:
        """d, or None for a schedule without parameters."""
        return next((s.field.dimension for s in self.segments if s.field.dimension), None)

    @property
    def width(self) -> int:
        """The largest number of neurons of a segment."""
        return max((s.field.width for s in self.segments), default=0)

    @property
    def horizon(self) -> float:
        """T, the sum of the durations."""
        return math.fsum(s.duration for s in self.segments)

    @property
    def switches(self) -> int:
        """The number of changes of theta: one less than the number of segments (a lower bound on the depth of a discrete network)."""
        return max(len(self) - 1, 0)

    def segments_by_phase(self) -> dict[str, int]:
        """The number of segments of each phase, in order of appearance."""
        return dict(Counter(s.phase for s in self.segments))

    def switches_by_phase(self) -> dict[str, int]:
        """The switches counted where they lead into: every segment but the very first begins with one. They sum to ``switches``."""
        counts = Counter(s.phase for s in self.segments[1:])
        return {phase: counts.get(phase, 0) for phase in self.segments_by_phase()}

    def sup_norm(self) -> float:
        """sup_t |theta(t)|, with the Euclidean norm over all entries of (V, B, W, U, b)."""
        return max((s.field.norm() for s in self.segments), default=0.0)

    def rescale(self, horizon: float) -> "Schedule":
        """The same flow on [0, horizon]: every duration is multiplied by c = horizon / T, V and W by 1/c."""
        if not (np.isfinite(horizon) and horizon > 0):
            raise InputError(f"horizon must be positive and finite, got {horizon}")
        c = horizon / self.horizon
        return Schedule(s.lasting(c * s.duration) for s in self.segments)
