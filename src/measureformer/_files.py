"""Files that are whole or not there, and byte for byte the same for the same content."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np


def write_tensors(path: str | Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file (float64).

    The library that reads these files writes the metadata in an order that changes from run to run; here the header is sorted.
    """
    from safetensors.numpy import save

    blob = save({name: np.ascontiguousarray(value, np.float64) for name, value in tensors.items()}, dict(metadata))
    size = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + size])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    write_whole(path, len(text).to_bytes(8, "little") + text + blob[8 + size :])


def write_whole(path: str | Path, content: bytes) -> None:
    """Write a file in one step: it is there whole or not at all, also when the program is interrupted."""
    part = Path(path).with_name(f".{Path(path).name}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
