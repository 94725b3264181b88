"""A job: a configuration, what it is given to, and the numbers that come back."""

import hashlib
import json
import re
import traceback
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import InputError

Tables = dict[str, Any]
PENDING, DONE, FAILED = 0, 1, 2
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]+\b")
_FOLDER = re.compile(r'(?<=File ")[^"]*/(?:site-packages|src|lib/python[\d.]+)/')


@dataclass(frozen=True)
class Variable:
    """What a job yields under one name.

    Attributes:
        form: "number", "integer", "truth" or "text".
        axes: the axes of an array with their coordinates, in order; none for a scalar. An array has numbers only.
    """

    form: str = "number"
    axes: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def fill(self) -> float | str:
        """What stands where no job has left a value."""
        return "" if self.form == "text" else float("nan")


@dataclass(frozen=True)
class Kind:
    """What a sweep can be made of. A worker finds it by its name, "module:CONSTANT".

    Attributes:
        run: (configuration, path of its file) to the values of its variables; raises if the job fails.
        check: the same arguments; raises InputError if ``run`` would refuse the configuration. Cheap.
        variables: what ``run`` will yield for a configuration; may raise InputError for one that ``run`` refuses.
        front: (configuration, times) to {label: beta(t)}, theory for the axes time and beta; None if there is none.
        picture: the array with an axis "time" that a phase diagram shows, and what it is.
    """

    run: Callable[[Tables, str], dict[str, Any]]
    check: Callable[[Tables, str], None]
    variables: Callable[[Tables], dict[str, Variable]]
    front: Callable[[Tables, np.ndarray], dict[str, np.ndarray]] | None = None
    picture: tuple[str, str] | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a job: the values by name, or the error (one line) with its traceback."""

    status: int
    values: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    trace: str = ""


# What runs jobs yields (job, outcome) in any order, and None when there is no news.
Outcomes = Generator[tuple[int, Outcome] | None, None, None]


@cache
def find(name: str) -> Kind:
    """The kind that "module:CONSTANT" names."""
    module, constant = name.split(":")
    return getattr(import_module(module), constant)


def run_job(name: str, tables: Tables, origin: str) -> Outcome:
    """Run one job; whatever it raises becomes part of the outcome.

    The texts name neither the folder of the configuration nor places in memory, so that two runs tell the same.
    """
    try:
        values = find(name).run(tables, origin)
        return Outcome(DONE, {key: _plain(value) for key, value in values.items()})
    except Exception as error:
        lines = traceback.format_exception(type(error), error, error.__traceback__.tb_next if error.__traceback__ else None)
        return Outcome(FAILED, error=_neutral(f"{type(error).__name__}: {error}", origin), trace=_neutral("".join(lines), origin, True))


def digest(kind: str, tables: Tables, files: Mapping[str, str]) -> str:
    """The hash of a job's content: what it runs, with which configuration, and the files that it reads."""
    own = {name: files[name] for name in sorted(set(texts(tables)) & files.keys())}
    return hashlib.sha256(json.dumps([kind, tables, own], sort_keys=True).encode()).hexdigest()[:16]


def file_digests(tables: Tables, folder: Path) -> dict[str, str]:
    """Of every file beside the configuration that it names, by that name."""
    found = {}
    for name in sorted(set(texts(tables))):
        path = folder / name
        try:
            if path.is_file():
                found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        except (OSError, ValueError):  # a text that cannot be a path
            continue
    return found


def texts(value: Any) -> list[str]:
    """All strings among the values."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for part in value.values() for text in texts(part)]
    return [text for part in value for text in texts(part)] if isinstance(value, list | tuple) else []


def replaced(tables: Any, key: str, value: Any) -> Any:
    """The tables with one key replaced; "field.heads.0.beta" goes through tables and, by number, through lists.

    Raises:
        InputError: the key leads through something that is neither.
    """
    head, _, rest = key.partition(".")
    if isinstance(tables, list):
        if not head.isdigit() or int(head) >= len(tables):
            raise InputError(f"{key!r}: a list of {len(tables)} has no item {head!r}; count from 0")
        own = replaced(tables[int(head)], rest, value) if rest else value
        return [*tables[: int(head)], own, *tables[int(head) + 1 :]]
    if not isinstance(tables, dict):
        raise InputError(f"{key!r} leads into {tables!r}, which is no table")
    return {**tables, head: replaced(tables.get(head, {}), rest, value) if rest else value}


def _plain(value: Any) -> Any:
    """Floats, texts, and float64 arrays; None is not a number."""
    if value is None:
        return float("nan")
    if isinstance(value, str):
        return value
    array = np.asarray(value, np.float64)
    return array if array.ndim else float(array)


def _neutral(text: str, origin: str, lines: bool = False) -> str:
    text = _ADDRESS.sub("0x...", text.replace(origin, Path(origin).name))
    return _FOLDER.sub("", text) if lines else " ".join(text.split())
