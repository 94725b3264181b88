"""How results show themselves in a console or a notebook: shapes in place of numbers, small tables, no pages of digits."""

import dataclasses
from collections.abc import Iterable, Sequence
from enum import Enum
from html import escape
from typing import Any

import numpy as np

_NUMBERS, _ITEMS, _CHARACTERS = 6, 3, 100  # shown as they are, at most


def brief(self: Any) -> str:
    """A ``__repr__`` for dataclasses: arrays by dtype and shape, long lists by their beginning.

    Example:
        >>> @dataclasses.dataclass
        ... class Path:
        ...     times: np.ndarray
        ...     points: list
        ...     __repr__ = brief
        >>> Path(np.array([0.0, 0.5]), [np.zeros((2, 40, 3))] * 5)
        Path(times=[0, 0.5], points=[float64[2, 40, 3], float64[2, 40, 3], float64[2, 40, 3], ... 5 in all])
    """
    shown = ((f.name, getattr(self, f.name)) for f in dataclasses.fields(self) if f.repr)
    return f"{type(self).__name__}({', '.join(f'{name}={_shown(value)}' for name, value in shown)})"


def text_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns that stand below each other: the first one to the left, the others to the right."""
    lines = [list(head), *map(list, rows)]
    widths = [max(len(line[k]) for line in lines) for k in range(len(head))]
    justified = ([cell.rjust(n) if k else cell.ljust(n) for k, (cell, n) in enumerate(zip(line, widths, strict=True))] for line in lines)
    return "\n".join("  ".join(line).rstrip() for line in justified)


def html_table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """The same for a notebook."""
    cells = [("th", head), *(("td", row) for row in rows)]
    lines = ("<tr>" + "".join(f"<{kind}>{escape(cell)}</{kind}>" for cell in line) + "</tr>" for kind, line in cells)
    return f"<p>{escape(title)}</p><table>{''.join(lines)}</table>"


def short_number(value: Any) -> str:
    """A number with few digits; what is none (a traced value, None) by its kind."""
    if isinstance(value, bool | np.bool_ | int | np.integer):
        return str(value)
    return f"{float(value):.3g}" if isinstance(value, float | np.floating) else "-" if value is None else type(value).__name__


def _shown(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.ndim < 2 and value.size <= _NUMBERS and value.dtype.kind in "fiub":
        return str(value.item()) if value.ndim == 0 else f"[{', '.join(f'{v:.6g}' for v in value)}]"
    if hasattr(value, "dtype") and hasattr(value, "shape") and value.shape != ():
        return f"{value.dtype}{list(value.shape)}"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Enum):
        return f"{type(value).__name__}.{value.name}"
    if isinstance(value, tuple) and (names := getattr(value, "_fields", None)):
        return f"{type(value).__name__}({', '.join(f'{k}={_shown(v)}' for k, v in zip(names, value, strict=True))})"
    if type(value) in (list, tuple):
        start = [_shown(v) for v in value[:_ITEMS]] + ([f"... {len(value)} in all"] if len(value) > _ITEMS else [])
        return ("[{}]" if isinstance(value, list) else "({})").format(", ".join(start))
    if type(value) is dict:
        start = [f"{k!r}: {_shown(v)}" for k, v in list(value.items())[:_ITEMS]]
        return f"{{{', '.join([*start, *([f'... {len(value)} in all'] if len(value) > _ITEMS else [])])}}}"
    text = " ".join(repr(value).split())
    return text if len(text) <= _CHARACTERS else f"{text[: _CHARACTERS - 4]} ..."
