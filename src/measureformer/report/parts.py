"""Small pieces of HTML. Everything that comes from outside goes through ``text``."""

import base64
import html
import math
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

from .theme import DARK, LIGHT, readable

MARKS = {  # outlines of markers in a box of 10 x 10, for SVG and for a canvas
    "o": "M0 5a5 5 0 1 0 10 0a5 5 0 1 0-10 0Z",
    "s": "M.6.6h8.8v8.8H.6Z",
    "^": "M5 0 10 9.4H0Z",
    "D": "M5-.6 10.6 5 5 10.6-.6 5Z",
    "v": "M5 10 0 .6H10Z",
    "P": "M3.2 0h3.6v3.2H10v3.6H6.8V10H3.2V6.8H0V3.2h3.2Z",
    "X": "M2.5 0 5 2.5 7.5 0 10 2.5 7.5 5 10 7.5 7.5 10 5 7.5 2.5 10 0 7.5 2.5 5 0 2.5Z",
    "p": "M5 0 9.8 3.5 8 9.2H2L.2 3.5Z",
    ">": "M10 5 .6 10V0Z",
    "h": "M5 0 9.5 2.5v5L5 10 .5 7.5v-5Z",
    "<": "M0 5 9.4 0v10Z",
    "d": "M5-.8 8.6 5 5 10.8 1.4 5Z",
}


def text(value: object) -> str:
    """Escaped text."""
    return html.escape(str(value))


def number(value: Any, digits: int = 3) -> str:
    """A number as a person writes it; what is not a number is escaped."""
    return text(readable(value, digits))


def finite(value: Any) -> bool:
    """Whether it is a number, and neither NaN nor infinite (a certificate has null in place of those)."""
    return isinstance(value, int | float) and math.isfinite(value)


def count(n: int, thing: str) -> str:
    """1 layer, 2 layers."""
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def mark(measure: int, symbol: str) -> str:
    """The marker of a measure in its colour (a CSS class, so that it changes with the colour scheme)."""
    color = f"c{measure % len(LIGHT.palette)}"
    return f"<span class='mark' aria-hidden='true'><svg viewBox='0 0 10 10' class='{color}'><path d='{MARKS[symbol]}'/></svg></span>"


def mark_colors() -> str:
    """The CSS of ``mark``."""
    return "".join(
        f".c{i}{{fill:light-dark({day},{night})}}" for i, (day, night) in enumerate(zip(LIGHT.palette, DARK.palette, strict=True))
    )


def script(*names: str) -> str:
    """Scripts of ours, inside the page."""
    folder = resources.files("measureformer.report").joinpath("scripts")
    return "<script>\n" + "".join(folder.joinpath(f"{name}.js").read_text(encoding="utf-8") for name in names) + "</script>"


def table(head: Sequence[str], rows: Iterable[tuple[str, Sequence[str]]], *, words: int = 1, kind: str = "") -> str:
    """A table of cells that are HTML already: the first ``words`` columns are words, the others numbers. A row is (CSS class, cells)."""

    def cells(row: Sequence[str], tag: str, scope: str) -> str:
        kinds = ["" if k < words else " class='n'" for k in range(len(row))]
        others = "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds[1:], row[1:], strict=True))
        return f"<th scope='{scope}'>{row[0]}</th>{others}"

    body = "".join(f"<tr class='{look}'>{cells(row, 'td', 'row')}</tr>" for look, row in rows)
    return f"<div class='scroll {kind}'><table><thead><tr>{cells(head, 'th', 'col')}</tr></thead><tbody>{body}</tbody></table></div>"


def pairs(items: Iterable[tuple[str, str]]) -> str:
    """A list of names and what they are (HTML already)."""
    return "<dl class='pairs'>" + "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in items) + "</dl>"


def figure(light: bytes, dark: bytes, alt: str, caption: str, size: tuple[int, int]) -> str:
    """A picture inside the page, never larger than its pixels: PNG for light and for dark paper; the caption is HTML already."""
    day, night = (f"data:image/png;base64,{base64.b64encode(png).decode()}" for png in (light, dark))
    return (
        f"<figure><picture><source media='(prefers-color-scheme: dark)' srcset='{night}'>"
        f"<img src='{day}' alt='{text(alt)}' width='{size[0]}' height='{size[1]}' style='max-width:{size[0]}px'></picture>"
        f"<figcaption>{caption}</figcaption></figure>"
    )
