"""A journal: a line for each job as soon as it is finished, so that being killed loses nothing that was."""

import base64
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..._files import write_whole
from .jobs import Outcome


class Journal:
    """Lines ``checksum {"job": hash, "index": k, ...}`` that are only ever added to. A line that a crash cut short, and whatever follows
    it, is dropped when the file is opened again."""

    def __init__(self, path: Path):
        self.path = path
        content = path.read_bytes() if path.exists() else b""
        self._records, size = [], 0
        for line in content.splitlines(keepends=True):
            record = _read(line)
            if record is None:
                break
            self._records.append(record)
            size += len(line)
        self.file = path.open("r+b" if path.exists() else "w+b", buffering=0)
        self.file.truncate(size)
        self.file.seek(size)
        self.size = size

    def found(self) -> Iterator[tuple[str, int, Outcome]]:
        """(hash, index, outcome) of every job in it when it was opened, once."""
        records, self._records = self._records, []
        return ((r["job"], r["index"], _outcome(r)) for r in records)

    def add(self, job: str, index: int, outcome: Outcome) -> None:
        """Add a line.

        Raises:
            OSError: it could not be written whole (no space left, say); then it is not there at all.
        """
        line = _line(job, index, outcome)
        try:
            written = 0
            while written < len(line):
                written += self.file.write(line[written:]) or 0
        except OSError as error:
            self.file.truncate(self.size)
            self.file.seek(self.size)
            raise OSError(error.errno, error.strerror, str(self.path)) from None
        self.size += len(line)

    def keep(self, records: Iterable[tuple[str, int, Outcome]]) -> None:
        """Only these records from now on."""
        self.file.close()
        write_whole(self.path, b"".join(_line(*record) for record in records))
        self.file = self.path.open("r+b", buffering=0)
        self.size = self.file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """What was written reaches the disk."""
        if not self.file.closed:
            os.fsync(self.file.fileno())
            self.file.close()

    def remove(self) -> None:
        """All of it is in the store."""
        self.path.unlink(missing_ok=True)


def _line(job: str, index: int, outcome: Outcome) -> bytes:
    values = {name: _packed(v) if isinstance(v, np.ndarray) else v for name, v in outcome.values.items()}
    record = {"job": job, "index": index, "status": outcome.status, "values": values, "error": outcome.error, "trace": outcome.trace}
    text = json.dumps(record).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def _read(line: bytes) -> dict[str, Any] | None:
    checksum, _, text = line.removesuffix(b"\n").partition(b" ")
    whole = line.endswith(b"\n") and checksum == b"%08x" % zlib.crc32(text)
    return json.loads(text) if whole else None


def _outcome(record: dict[str, Any]) -> Outcome:
    values = {name: _unpacked(v) if isinstance(v, dict) else v for name, v in record["values"].items()}
    return Outcome(record["status"], values, record["error"], record["trace"])


def _packed(array: np.ndarray) -> dict[str, Any]:
    return {"shape": array.shape, "float64": base64.b64encode(np.ascontiguousarray(array, "<f8").tobytes()).decode()}


def _unpacked(packed: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["float64"]), "<f8").reshape(packed["shape"])
