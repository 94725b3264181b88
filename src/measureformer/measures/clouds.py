"""Clouds: several measures in one table of labelled rows, on disk as CSV, Parquet or NPZ."""

import os
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float

from .._brief import brief
from ..errors import InputError
from . import _formats
from ._formats import Raw, check_rows, error
from .empirical import Empirical

Label: TypeAlias = int | str

# The contract: a point further from norm 1 than TOLERANCE is an error. Within ROUNDING its bits are left alone, so that a written file is
# read back unchanged; points in between (float32 data, say) are divided by their norms.
TOLERANCE = 1e-6
ROUNDING = 1e-14

# A text is an integer if it has at most 18 digits (so that it fits into 64 bits) and no leading zeros.
_INTEGER = re.compile(r"(-?(?:0|[1-9][0-9]{0,17}))(?:\.0*)?")


@dataclass(frozen=True, eq=False, init=False)
class Clouds:
    """Several empirical measures as one table: row j is an atom of the measure ``labels[j]``.

    Labels are integers if every one of them is an integer, whether stored as 1, 1.0 or "1", and texts otherwise (surrounding spaces
    are dropped; "01" is a text). So label 1 is the same label whatever the format of the file.

    Args:
        labels: shape (n,), integers or texts.
        points: shape (n, d), finite; kept as float64. Whether they lie on the sphere is checked by ``read_clouds``, not here.
        weights: shape (n,), positive, as given (not normalised); ``None`` for equal weights in each measure.
        origin: where the rows come from (a path), for messages.

    Raises:
        InputError: wrong shapes or types, no rows, missing labels, NaN, infinity, weights that are not positive.
    """

    labels: np.ndarray
    points: Float[np.ndarray, "n d"]
    weights: Float[np.ndarray, " n"] | None
    origin: str
    __repr__ = brief

    def __init__(self, labels, points, weights=None, origin: str = ""):
        points = _as_float64(points, "points", origin)
        if points.ndim != 2 or points.shape[1] == 0:
            raise error(origin, f"points must have shape (n, d) with d >= 1, got {points.shape}")
        n = points.shape[0]
        if n == 0:
            raise error(origin, "the cloud is empty: it has no rows; a measure needs at least one point")
        labels = _canonical_labels(labels, origin)
        if labels.shape != (n,):
            raise error(origin, f"measure must have shape ({n},), one label for each point, got {labels.shape}")
        if weights is not None:
            weights = _as_float64(weights, "weights", origin)
            if weights.shape != (n,):
                raise error(origin, f"weights must have shape ({n},), one for each point, got {weights.shape}")
            remedy = "weights must be positive numbers; drop the row if its point shall not count"
            valid = np.asarray(np.isfinite(weights) & (weights > 0))
            check_rows(valid, lambda j: f"the weight is {weights[j]}; {remedy}", origin, labels)
            weights.setflags(write=False)
        finite = np.isfinite(points)
        check_rows(
            np.asarray(finite.all(axis=1)),
            lambda j: f"coordinate {int(np.argmin(finite[j]))} is {points[j][~finite[j]][0]}; mend or remove the row",
            origin,
            labels,
        )
        points.setflags(write=False)
        labels.setflags(write=False)
        for name, value in (("labels", labels), ("points", points), ("weights", weights), ("origin", origin)):
            object.__setattr__(self, name, value)

    @classmethod
    def from_measures(cls, measures: Mapping[Label, Empirical], origin: str = "") -> "Clouds":
        """The table of a dictionary of measures, in its order. Weights are stored only if some measure has unequal ones."""
        if not measures:
            raise error(origin, "the cloud is empty: it has no measures")
        if len({mu.dimension for mu in measures.values()}) > 1:
            raise error(origin, f"measures differ in dimension: {_dimensions(measures)}; all must live in the same R^d")
        labels = [label for label, mu in measures.items() for _ in range(mu.size)]
        weights = [np.asarray(mu.weights, np.float64) for mu in measures.values()]
        clouds = cls(
            labels=np.array(labels, dtype=object),
            points=np.concatenate([np.asarray(mu.points, np.float64) for mu in measures.values()]),
            weights=None if all((w == w[0]).all() for w in weights) else np.concatenate(weights),
            origin=origin,
        )
        if len(clouds.rows()) < len(measures):
            raise error(origin, f"some labels among {_listed(list(measures))} are the same, as 1 and '1' are; use different ones")
        return clouds

    @property
    def size(self) -> int:
        """Number of rows n, over all measures."""
        return self.points.shape[0]

    @property
    def dimension(self) -> int:
        """Ambient dimension d."""
        return self.points.shape[1]

    def rows(self) -> dict[Label, np.ndarray]:
        """The row numbers of each measure, labels in order of first appearance."""
        rows: dict[Label, list[int]] = {}
        for j, label in enumerate(self.labels.tolist()):
            rows.setdefault(label, []).append(j)
        return {label: np.array(numbers) for label, numbers in rows.items()}

    def measures(self) -> dict[Label, Empirical]:
        """The measures, labels in order of first appearance, atoms in the order of the rows, weights that sum to 1 in each measure."""
        weights = self.weights
        return {label: Empirical(self.points[rows], None if weights is None else weights[rows]) for label, rows in self.rows().items()}

    def with_points(self, points) -> "Clouds":
        """The same rows, labels and weights with other points, shape (n, d): the push-forward of every measure at once."""
        if np.shape(points)[:1] != (self.size,):
            raise error(self.origin, f"points must have {self.size} rows, one for each row of the cloud, got shape {np.shape(points)}")
        return replace(self, points=points)


