"""What says in a directory that a run there is not finished: which run it is, what of it is whole, and how long it has taken."""

import io
import json
import shutil
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .._files import write_whole
from ..errors import InputError

MANIFEST = "manifest.json"
SECONDS = 2.0  # between two writes, about
UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile)


class Unfinished:
    """``folder/manifest.json``: what it names is whole at any time.

    Args:
        folder: where; created with the manifest.
        identity: a digest of all that the result depends on: another run is never continued.
    """

    def __init__(self, folder: Path, identity: str):
        self.folder, self.identity = folder, identity
        self.spent, self.restarts = 0.0, 0
        self._started = self._last = time.perf_counter()

    @property
    def exists(self) -> bool:
        """Whether the folder holds an unfinished run, this one or another."""
        return (self.folder / MANIFEST).exists()

    @property
    def seconds(self) -> float:
        """Time spent on the run, the earlier attempts included."""
        return self.spent + time.perf_counter() - self._started

    @property
    def due(self) -> bool:
        """Whether it is time to write again."""
        return time.perf_counter() - self._last > SECONDS

    def read(self) -> dict[str, Any]:
        """The manifest; its run is taken up again.

        Raises:
            InputError: it is of another run, or damaged.
        """
        try:
            manifest = dict(json.loads((self.folder / MANIFEST).read_text(encoding="utf-8")))
            mine, spent, restarts = manifest["identity"] == self.identity, float(manifest["wall_s"]), int(manifest["restarts"]) + 1
        except UNREADABLE as error:
            raise self.damaged(error) from None
        if not mine:
            where = self.folder.parent
            raise InputError(f"{where} holds an unfinished run of another configuration; give another --out, or --force to replace it")
        self.spent, self.restarts = spent, restarts
        return manifest

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        """The arrays of a file that the manifest names; raises what is in ``UNREADABLE``."""
        with np.load(io.BytesIO((self.folder / name).read_bytes()), allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def write(self, name: str, arrays: Mapping[str, np.ndarray], said: Mapping[str, Any]) -> None:
        """A file of arrays, and after it the manifest."""
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / name, buffer.getvalue())
        manifest = {"format": 1, "identity": self.identity, **said, "wall_s": self.seconds, "restarts": self.restarts}
        write_whole(self.folder / MANIFEST, (json.dumps(manifest, indent=2) + "\n").encode())
        self._last = time.perf_counter()

    def damaged(self, why: object) -> InputError:
        """What to raise when something that the manifest names cannot be used."""
        return InputError(f"{self.folder.parent} holds an unfinished run that cannot be read ({why}); give --force to start again")

    def remove(self) -> None:
        """The run is finished, or replaced."""
        shutil.rmtree(self.folder, ignore_errors=True)
