"""Trajectories that were written in Zarr, read slice by slice."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from .._brief import brief
from ..errors import InputError
from ..flows import OnDisk
from ..measures import Empirical
from ..measures.clouds import Label
from .checksummed import zarr_for
from .trajectory_store import STORE, Chunks


@dataclass(frozen=True)
class StoredTrajectory:
    """What ``simulate`` wrote into ``trajectory.zarr``. Of the points only the chunks of the times that are asked for are read.

    Attributes:
        times: of the states that are there, shape (T,); more may come while the run goes on.
        points: the tokens of each measure by label, (T, n, d): index them as an array.
        probes: the same of its probes.
        weights: of the tokens by label, (n,).
        quantities: what was observed, (N, T) for each name, with the measures in the order of ``points``.
    """

    times: np.ndarray
    points: dict[Label, OnDisk]
    probes: dict[Label, OnDisk]
    weights: dict[Label, np.ndarray]
    quantities: dict[str, np.ndarray]
    __repr__ = brief

    def measures(self, k: int) -> dict[Label, Empirical]:
        """The measures at the saved time number k, by label; -1 is the last one."""
        return {label: Empirical(path[k], self.weights[label].astype(path[k].dtype)) for label, path in self.points.items()}


def open_trajectory(path: str | Path) -> StoredTrajectory:
    """Open a trajectory in Zarr, of a run that is finished or not.

    Args:
        path: the directory of a run, or the store in it.

    Raises:
        InputError: there is none, it is damaged, or zarr is not installed. A chunk that is damaged is noticed when it is read.

    Example:
        found = open_trajectory("run")
        found.points[0][-1, :10], found.points[0][::100, 5]
    """
    zarr, path = zarr_for("a trajectory in Zarr"), Path(path)
    store = path / STORE if (path / STORE).is_dir() else path
    if not (store / "zarr.json").is_file():
        raise InputError(f"{path} holds no {STORE}; simulate writes one with output.trajectory = 'zarr'")
    try:
        group = zarr.open_group(str(store), mode="r")
        every = np.asarray(group["time"][:])
        times = every[: int(np.isfinite(every).cumprod().sum())]
        labels = np.asarray(group["label"][:]).tolist()
        weights, owners = np.asarray(group["weight"][:]), np.asarray(group["measure"][:])
        paths = _by_label(group, "points", labels, owners, len(times), store)
        passive = {}
        if "probes" in group:
            passive = _by_label(group, "probes", labels, np.asarray(group["probe_measure"][:]), len(times), store)
        observed = (*group.attrs["quantities"], *group.attrs["integrals"])
        quantities = {name: np.asarray(group[name][: len(times)]).T for name in observed}
    except Exception as error:  # a checksum, a codec, an array that is not there
        raise InputError(f"{store} cannot be read: {' '.join(str(error).split())}; run it again with --force") from None
    return StoredTrajectory(times, paths, passive, {label: weights[owners == label] for label in labels}, quantities)


def _by_label(group, name: str, labels: list, owners: np.ndarray, count: int, store: Path) -> dict[Label, OnDisk]:
    """The rows of each measure, which lie side by side."""
    array = group[name]
    chunks = Chunks(array, f"{store}: {name}")

    def read(rows: slice, k: int) -> np.ndarray:
        return chunks(k)[rows]

    found = {}
    for label in labels:
        where = np.flatnonzero(owners == label)
        rows = slice(int(where[0]), int(where[-1]) + 1)
        found[label] = OnDisk(partial(read, rows), (count, len(where), array.shape[2]))
    return found
