"""The Zarr store of a sweep: labelled axes, checksummed chunks, and never a moment at which it is not valid."""

import json
import shutil
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from ..checksummed import add_array, consolidate, sweep_up, zarr_for
from .jobs import DONE, FAILED, PENDING, Outcome
from .journal import Journal
from .layout import Layout, drawn
from .plan import Plan

FILE, JOURNAL = "store.zarr", "journal.txt"
_NEEDED_BY = "the store of a sweep"
_MOST_JOURNAL = 2**26  # bytes, above which what is already in the store is taken out of the journal


class Store:
    """Outcomes by job. Finished jobs go to the journal at once and to the store chunk by chunk; a chunk is replaced in one step.

    The files depend on the plan and on the outcomes alone, not on the order in which they came or on how often the sweep was killed.
    """

    def __init__(self, directory: Path, plan: Plan, layout: Layout):
        self.plan, self.layout, self.path = plan, layout, directory / FILE
        self._lay_out(directory / f".{FILE}.part")
        sweep_up(self.path)
        zarr = zarr_for(_NEEDED_BY)
        with zarr.config.set({"array.write_empty_chunks": True}):  # a chunk that is not there is damage
            group = zarr.open_group(str(self.path), mode="r+")
            self.arrays: dict[str, Any] = {name: group[name] for name in (*layout.variables, "error", "trace", "status")}
        self.status = np.zeros(plan.shape, np.int8)
        self.open: dict[tuple[int, ...], dict[str, np.ndarray]] = {}
        self.waiting: dict[tuple[int, ...], dict[int, Outcome]] = {}  # outcomes of chunks that are not complete
        self.dirty: set[tuple[int, ...]] = set()
        self.damaged = 0
        for chunk in layout.chunks():
            self._take_up(chunk)
        self.journal = Journal(directory / JOURNAL)
        for job, index, outcome in self.journal.found():
            if 0 <= index < plan.size and job == plan.jobs[index] and not self.status[plan.place(index)]:
                self._put(index, outcome)

    def pending(self, *, retry: bool = False) -> Iterator[int]:
        """The jobs that are left; with ``retry`` those that failed, too."""
        flat = self.status.reshape(-1)
        return (int(k) for k in np.flatnonzero((flat == PENDING) | ((flat == FAILED) & retry)))

    def put(self, index: int, outcome: Outcome) -> None:
        """Record a job."""
        self.journal.add(self.plan.jobs[index], index, outcome)
        self._put(index, outcome)
        if self.journal.size > _MOST_JOURNAL:
            self.flush()
            self.journal.keep((self.plan.jobs[k], k, o) for outcomes in self.waiting.values() for k, o in outcomes.items())

    def flush(self) -> None:
        """Write every chunk that has news."""
        for chunk in sorted(self.dirty):
            self._write(chunk)

    def close(self) -> None:
        """Write what is left; without a journal if every job is in the store."""
        try:
            self.flush()
        finally:
            self.journal.close()
        if (self.status != PENDING).all():
            self.journal.remove()

    def read(self, name: str, chunk: tuple[int, ...]) -> np.ndarray:
        """The values of a variable in a chunk."""
        return np.asarray(self.arrays[name][self._where(name, chunk)])

    def _put(self, index: int, outcome: Outcome) -> None:
        place = self.plan.place(index)
        chunk, at = self.layout.home(place)
        if chunk not in self.open:
            self.open[chunk] = self._blocks(chunk)
        if outcome.status == DONE:
            outcome = Outcome(DONE, {**outcome.values, **drawn(self.plan, self.layout, index)})
        else:
            outcome = Outcome(outcome.status, drawn(self.plan, self.layout, index), outcome.error, outcome.trace)
        self.layout.place(self.open[chunk], at, outcome)
        self.status[place] = outcome.status
        self.waiting.setdefault(chunk, {})[index] = outcome
        self.dirty.add(chunk)
        if self.status[self.layout.region(chunk)].all():
            self._write(chunk)

    def _blocks(self, chunk: tuple[int, ...]) -> dict[str, np.ndarray]:
        """A chunk to put outcomes into: what the store has of it, if that is a finished job at least."""
        if not self.status[self.layout.region(chunk)].any():
            return self.layout.blank(chunk)
        return {name: self.read(name, chunk) for name in self.arrays}

    def _write(self, chunk: tuple[int, ...]) -> None:
        for name, array in self.arrays.items():  # the status comes last: it vouches for the others
            array[self._where(name, chunk)] = self.open[chunk][name]
        self.dirty.discard(chunk)
        if self.status[self.layout.region(chunk)].all():
            del self.open[chunk], self.waiting[chunk]

    def _where(self, name: str, chunk: tuple[int, ...]) -> tuple[slice, ...]:
        trailing = self.layout.trailing(name) if name in self.layout.variables else ()
        return (*self.layout.region(chunk), *(slice(0, n) for n in trailing))

    def _take_up(self, chunk: tuple[int, ...]) -> None:
        """Find out which jobs a chunk holds. One that is damaged in any variable, or lacks it, holds none."""
        if not self._file("status", chunk).exists() and not any(self._file(name, chunk).exists() for name in self.arrays):
            return
        try:
            status = self.read("status", chunk)
            for name in self.arrays:
                if status.any() and not self._file(name, chunk).exists():
                    raise FileNotFoundError(name)
                self.read(name, chunk)
        except Exception:  # a checksum, a codec, or a file that is not there
            self.damaged += 1
            return
        self.status[self.layout.region(chunk)] = status

    def _file(self, name: str, chunk: tuple[int, ...]) -> Path:
        more = len(self.layout.trailing(name)) if name in self.layout.variables else 0
        return self.path.joinpath(name, "c", *map(str, chunk), *["0"] * more)

    def _lay_out(self, part: Path) -> None:
        """Create the store, or mend its metadata and coordinates: they are made afresh, and whatever differs is replaced."""
        shutil.rmtree(part, ignore_errors=True)
        try:
            _create(part, self.plan, self.layout)
            if not self.path.exists():
                part.rename(self.path)
                return
            for new in sorted(p for p in part.rglob("*") if p.is_file()):
                old = self.path / new.relative_to(part)
                if not old.is_file() or old.read_bytes() != new.read_bytes():
                    old.parent.mkdir(parents=True, exist_ok=True)
                    new.replace(old)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _create(path: Path, plan: Plan, layout: Layout) -> None:
    """An empty store with all metadata and coordinates."""
    zarr = zarr_for(_NEEDED_BY)
    about = {"kind": plan.kind.split(":")[-1].lower().replace("_", "-"), "config": json.dumps(plan.base, sort_keys=True)}
    about["status"] = f"{PENDING}: not run, {DONE}: done, {FAILED}: failed, see error and trace"
    group: Any = zarr.create_group(str(path), zarr_format=3, attributes=about)
    names = tuple(axis.key for axis in plan.axes)
    for name, variable in layout.variables.items():
        axes = (*names, *variable.axes)
        form = "text" if variable.form == "text" else "float64"
        add_array(group, name, axes, (*plan.shape, *layout.trailing(name)), (*layout.chunk, *layout.trailing(name)), form)
    for name, form in (("status", "int8"), ("error", "text"), ("trace", "text"), ("job", "text")):
        add_array(group, name, names, plan.shape, layout.chunk, form)
    group["job"][...] = np.array(plan.jobs, object).reshape(plan.shape)
    known = {axis.key: axis.labels for axis in plan.axes} | layout.coordinates
    for name, labels in known.items():
        form = {"O": "text", "i": "int64"}.get(labels.dtype.kind, "float64")
        add_array(group, name, (name,), labels.shape, labels.shape, form)[:] = labels
    consolidate(group)


def every_place(store: Store) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
    """Each job's place on the axes and its values with status and error, in the order of the table; arrays are left out."""
    variables = store.layout.variables
    scalars = [name for name in store.arrays if name != "trace" and not (name in variables and variables[name].axes)]
    blocks: dict[tuple[int, ...], dict[str, np.ndarray]] = {}
    for place in product(*map(range, store.plan.shape)):
        chunk, at = store.layout.home(place)
        if chunk not in blocks:
            blocks[chunk] = {name: store.read(name, chunk) for name in scalars}
        yield place, {name: blocks[chunk][name][at] for name in scalars}
