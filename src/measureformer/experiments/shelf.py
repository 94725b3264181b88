"""Long experiments in parts: each finished part is a file, so that a run that was killed goes on where it stopped."""

import io
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from .._files import write_whole
from ..errors import InputError

_MANIFEST = "parameters.json"


class Shelf:
    """A folder of finished parts, for one set of parameters.

    Args:
        directory: created with the first part; may hold the parts of an earlier run.
        parameters: all that the parts depend on, ready for JSON.

    Raises:
        InputError: the folder holds parts of a run with other parameters.
    """

    def __init__(self, directory: str | Path, parameters: dict[str, Any]):
        self.directory = Path(directory)
        self._manifest = json.dumps(parameters, indent=2, sort_keys=True, allow_nan=False) + "\n"
        path = self.directory / _MANIFEST
        if path.is_file() and path.read_text(encoding="utf-8") != self._manifest:
            raise InputError(f"{self.directory} holds parts of a run with other parameters; give another --out, or --force to start again")

    def load(self, name: str) -> dict[str, np.ndarray] | None:
        """The arrays of a part, or None if it is not finished."""
        path = self.directory / f"{name}.npz"
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def save(self, name: str, arrays: dict[str, np.ndarray]) -> None:
        """Write a part; it is there whole or not at all."""
        if not (self.directory / _MANIFEST).is_file():
            self.directory.mkdir(parents=True, exist_ok=True)
            write_whole(self.directory / _MANIFEST, self._manifest.encode())
        buffer = io.BytesIO()
        np.savez(buffer, allow_pickle=False, **arrays)
        write_whole(self.directory / f"{name}.npz", buffer.getvalue())


def discard_shelf(directory: str | Path) -> None:
    """Remove a folder of parts, if it is one."""
    directory = Path(directory)
    if (directory / _MANIFEST).is_file():
        shutil.rmtree(directory)
