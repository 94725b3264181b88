"""A run that writes as it goes: parts of its trajectory, and a manifest that names those that are whole."""

import io
import json
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np

from .._files import write_whole
from ..errors import InputError
from ..flows import Checkpoint, Moment

MANIFEST = "manifest.json"
_SECONDS = 2.0  # between two parts


class Parts:
    """``folder/part-00000.npz``, ...: saved states, and after the last one of each part what the integrator knows there.

    A part is written every two seconds, and when ``flush`` is called; then the manifest. What the manifest names is whole at any time.

    Args:
        folder: where; created when the first part is written.
        identity: a digest of all that the result depends on: parts of another run are never continued.
    """

    def __init__(self, folder: Path, identity: str):
        self.folder, self.identity = folder, identity
        self.names: list[str] = []
        self.written, self.spent, self.restarts = 0, 0.0, 0
        self.latest: Checkpoint | None = None
        self._started = self._last = time.perf_counter()

    @property
    def exist(self) -> bool:
        """Whether the folder holds parts, of this run or another."""
        return (self.folder / MANIFEST).exists()

    @property
    def seconds(self) -> float:
        """Time spent on the run, the earlier attempts included."""
        return self.spent + time.perf_counter() - self._started

    def load(self) -> Checkpoint | None:
        """What an interrupted run left; None if there is nothing.

        Raises:
            InputError: it is of another run, or damaged.
        """
        if not self.exist:
            return None
        try:
            manifest = json.loads((self.folder / MANIFEST).read_text(encoding="utf-8"))
            mine, moments, memory = manifest["identity"] == self.identity, [], {}
            for name in manifest["parts"] if mine else []:
                with np.load(io.BytesIO((self.folder / name).read_bytes()), allow_pickle=False) as part:
                    sums = {key.removeprefix("integral."): part[key] for key in part.files if key.startswith("integral.")}
                    states = zip(part["times"], part["points"], strict=True)
                    moments += [Moment(float(t), x, {key: value[k] for key, value in sums.items()}) for k, (t, x) in enumerate(states)]
                    memory = {key.removeprefix("memory."): part[key] for key in part.files if key.startswith("memory.")}
            self.names, self.spent, self.restarts = list(manifest["parts"]), float(manifest["wall_s"]), int(manifest["restarts"]) + 1
        except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
            raise InputError(f"{self.folder} cannot be read ({error}); give --force to start again") from None
        if not mine:
            where = self.folder.parent
            raise InputError(f"{where} holds an unfinished run of another configuration; give another --out, or --force to replace it")
        self.written = len(moments)
        self.latest = Checkpoint(moments, memory)
        return self.latest

    def keep(self, checkpoint: Checkpoint) -> None:
        """The next saved state: a ``keep`` for ``flow``."""
        self.latest = checkpoint
        if not self.names or time.perf_counter() - self._last > _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what was kept and is not yet on disk."""
        if self.latest is None or self.written == len(self.latest.moments):
            return
        new = list(self.latest.moments[self.written :])
        content = {
            "times": np.array([moment.time for moment in new]),
            "points": np.stack([moment.points for moment in new]),
            **{f"integral.{name}": np.stack([moment.integrals[name] for moment in new]) for name in new[0].integrals},
            **{f"memory.{name}": value for name, value in self.latest.memory.items()},
        }
        buffer = io.BytesIO()
        np.savez(buffer, **content)  # type: ignore[arg-type]
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"part-{len(self.names):05d}.npz"
        write_whole(self.folder / name, buffer.getvalue())
        manifest = {"format": 1, "identity": self.identity, "parts": [*self.names, name], "time": new[-1].time, "wall_s": self.seconds}
        write_whole(self.folder / MANIFEST, (json.dumps({**manifest, "restarts": self.restarts}, indent=2) + "\n").encode())
        self.names, self.written, self._last = [*self.names, name], len(self.latest.moments), time.perf_counter()

    def remove(self) -> None:
        """Remove the folder: the run is finished, or replaced."""
        shutil.rmtree(self.folder, ignore_errors=True)
