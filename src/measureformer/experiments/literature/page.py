"""What a reproduced figure consists of: pictures as plain data, tables, and what is said beside them. Drawing is somebody else's work."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Settings:
    """How to reproduce.

    Attributes:
        full: the authors' sizes; otherwise reduced ones, for a minute at most.
        seed: of all random choices.
        progress: called as ``progress(what, done, total)``.
        parts: a folder for what is done of a long figure, so that it can be killed and go on; None for none.
    """

    full: bool = False
    seed: int = 0
    progress: Callable[[str, int, int], None] = lambda what, done, total: None
    parts: Path | None = None


@dataclass(frozen=True)
class Series:
    """A curve or points. ``look`` is "line", "thin", "dashed", "dotted", "dots" or "band" (between ``y`` and ``top``); ``color`` counts
    from 0, and -1 is ink."""

    x: Any
    y: Any
    label: str = ""
    look: str = "line"
    color: int = 0
    top: Any = None


@dataclass(frozen=True)
class Image:
    """Values z (len(y), len(x)) at the centres of cells, shown from ``low`` to ``high``."""

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    label: str
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True)
class Panel:
    """Axes with what stands in them. ``kind`` is "plot", "circle" (points of the unit circle) or "plane" (equal scales)."""

    title: str
    series: Sequence[Series] = ()
    image: Image | None = None
    kind: str = "plot"
    xlabel: str = ""
    ylabel: str = ""
    log_x: bool = False
    log_y: bool = False
    xlim: tuple[Any, Any] | None = None
    ylim: tuple[Any, Any] | None = None


@dataclass(frozen=True)
class Picture:
    """Panels in rows of at most ``columns``; one PNG."""

    name: str
    caption: str
    panels: Sequence[Panel]
    columns: int = 3


@dataclass(frozen=True)
class Table:
    """Rows of numbers and words; one CSV. ``shown`` says whether it is short enough for the page."""

    name: str
    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    shown: bool = True


@dataclass(frozen=True)
class Page:
    """A reproduced figure.

    Attributes:
        name, title, source: what it is, and where it was published.
        statement: what is shown and found, a paragraph each.
        parameters: (parameter, the authors', ours, why they differ; "" if they do not).
        defects: what is known to be wrong in the published figure or its script.
        pictures, tables: what was made.
        numbers: the findings by name, ready for JSON.
    """

    name: str
    title: str
    source: str
    statement: Sequence[str]
    parameters: Sequence[tuple[str, str, str, str]]
    defects: Sequence[str]
    pictures: Sequence[Picture]
    tables: Sequence[Table] = ()
    numbers: dict[str, Any] = field(default_factory=dict)
