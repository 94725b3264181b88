"""How clouds lie on disk. Readers give raw labels, points and weights; writers take them. What they mean is checked in ``clouds``."""

import csv
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from .geographic import first_invalid, from_latitude_longitude

_COORDINATE = re.compile(r"x(0|[1-9]\d*)")
_ANGLES = ("latitude_deg", "longitude_deg")
_EXPECTED = "a table of clouds has the columns measure, x0 ... x{d-1} (or latitude_deg, longitude_deg) and optionally weight"


class Raw(NamedTuple):
    """Rows as they lie in a file."""

    labels: Any
    points: np.ndarray
    weights: np.ndarray | None


def error(origin: str, message: str) -> InputError:
    """An error about the file ``origin`` (or about arrays, if it is empty)."""
    return InputError(f"{origin}: {message}" if origin else message)


def check_rows(valid: np.ndarray, describe: Callable[[int], str], origin: str, labels: Sequence[Any] | np.ndarray | None = None) -> None:
    """Raises an InputError about the first row that is not valid; ``describe(row)`` says what is wrong there."""
    bad = np.flatnonzero(~valid)
    if bad.size:
        j = int(bad[0])
        measure = "" if labels is None else f"measure {labels[j]}, "
        others = "" if bad.size == 1 else f" ({bad.size} such rows)"
        raise error(origin, f"{measure}data row {j + 1}: {describe(j)}{others}")


# CSV ------------------------------------------------------------------------------------------------------------------------------------


def read_csv(path: Path, origin: str) -> Raw:
    """A UTF-8 text with commas and one header line. Blank lines are skipped."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = [cells for cells in csv.reader(file) if cells]
    except (UnicodeDecodeError, csv.Error) as e:
        raise error(origin, f"the file cannot be read as CSV ({e}); save it as a UTF-8 text with commas") from e
    if not lines:
        raise error(origin, f"the file is empty; {_EXPECTED}")
    names, rows = [name.strip() for name in lines[0]], lines[1:]
    check_rows(
        np.array([len(cells) == len(names) for cells in rows], dtype=bool),
        lambda j: f"{len(rows[j])} cells under a header of {len(names)}; separate cells by commas, and quote texts that contain one",
        origin,
    )
    columns = dict(zip(names, zip(*rows, strict=True), strict=False)) if rows else dict.fromkeys(names, ())

    def numbers(name: str) -> np.ndarray:
        cells = columns[name]
        try:
            return np.array([float(cell) for cell in cells], dtype=np.float64)
        except ValueError:
            valid = np.array([_is_number(cell) for cell in cells])
            message = "is not a number; mend or remove the row"
            check_rows(valid, lambda j: f"{name} = {cells[j]!r} {message}", origin, columns["measure"])
            raise

    return _from_table(names, numbers, lambda: columns["measure"], origin)


def write_csv(path: Path, raw: Raw) -> None:
    """Numbers are written with the fewest digits that give back the same float64."""
    columns = _table(raw)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*(column.tolist() for column in columns.values()), strict=True))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


# Parquet --------------------------------------------------------------------------------------------------------------------------------


def read_parquet(path: Path, origin: str) -> Raw:
    """Any integer, floating or decimal columns for numbers; integers, texts or dictionaries of them for labels."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as stream, pq.ParquetFile(stream) as file:
            names = file.schema_arrow.names
            wanted = [name for name in names if name in ("measure", "weight", *_ANGLES) or _COORDINATE.fullmatch(name)]
            table = file.read(columns=wanted)
        table.validate(full=True)  # a damaged file may hold texts that are not UTF-8
    except (pa.ArrowException, ValueError) as e:
        raise error(origin, f"the file cannot be read as Parquet ({' '.join(str(e).split())}); write it again") from e

    def labels() -> list[Any]:
        return table.column("measure").to_pylist()

    def numbers(name: str) -> np.ndarray:
        column = table.column(name)
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type)):
            raise error(origin, f"the column {name} has the type {column.type}; save it as floating-point numbers")
        return column.cast(pa.float64(), safe=False).to_numpy()

    return _from_table(names, numbers, labels, origin)