def read_clouds(path: str | os.PathLike[str], *, normalize: bool = False, sphere: bool = True) -> Clouds:
    """Reads measures on the unit sphere, or in R^d, from a ``.csv``, ``.parquet`` or ``.npz`` file.

    A table has the columns ``measure`` (integer or text label), optionally ``weight`` (> 0), and either ``x0 ... x{d-1}`` or
    ``latitude_deg, longitude_deg`` (then d = 3); it may have others, which are ignored. An ``.npz`` has ``points`` (n, d), ``measure`` (n,)
    and optionally ``weights`` (n,). Rows keep their order.

    Points must have norm 1 within 1e-6. Those that are off by more than rounding (1e-14) are divided by their norms, the others keep
    their bits.

    Args:
        path: the file; its ending says its format.
        normalize: divide points of any norm but zero by their norms instead of refusing them.
        sphere: whether the points must lie on the sphere; if not, they are left as they are.

    Returns:
        The rows, with ``origin`` the path.

    Raises:
        InputError: the file cannot be used; the message names it, the measure and the data row (counted from 1) where that applies, the
            value and the remedy.
    """
    origin = os.fspath(path)
    read = {".csv": _formats.read_csv, ".parquet": _formats.read_parquet, ".npz": _formats.read_npz}[_suffix(path)]
    try:
        raw = read(Path(path), origin)
    except FileNotFoundError as e:
        raise error(origin, "there is no such file; check the path") from e
    except OSError as e:
        raise error(origin, f"the file cannot be read: {e.strerror or ' '.join(str(e).split())}") from e
    clouds = Clouds(*raw, origin)
    return clouds.with_points(_on_sphere(clouds, normalize)) if sphere else clouds


def write_clouds(path: str | os.PathLike[str], clouds: Clouds) -> None:
    """Writes a table that ``read_clouds`` reads back with the same rows and the same bits.

    Points are written as ``x0 ... x{d-1}`` (never as angles), weights only if ``clouds`` has them. The file appears complete or not at all.

    Args:
        path: the file, which is replaced if it exists; its ending (``.csv``, ``.parquet`` or ``.npz``) says its format.
        clouds: the rows.

    Raises:
        InputError: an unknown ending, or a path that cannot be written.
    """
    write = {".csv": _formats.write_csv, ".parquet": _formats.write_parquet, ".npz": _formats.write_npz}[_suffix(path)]
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    try:
        try:
            write(part, Raw(clouds.labels, clouds.points, clouds.weights))
            part.replace(path)
        finally:  # also when interrupted
            part.unlink(missing_ok=True)
    except OSError as e:
        raise error(os.fspath(path), f"the file cannot be written: {e.strerror or e}; check that its folder exists and is writable") from e


