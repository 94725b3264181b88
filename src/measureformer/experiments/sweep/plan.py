"""What a sweep runs: a grid of values, times the samples of a random ensemble; the jobs are counted in the order of the table."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...errors import InputError
from ...fields.laws import nearest
from .ensembles import Ensemble, read_ensemble
from .jobs import Tables, digest, replaced

SAMPLE = "sample"  # the axis of the ensemble
OWN = ("sweep", "grid", "random")  # tables that are not part of a job's configuration


@dataclass(frozen=True)
class Axis:
    """A key of the configuration and its values, sorted."""

    key: str
    values: tuple[Any, ...]

    @property
    def repeats(self) -> bool:
        """Whether its values are repetitions of one experiment: a seed, or a sample of the ensemble."""
        return self.key == SAMPLE or self.key.split(".")[-1] == "seed"

    @property
    def numeric(self) -> bool:
        """Whether its values are numbers."""
        return all(isinstance(v, int | float) and not isinstance(v, bool) for v in self.values)

    @property
    def labels(self) -> np.ndarray:
        """Coordinates: numbers as they are; texts; of anything else its JSON."""
        if self.numeric:
            return np.array(self.values, np.int64 if all(isinstance(v, int) for v in self.values) else np.float64)
        return np.array([v if isinstance(v, str) else json.dumps(v) for v in self.values], object)


@dataclass(frozen=True)
class Plan:
    """A sweep.

    Attributes:
        kind: name of what runs (see ``Kind``).
        base: the configuration, before keys are replaced.
        axes: keys with their values; the last one runs fastest.
        ensemble: what is drawn for each value of the axis "sample", if there is one.
        confidence: level of the intervals over seeds and samples.
        files: digests of the files that the configuration names.
    """

    kind: str
    base: Tables
    axes: tuple[Axis, ...]
    ensemble: Ensemble | None
    confidence: float
    files: dict[str, str]

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of values of each axis."""
        return tuple(len(axis.values) for axis in self.axes)

    @property
    def size(self) -> int:
        """The number of jobs."""
        return int(np.prod(self.shape, dtype=int))

    @cached_property
    def jobs(self) -> list[str]:
        """The content hash of each job."""
        return [digest(self.kind, self.tables(k), self.files) for k in range(self.size)]

    def place(self, index: int) -> tuple[int, ...]:
        """Where a job is on the axes."""
        return tuple(int(k) for k in np.unravel_index(index, self.shape)) if self.shape else ()

    def parameters(self, index: int) -> dict[str, Any]:
        """What the job has of its own: the values of the axes, and what was drawn for it."""
        values = {axis.key: axis.values[k] for axis, k in zip(self.axes, self.place(index), strict=True)}
        if self.ensemble is None:
            return values
        tables = self.base
        for key, value in values.items():
            tables = tables if key == SAMPLE else replaced(tables, key, value)
        return {**values, **self.ensemble.draw(values[SAMPLE], tables)}

    def tables(self, index: int) -> Tables:
        """The configuration of a job."""
        tables = self.base
        for key, value in self.parameters(index).items():
            tables = tables if key == SAMPLE else replaced(tables, key, value)
        return tables

    def configurations(self) -> Iterator[Tables]:
        """Of all the jobs, in order."""
        return (self.tables(k) for k in range(self.size))


def read_plan(tables: Tables, kinds: dict[str, str], origin: str, files: dict[str, str], *, seed: int | None = None) -> Plan:
    """The plan that a configuration describes.

    Args:
        tables: those of the job, and [sweep] (kind, seed of the ensembles, confidence), [grid], [random].
        kinds: what can run, by the name that sweep.kind gives.
        origin: the path of the file, for messages.
        files: see ``file_digests``.
        seed: in place of sweep.seed.

    Raises:
        InputError: about one key, by its path.
    """
    own = {"kind": "simulate", "seed": 0, "confidence": 0.95}
    given = tables.get("sweep", {})
    for name in ("sweep", "grid", "random"):
        if not isinstance(tables.get(name, {}), dict):
            raise InputError(f"{origin}: {name} = {tables[name]!r} must be a table, [{name}]")
    for key in given:
        if key not in own:
            raise InputError(f"{origin}: there is no key sweep.{key}; {nearest(key, own)}")
    own |= given
    if own["kind"] not in kinds:
        raise InputError(f"{origin}: sweep.kind = {own['kind']!r}: {nearest(str(own['kind']), kinds)}")
    if type(own["seed"]) is not int or own["seed"] < 0:
        raise InputError(f"{origin}: sweep.seed = {own['seed']!r} must be a whole number, at least 0")
    if not (isinstance(own["confidence"], float) and 0 < own["confidence"] < 1):
        raise InputError(f"{origin}: sweep.confidence = {own['confidence']!r} must lie between 0 and 1")
    base = {key: value for key, value in tables.items() if key not in OWN}
    axes = [_axis(key, values, origin) for key, values in _flat(tables.get("grid", {}))]
    ensemble = None
    if tables.get("random"):
        ensemble = read_ensemble(dict(_flat_laws(tables["random"])), own["seed"] if seed is None else seed, origin)
        axes.append(Axis(SAMPLE, tuple(range(ensemble.samples))))
    if not axes:
        raise InputError(f'{origin}: nothing is swept; add a table [grid], say with "field.beta" = [1.0, 2.0]')
    keys = [axis.key for axis in axes] + list(ensemble.laws if ensemble else ())
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"{origin}: {key} stands in [grid] and in [random]; keep one of them")
        if key != SAMPLE:
            try:
                replaced(base, key, None)
            except InputError as error:
                raise InputError(f"{origin}: grid or random: {error}") from None
    plan = Plan(kinds[own["kind"]], base, tuple(axes), ensemble, own["confidence"], files)
    try:
        plan.parameters(0)
    except InputError as error:
        raise InputError(f"{origin}: {error}") from None
    return plan


def _flat(table: Tables, path: str = "") -> Iterator[tuple[str, Any]]:
    """Keys with dots may also be written as tables: [grid.field] with beta in it."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _flat_laws(table: Tables, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and not isinstance(value.get("law"), str):
            yield from _flat_laws(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


def _axis(key: str, values: Any, origin: str) -> Axis:
    place = f"{origin}: grid.{key!r}"
    if not isinstance(values, list) or not values:
        raise InputError(f"{place} = {values!r} must be a list of values")
    try:
        texts = [json.dumps(v, allow_nan=False) for v in values]
    except (TypeError, ValueError):
        raise InputError(f"{place} = {values!r}: values are finite numbers, texts, true or false, or lists of these") from None
    axis = Axis(key, tuple(values))
    order = sorted(range(len(values)), key=(lambda k: values[k]) if axis.numeric else lambda k: texts[k])
    for a, b in zip(order, order[1:], strict=False):
        if values[a] == values[b]:
            raise InputError(f"{place} has {values[a]!r} twice; each value once")
    return Axis(key, tuple(values[k] for k in order))