def write_parquet(path: Path, raw: Raw) -> None:
    """One row group, float64 columns, labels as int64 or text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: pa.array(column.tolist() if column.dtype.kind == "U" else column) for name, column in _table(raw).items()}
    pq.write_table(pa.table(columns), path)


# NPZ ------------------------------------------------------------------------------------------------------------------------------------


def read_npz(path: Path, origin: str) -> Raw:
    """``points``, ``measure`` and optionally ``weights``; pickled objects are never loaded."""
    with path.open("rb") as stream:
        try:
            archive = np.load(stream, allow_pickle=False)
            names = list(getattr(archive, "files", []))  # a single array has none
            arrays = {name: archive[name] for name in ("points", "measure", "weights") if name in names}
        except Exception as e:  # NumPy, zipfile and zlib each have their own errors for damaged files
            remedy = "save plain arrays with numpy.savez, labels as integers or texts and not as objects"
            raise error(origin, f"the file cannot be read as NPZ ({e}); {remedy}") from e
    for name in ("points", "measure"):
        if name not in arrays:
            raise error(origin, f"there is no array {name!r}, only {names}; an .npz of clouds has points, measure and optionally weights")
    if "weight" in names:
        raise error(origin, "the array 'weight' would be ignored; in an .npz it is called 'weights'")
    return Raw(arrays["measure"], arrays["points"], arrays.get("weights"))


def write_npz(path: Path, raw: Raw) -> None:
    """Plain arrays, not compressed."""
    with path.open("wb") as file:
        if raw.weights is None:
            np.savez(file, points=raw.points, measure=raw.labels)
        else:
            np.savez(file, points=raw.points, measure=raw.labels, weights=raw.weights)


# Tables ---------------------------------------------------------------------------------------------------------------------------------


def _table(raw: Raw) -> dict[str, np.ndarray]:
    weights = {} if raw.weights is None else {"weight": raw.weights}
    return {"measure": raw.labels} | weights | {f"x{i}": column for i, column in enumerate(raw.points.T)}


def _from_table(names: Sequence[str], numbers: Callable[[str], np.ndarray], labels: Callable[[], Sequence[Any]], origin: str) -> Raw:
    """Reads the columns that matter from a table that gives numbers by name."""
    _check_names(names, origin)
    label = labels()
    coordinates = sorted(filter(_COORDINATE.fullmatch, names), key=lambda name: int(name[1:]))
    if coordinates:
        points = np.stack([numbers(name) for name in coordinates], axis=1)
    else:
        angles = [numbers(name) for name in _ANGLES]
        if (invalid := first_invalid(*angles)) is not None:
            row, message = invalid
            raise error(origin, f"measure {label[row]}, data row {row + 1}: {message}")
        points = from_latitude_longitude(*angles)
    return Raw(label, points, numbers("weight") if "weight" in names else None)


def _check_names(names: Sequence[str], origin: str) -> None:
    found = f"the columns are {', '.join(map(repr, names))}"
    if "measure" not in names:
        raise error(origin, f"there is no column 'measure', {found}; {_EXPECTED}")
    coordinates = [name for name in names if _COORDINATE.fullmatch(name)]
    angles = [name for name in names if name in _ANGLES]
    for name in ("measure", "weight", *coordinates, *angles):
        if names.count(name) > 1:
            raise error(origin, f"there are {names.count(name)} columns {name!r}; keep one")
    if "weights" in names:
        raise error(origin, "the column 'weights' would be ignored; in a table it is called 'weight'")
    if coordinates and angles:
        raise error(origin, f"there are both {coordinates[0]} and {angles[0]}, so the points are ambiguous; keep one kind of coordinates")
    if not coordinates and len(angles) < 2:
        what = f"there is {angles[0]} alone" if angles else "there are no coordinates"
        raise error(origin, f"{what}, {found}; {_EXPECTED}")
    absent = [f"x{i}" for i in range(len(coordinates)) if f"x{i}" not in coordinates]
    if absent:
        raise error(origin, f"there is no column {absent[0]!r} among {', '.join(coordinates)}; number them x0, x1, ... with no gap")
