"""How a sweep lies in its store: variables with labelled axes, in chunks of whole jobs."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import InputError
from .jobs import Kind, Outcome, Variable
from .plan import SAMPLE, Plan

_JOBS, _BYTES = 128, 2**22  # at most so many jobs, and so many bytes of an array, in a chunk
RESERVED = ("status", "error", "trace", "job")


@dataclass(frozen=True)
class Layout:
    """Variables by name, the coordinates of their own axes, and how many values of each axis of the grid share a chunk."""

    variables: dict[str, Variable]
    coordinates: dict[str, np.ndarray]
    shape: tuple[int, ...]
    chunk: tuple[int, ...]

    def trailing(self, name: str) -> tuple[int, ...]:
        """The shape of a value of a variable."""
        return tuple(len(self.coordinates[axis]) for axis in self.variables[name].axes)

    def chunks(self) -> Iterator[tuple[int, ...]]:
        """The numbers of all chunks."""
        return iter(np.ndindex(*(-(-n // c) for n, c in zip(self.shape, self.chunk, strict=True))))

    def home(self, place: tuple[int, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The chunk in which a job lies, and where in it."""
        pairs = [divmod(k, c) for k, c in zip(place, self.chunk, strict=True)]
        return tuple(q for q, _ in pairs), tuple(r for _, r in pairs)

    def region(self, chunk: tuple[int, ...]) -> tuple[slice, ...]:
        """The part of the grid that a chunk holds."""
        return tuple(slice(k * c, min((k + 1) * c, n)) for k, c, n in zip(chunk, self.chunk, self.shape, strict=True))

    def blank(self, chunk: tuple[int, ...]) -> dict[str, np.ndarray]:
        """A chunk without a finished job, by variable."""
        size = tuple(s.stop - s.start for s in self.region(chunk))
        block = {
            name: np.full((*size, *self.trailing(name)), v.fill, object if v.form == "text" else np.float64)
            for name, v in self.variables.items()
        }
        return {**block, "status": np.zeros(size, np.int8), "error": np.full(size, "", object), "trace": np.full(size, "", object)}

    def place(self, block: dict[str, np.ndarray], at: tuple[int, ...], outcome: Outcome) -> None:
        """Put an outcome into its chunk. Arrays that are shorter than their axis leave the end of it empty."""
        for name, variable in self.variables.items():
            value = outcome.values.get(name, variable.fill)
            block[name][at] = variable.fill
            if isinstance(value, np.ndarray):
                block[name][(*at, *(slice(0, n) for n in value.shape))] = value
            else:
                block[name][at] = value
        block["status"][at], block["error"][at], block["trace"][at] = outcome.status, outcome.error, outcome.trace


def layout_of(plan: Plan, kind: Kind) -> Layout:
    """The variables of all the jobs together: an axis is as long as the longest, and has coordinates if all agree on them."""
    variables: dict[str, Variable] = {}
    axes: dict[str, Any] = {}
    for tables in plan.configurations():
        try:
            found = kind.variables(tables)
        except InputError:  # a job that will fail says nothing
            continue
        for name, variable in found.items():
            variables.setdefault(name, variable)
            for axis, values in variable.axes.items():
                known = axes.setdefault(axis, values)
                if known != values:
                    axes[axis] = tuple(map(float, range(max(len(known), len(values)))))
    taken = {axis.key for axis in plan.axes} | set(RESERVED)
    for key, value in plan.parameters(0).items():  # what was drawn, if it is one number or text
        if key not in taken and isinstance(value, int | float | str) and not isinstance(value, bool):
            variables[key] = Variable("text" if isinstance(value, str) else "number")
    ordered = {name: variables[name] for name in sorted(variables)}
    coordinates = {axis: np.array(values, float) for axis, values in axes.items()}
    weight = max([8, *(8 * int(np.prod([len(axes[a]) for a in v.axes])) for v in variables.values())])
    room, chunk = max(1, min(_JOBS, _BYTES // weight)), []
    for n in reversed(plan.shape):
        chunk.append(min(n, room))
        room = max(1, room // chunk[-1])
    return Layout(ordered, coordinates, plan.shape, tuple(reversed(chunk)))


def drawn(plan: Plan, layout: Layout, index: int) -> dict[str, Any]:
    """The parameters of a job that are variables of the store: those drawn at random."""
    return {k: v for k, v in plan.parameters(index).items() if k in layout.variables and k != SAMPLE}
