"""A trajectory in Zarr, written as it is computed: memory holds one chunk of it, however long it is."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..flows import Checkpoint, Moment, Trajectory
from ..measures import Empirical
from ..measures.clouds import Label
from .checksummed import add_array, consolidate, sweep_up, zarr_for
from .parts import put_together, taken_apart
from .unfinished import Unfinished

STORE = "trajectory.zarr"
_BYTES = 2**24  # of a chunk, at most
_ROW = 2**16  # times in a chunk of what is a number for each time


class TrajectoryStore:
    """``directory/trajectory.zarr``: ``points`` (time, token, axis) of all measures side by side, and what belongs to them.

    It is where ``flow(..., into=store, keep=store.keep)`` puts its saved states. Every two seconds what is new goes to disk, and after it,
    into ``directory/parts``, the last state in full precision with what the integrator knows there. Nothing is ever there half: a chunk is
    replaced in one step, and a ``time`` that is NaN says that its state has not been saved.

    Args:
        directory: of the run.
        measures: the initial measures by label.
        count: number of saved states, if the flow does not end early.
        identity: a digest of all that the result depends on.
        probes: points (p, d) that follow every measure.
        dtype: "float64" or "float32", of the points in the store; nothing else is rounded.

    Raises:
        InputError: zarr is not installed; another dtype.
    """

    def __init__(
        self, directory: Path, measures: Mapping[Label, Empirical], count: int, *, identity: str, probes: Any = None, dtype: str = "float64"
    ):
        zarr_for("a trajectory in Zarr")
        if dtype not in ("float64", "float32"):
            raise InputError(f"dtype must be 'float64' or 'float32', got {dtype!r}")
        self.path, self.measures, self.total, self.dtype = directory / STORE, dict(measures), count, dtype
        self.run = Unfinished(directory / "parts", f"{identity} {STORE} {dtype}")
        self.probes = 0 if probes is None else len(probes)
        self.sizes = [mu.size for mu in self.measures.values()]
        dimension = next(iter(self.measures.values())).dimension
        self.shapes = {"points": (sum(self.sizes), dimension), "probes": (self.probes * len(self.sizes), dimension)}
        frame = max(1, sum(self.sizes) * dimension * np.dtype(dtype).itemsize)
        self.chunk = max(1, min(count, _BYTES // frame))
        self.buffers = {name: np.full((self.chunk, *shape), np.nan, dtype) for name, shape in self.shapes.items() if shape[0]}
        self.start = self.written = self.kept = 0  # the first state in the buffers; states on disk; states to go on from
        self.moments: list[Moment] = []
        self.memory: dict[str, np.ndarray] = {}
        self.group: Any = None
        self.chunks: dict[str, Chunks] = {}

    @property
    def begun(self) -> bool:
        """Whether anything is on disk."""
        return self.group is not None

    def __len__(self) -> int:
        return len(self.moments)

    def __getitem__(self, k: int) -> Moment:
        return self.moments[k]

    def __iter__(self) -> Iterator[Moment]:
        return iter(self.moments)

    def append(self, moment: Moment) -> None:
        """The next saved state; only the last one stays in memory in full precision."""
        if self.moments:
            self.moments[-1] = self._left_behind(len(self) - 1)
        k = len(self) - self.start
        if k == self.chunk:
            self._write_points()
            self.start, k = self.start + k, 0
            for buffer in self.buffers.values():
                buffer[:] = np.nan
        for name, rows in self._side_by_side(np.asarray(moment.points)).items():
            self.buffers[name][k] = rows
        self.moments.append(moment)

    def keep(self, checkpoint: Checkpoint) -> None:
        """What the integrator knows at the last state: a ``keep`` for ``flow``."""
        self.memory, self.kept = checkpoint.memory, len(self)
        if not self.begun or self.run.due:
            self.flush()

    def flush(self) -> None:
        """Write what is not yet on disk, and then where to go on."""
        if self.written == len(self) or self.kept < len(self):  # Ctrl-C came between a state and what the integrator knows there
            return
        self._write_points()
        new = self.moments[self.written :]
        for name, values in _columns(new).items():  # the time comes last: it vouches for the others
            self.group[name][self.written : len(self)] = values
        name = f"state-{len(self):06d}.npz"
        said = {"state": name, "states": len(self), "time": new[-1].time}
        self.run.write(name, put_together(new[-1:], self.memory), said)
        self.written = len(self)
        for old in self.run.folder.glob("state-*.npz"):
            if old.name != name:
                old.unlink()

    def load(self) -> Checkpoint | None:
        """What an interrupted run left, every chunk looked at; None if there is nothing.

        Raises:
            InputError: it is of another run, or damaged.
        """
        if not self.run.exists:
            return None
        manifest = self.run.read()
        sweep_up(self.path)
        try:
            (last,), self.memory = taken_apart(self.run.arrays(manifest["state"]))
            self._open(zarr_for("a trajectory in Zarr").open_group(str(self.path), mode="r+"))
            count = int(manifest["states"])
            columns = {name: np.asarray(self.group[name][:count]) for name in ("time", *self._names("integral"), *self._names("quantity"))}
            if not np.array_equal(columns["time"], np.unique(columns["time"])) or columns["time"][-1] != last.time:
                raise ValueError("times are missing")
            for name, chunks in self.chunks.items():
                for k in range(count):
                    row = chunks(k)
                    if k >= (count - 1) // self.chunk * self.chunk:
                        self.buffers[name][k % self.chunk] = row
        except Exception as error:  # a checksum, a codec, a file that is not there
            raise self.run.damaged(" ".join(str(error).split()) or type(error).__name__) from None
        self.written = self.kept = count
        self.start = (count - 1) // self.chunk * self.chunk
        self.moments = [self._left_behind(k, columns) for k in range(count - 1)] + [last]
        return Checkpoint(self, self.memory)

    def take(self, result: Trajectory) -> None:
        """All states of a trajectory that is in memory."""
        n = max(map(len, (x[0] for x in result.points)))
        for k, time in enumerate(result.times):
            padded = [np.pad(x[k], ((0, n - x.shape[1]), (0, 0))) for x in result.points]
            self.append(Moment(float(time), np.stack(padded), {}, {name: values[:, k] for name, values in result.quantities.items()}))
        self.kept = len(self)

    def finish(self) -> None:
        """Write the rest; states that a flow which ended early did not reach are cut off."""
        self.flush()
        for name in ("time", *self.chunks, *self._names("integral"), *self._names("quantity")):
            array = self.group[name]
            if array.shape[0] != len(self):
                array.resize((len(self), *array.shape[1:]))
        consolidate(self.group)

    def _left_behind(self, k: int, columns: Mapping[str, np.ndarray] | None = None) -> Moment:
        """State k with its points on disk (or in the buffers)."""
        if columns is None:
            moment = self.moments[k]
            return Moment(moment.time, _Points(self, k), moment.integrals, moment.quantities)
        sums, seen = ({name: columns[name][k] for name in self._names(kind)} for kind in ("integral", "quantity"))
        return Moment(float(columns["time"][k]), _Points(self, k), sums, seen)

    def state(self, k: int) -> np.ndarray:
        """The points of state k, as of a ``Moment``; NaN where smaller measures are filled up."""
        rows = {name: self.buffers[name][k - self.start] if k >= self.start else self.chunks[name](k) for name in self.buffers}
        full = np.full((len(self.sizes), max(self.sizes) + self.probes, self.shapes["points"][1]), np.nan, self.dtype)
        ends = np.cumsum(self.sizes)
        for i, (size, end) in enumerate(zip(self.sizes, ends, strict=True)):
            full[i, :size] = rows["points"][end - size : end]
            if self.probes:
                full[i, size : size + self.probes] = rows["probes"][i * self.probes : (i + 1) * self.probes]
        return full

    def _side_by_side(self, points: np.ndarray) -> dict[str, np.ndarray]:
        found = {"points": np.concatenate([x[:size] for x, size in zip(points, self.sizes, strict=True)])}
        if self.probes:
            found["probes"] = np.concatenate([x[size : size + self.probes] for x, size in zip(points, self.sizes, strict=True)])
        return found

    def _write_points(self) -> None:
        if not self.begun:
            self._open(self._create())
        end = min(self.start + self.chunk, self.total)
        for name, buffer in self.buffers.items():
            self.group[name][self.start : end] = buffer[: end - self.start]

    def _open(self, group: Any) -> None:
        self.group = group
        self.chunks = {name: Chunks(group[name], f"{self.path}: {name}") for name in self.buffers}

    def _names(self, role: str) -> list[str]:
        return list(self.group.attrs[f"{role}s" if role == "integral" else "quantities"])

    def _create(self) -> Any:
        first, labels = self.moments[0], list(self.measures)
        about = {"integrals": list(first.integrals), "quantities": list(first.quantities)}
        group: Any = zarr_for("a trajectory in Zarr").create_group(str(self.path), zarr_format=3, attributes=about, overwrite=True)
        T, N = self.total, len(labels)
        names = {"points": ("time", "token", "axis"), "probes": ("time", "probe", "axis")}
        owners = {"points": {"coordinates": "measure weight"}, "probes": {"coordinates": "probe_measure"}}
        for name, buffer in self.buffers.items():
            n, d = self.shapes[name]
            chunk = (self.chunk, min(n, max(1, _BYTES // (d * buffer.itemsize))), d)
            add_array(group, name, names[name], (T, n, d), chunk, self.dtype, owners[name])
        for name in (*first.integrals, *first.quantities):
            add_array(group, name, ("time", "label"), (T, N), (min(T, _ROW), N), "float64")
        form = "int64" if all(isinstance(label, int) for label in labels) else "text"
        kinds = np.array(labels, np.int64 if form == "int64" else object)
        columns = {"label": ("label", kinds, form), "measure": ("token", np.repeat(kinds, self.sizes), form)}
        columns["weight"] = "token", np.concatenate([np.asarray(mu.weights, np.float64) for mu in self.measures.values()]), "float64"
        if self.probes:
            columns["probe_measure"] = "probe", np.repeat(kinds, self.probes), form
        for name, (axis, values, form) in columns.items():
            add_array(group, name, (axis,), values.shape, values.shape, form)[:] = values
        add_array(group, "time", ("time",), (T,), (min(T, _ROW),), "float64")
        consolidate(group)
        return group


class _Points:
    """The points of a state of a store, read when they are used."""

    def __init__(self, store: TrajectoryStore, k: int):
        self.store, self.k = store, k

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.store.state(self.k), dtype)


class Chunks:
    """Entry k of an array (T, ...) of Zarr; the chunk that was read last is kept.

    Raises:
        InputError: when it is called and the entry is damaged or not there.
    """

    def __init__(self, array: Any, name: str):
        self.array, self.name, self.start, self.block = array, name, -1, np.empty(0)

    def __call__(self, k: int) -> np.ndarray:
        size = self.array.chunks[0]
        if (start := k // size * size) != self.start:
            try:
                self.start, self.block = -1, np.asarray(self.array[start : start + size])
            except Exception as error:  # a checksum, a codec
                raise self._damaged(k, " ".join(str(error).split()) or type(error).__name__) from None
            self.start = start
        if np.isnan(self.block[k - start]).any():
            raise self._damaged(k, "a chunk is missing")
        return self.block[k - start]

    def _damaged(self, k: int, why: str) -> InputError:
        return InputError(f"{self.name} at time number {k} cannot be read: {why}; run it again with --force")


def _columns(moments: list[Moment]) -> dict[str, np.ndarray]:
    """What is a number for each time and measure, and the times."""
    found = {name: np.stack([m.integrals[name] for m in moments]) for name in moments[0].integrals}
    found |= {name: np.stack([m.quantities[name] for m in moments]) for name in moments[0].quantities}
    return {**found, "time": np.array([m.time for m in moments])}
