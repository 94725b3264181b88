"""Schedules on disk: one safetensors file."""

import json
from pathlib import Path

import numpy as np

from .._files import write_tensors
from ..errors import InputError
from ..fields import TransformerField
from .schedule import Schedule, Segment

FORMAT = "1"
_PARAMETERS = ("V", "B", "W", "U", "b")


def save_schedule(path: str | Path, schedule: Schedule) -> None:
    """Write ``segment.{k}.V`` (.B, .W, .U, .b; absent = zero) and ``duration`` (K,), in float64.

    The metadata hold the format version, d, the horizon, and the phases: a JSON list of [name, number of consecutive segments].
    """
    tensors = {"duration": np.array([s.duration for s in schedule], float)}
    phases: list[list] = []
    for k, segment in enumerate(schedule):
        for name in _PARAMETERS:
            if (value := getattr(segment.field, name)) is not None:
                tensors[f"segment.{k}.{name}"] = value
        if phases and phases[-1][0] == segment.phase:
            phases[-1][1] += 1
        else:
            phases.append([segment.phase, 1])
    metadata = {"format": FORMAT, "d": str(schedule.dimension), "horizon": repr(schedule.horizon), "phases": json.dumps(phases)}
    write_tensors(path, tensors, metadata)


def load_schedule(path: str | Path) -> Schedule:
    """Read what ``save_schedule`` wrote.

    Raises:
        InputError: the file is missing, damaged, of another format version, or holds numbers that are not finite.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path}: there is no such schedule; give the directory of a run of `measureformer interpolate`") from None
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path} cannot be read as a schedule ({error}); write it again with `measureformer interpolate`") from None
    if metadata.get("format") != FORMAT or "duration" not in tensors:
        raise InputError(f"{path} has format {metadata.get('format')!r}; this version reads schedules of format {FORMAT!r}")
    for name, value in tensors.items():
        if not np.isfinite(value).all():
            raise InputError(f"{path}: tensor {name} holds numbers that are not finite; the file is damaged")
    phases = [name for name, count in json.loads(metadata.get("phases", "[]")) for _ in range(count)]
    durations = tensors["duration"]
    if len(phases) != len(durations):
        raise InputError(f"{path}: {len(durations)} durations but {len(phases)} phases; the file is damaged")
    fields = ({name: tensors.get(f"segment.{k}.{name}") for name in _PARAMETERS} for k in range(len(durations)))
    return Schedule(Segment(TransformerField(**f), float(t), phase) for f, t, phase in zip(fields, durations, phases, strict=True))