def pair_clouds(sources: Clouds, targets: Clouds) -> list[tuple[Label, Empirical, Empirical]]:
    """Pairs source measure i with the target measure of the same label, in the order of the sources.

    Raises:
        InputError: the sets of labels differ (names the labels that are missing on each side), or the dimensions do.
    """
    mu, nu = sources.measures(), targets.measures()
    names = sources.origin or "sources", targets.origin or "targets"
    # Integer labels are canonical, so equal texts mean equal labels, also when one side has a text among its integers.
    target_of = {str(label): label for label in nu}
    source_texts = {str(label) for label in mu}
    alone = [label for label in mu if str(label) not in target_of], [label for label in nu if str(label) not in source_texts]
    if alone[0] or alone[1]:
        missing = [f"{there} has no measure {_listed(labels)}" for labels, there in zip(alone, names[::-1], strict=True) if labels]
        raise InputError(
            f"the labels of {names[0]} and {names[1]} differ: {' and '.join(missing)}; every source needs a target with the same label"
        )
    if sources.dimension != targets.dimension:
        raise InputError(
            f"the points of {names[0]} have d = {sources.dimension} coordinates and those of {names[1]} d = {targets.dimension};"
            " both must lie on the same sphere"
        )
    return [(label, mu[label], nu[target_of[str(label)]]) for label in mu]


def _on_sphere(clouds: Clouds, normalize: bool) -> np.ndarray:
    """The points with norm 1 up to rounding; see ``read_clouds`` for what is an error."""
    # Scaling by powers of two is exact and keeps the squares of huge and tiny coordinates from over- and underflowing.
    _, exponent = np.frexp(np.abs(clouds.points).max(axis=1))
    scaled = np.ldexp(clouds.points, -exponent[:, None])
    scaled_norm = np.linalg.norm(scaled, axis=1)
    with np.errstate(over="ignore", under="ignore"):
        norm = np.ldexp(scaled_norm, exponent)
    remedy = "points must have norm 1 within 1e-6: divide them by their norms, or ask for it with --normalize (in Python: normalize=True)"
    valid = scaled_norm > 0 if normalize else np.abs(norm - 1) <= TOLERANCE
    zero = "the point is zero and cannot be normalised; mend or remove the row"
    check_rows(valid, lambda j: f"the point has norm {norm[j]:.9g}; {remedy}" if scaled_norm[j] else zero, clouds.origin, clouds.labels)
    off = np.abs(norm - 1) > ROUNDING
    points = clouds.points.copy()
    points[off] = scaled[off] / scaled_norm[off, None]
    return points


def _suffix(path: str | os.PathLike[str]) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".parquet", ".npz"):
        raise error(os.fspath(path), f"the ending {suffix!r} is no format of clouds; use .csv, .parquet or .npz")
    return suffix


def _canonical_labels(values: Any, origin: str) -> np.ndarray:
    """Labels as int64 if all of them are integers (1, 1.0, "1"), else as texts. See ``Clouds``."""
    array = np.asarray(values)
    if array.ndim != 1:
        return array  # the caller compares shapes
    values = array.tolist()
    texts = [text for text in map(_label_text, values) if text is not None]
    if len(texts) < len(values):
        remedy = "give every row an integer or a text as its label, with no control characters"
        valid = np.array([_label_text(value) is not None for value in values])
        check_rows(valid, lambda j: f"{values[j]!r} is no label of a measure; {remedy}", origin)
    matches = {text: _INTEGER.fullmatch(text) for text in set(texts)}
    integers = {text: int(match[1]) for text, match in matches.items() if match}
    if len(integers) == len(matches):
        return np.array([integers[text] for text in texts], dtype=np.int64)
    return np.array(texts, dtype=str)


def _label_text(value: Any) -> str | None:
    """The label as a text; ``None`` if it is missing or no label at all."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    text = str(value).strip()
    # Control characters (and halves of surrogate pairs) would be damaged by one format or another.
    return text if text and (text.isprintable() or not any(unicodedata.category(c) in ("Cc", "Cs") for c in text)) else None


def _as_float64(values: Any, name: str, origin: str) -> np.ndarray:
    """An own, contiguous float64 copy."""
    values = np.asarray(values)
    if values.dtype.kind not in "fiu":
        raise error(origin, f"{name} must be real numbers, got an array of type {values.dtype}")
    return np.array(values, dtype=np.float64, order="C")


def _listed(labels: Sequence[Label], most: int = 8) -> str:
    more = f" and {len(labels) - most} more" if len(labels) > most else ""
    return ", ".join(str(label) for label in labels[:most]) + more


def _dimensions(measures: Mapping[Label, Empirical]) -> str:
    return ", ".join(f"{label}: {mu.dimension}" for label, mu in list(measures.items())[:8])
