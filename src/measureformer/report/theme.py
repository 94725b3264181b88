"""What a measure looks like: colours that a colour-blind person can tell apart, a marker each, labels that the font can draw."""

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

# Okabe & Ito's colours; on dark paper the darker ones are lightened. A measure has a marker too: no figure needs colour to be read.
_ON_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#6B6B6B", "#B8A800")
_ON_DARK = ("#56B4E9", "#F0862E", "#2BC49B", "#E08FBE", "#F0C24B", "#8AA6FF", "#B9B9B9", "#F0E442")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p", ">", "h", "<", "d")


@dataclass(frozen=True)
class Theme:
    """Colours of paper, ink and globe, and one colour for each of eight measures (after eight they start again with other markers)."""

    name: str
    paper: str
    ink: str
    faint_ink: str
    grid: str
    band: str
    globe_light: str
    globe_dark: str
    land: str
    palette: tuple[str, ...]

    def color(self, measure: int) -> str:
        """The colour of a measure, by its place in the list."""
        return self.palette[measure % len(self.palette)]


LIGHT = Theme("light", "#ffffff", "#1c2733", "#5d6b79", "#c6cfd8", "#f1f4f7", "#fbfcfe", "#dbe3ec", "#aab6c3", _ON_LIGHT)
DARK = Theme("dark", "#11161c", "#e8edf2", "#9aa8b5", "#3a4652", "#1a222b", "#2a3541", "#161d25", "#5f6f7f", _ON_DARK)


def marker(measure: int) -> str:
    """The marker of a measure. With eight colours and twelve markers no two of the first 24 measures look the same."""
    return MARKERS[measure % len(MARKERS)]


def short(label: object, length: int = 44) -> str:
    """The label on one line, without control characters, cut at the end if it is too long."""
    text = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in str(label))
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1].rstrip() + "\u2026"


def drawable(labels: Sequence[object], length: int = 44) -> list[str]:
    """Labels for a figure: short; ``measure 3`` in place of a label that is empty or has letters that the font lacks."""
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont("DejaVu Sans"))
    names = [short(label, length) for label in labels]
    return [name if name and all(font.get_char_index(ord(c)) for c in name) else f"measure {i + 1}" for i, name in enumerate(names)]


def readable(value: Any, digits: int = 3) -> str:
    """A number as a person writes it: 1,204, 0.35, 1.4e-12, 1e-6, or a dash for None."""
    if value is None:
        return "\u2013"
    if isinstance(value, int | np.integer) or not isinstance(value, float | np.floating):
        return f"{value:,}" if isinstance(value, int | np.integer) and not isinstance(value, bool) else str(value)
    if not np.isfinite(value):
        return "not finite"
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.{digits}g}" if abs(value) < 1000 else f"{value:,.0f}"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}"


def raised(exponent: int) -> str:
    """A whole number as a superscript."""
    return str(exponent).translate(str.maketrans("-0123456789", "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"))


@contextmanager
def drawing() -> Iterator[None]:
    """Settings of a figure, whatever the user's matplotlibrc says; they are put back afterwards."""
    from matplotlib import rc_context

    settings: dict[Any, Any] = {"font.family": ["DejaVu Sans"], "font.size": 11.5, "text.usetex": False, "text.parse_math": False}
    with rc_context(settings):
        yield
