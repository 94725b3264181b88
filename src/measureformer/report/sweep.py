"""The page of a sweep: its phase diagram as a picture, and any of its results over any of its axes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._files import write_whole
from ..experiments.sweep import Summary
from ..experiments.sweep.figure import phase_diagram
from ..experiments.sweep.jobs import find
from ..experiments.sweep.means import coordinates, quantities
from .literature import draw_picture
from .motion import EXTRA, looks, packed_bytes, plotly
from .parts import count, figure, number, script, table, text
from .pixels import pixels, save, small_png
from .theme import DARK, LIGHT, drawing
from .write import page_of

FIGURE = "figures/phase-diagram.png"
_BYTES = 6_000_000  # of numbers in a page


def write_sweep(directory: Path, summary: Summary, title: str) -> list[str]:
    """Write ``report.html``, and the phase diagram where there is one.

    Args:
        directory: the sweep's.
        summary: how it ended.
        title: of the page.

    Returns:
        The names of the files, in the directory.
    """
    (directory / FIGURE).unlink(missing_ok=True)
    picture = phase_diagram(summary.store) if summary.done else None
    drawn = ""
    if picture is not None:
        with drawing():
            light, dark = (pixels(draw_picture(picture, theme)) for theme in (LIGHT, DARK))
        (directory / FIGURE).parent.mkdir(parents=True, exist_ok=True)
        save(directory / FIGURE, light)
        drawn = figure(small_png(light), small_png(dark), picture.caption, text(picture.caption), light.size)
    body = [_header(summary, title), _diagram(summary), drawn, _axes(summary), _failures(summary)]
    files = "Every number is in table.csv and store.zarr. Made with measureformer."
    write_whole(directory / "report.html", page_of(title, "\n".join([*body, f"<footer><p>{files}</p></footer>"])).encode())
    return [*([FIGURE] if picture is not None else []), "report.html"]


def _header(summary: Summary, title: str) -> str:
    whole = summary.done == summary.jobs
    rest = "" if whole else f" {number(summary.failed)} failed, {number(summary.jobs - summary.done - summary.failed)} are left."
    return (
        f"<header><p class='kind'>Sweep</p><h1>{text(title)}</h1><p class='verdict {'passed' if whole else 'failed'}'>"
        f"{number(summary.done)} of {count(summary.jobs, 'job')} done</p><p class='lead'>Means over seeds and samples, with "
        f"{100 * summary.store.plan.confidence:g} % intervals of Student.{rest}</p></header>"
    )


def _diagram(summary: Summary) -> str:
    """Choices and plot; a sentence where plotly is not installed."""
    library = plotly()
    if not library:
        return f"<p>A diagram of every result, to point at and to turn over, is here after <code>{text(EXTRA)}</code>.</p>"
    data, left_out = _data(summary)
    if not data["quantities"]:
        return ""
    said = f"Too large for a page, and left out: {', '.join(left_out)}; they are in store.zarr." if left_out else ""
    packed = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return (
        "<section id='diagram' hidden><h2>Results</h2><div class='choices'></div><div class='plot' role='img'></div>"
        f"<p class='caption'>Point at a place for its mean, interval and number of values. {text(said)}</p></section>"
        f"<script type='application/json' id='sweep'>{packed}</script><script>{library}</script>{script('diagram')}"
    )


def _data(summary: Summary) -> tuple[dict[str, Any], list[str]]:
    """Axes and results, those that people look at first; and the names of what did not fit."""
    axes = coordinates(summary.store)
    names, kept, left_out, used = list(axes), [], [], 0
    for quantity in quantities(summary.store):
        arrays = {key: packed_bytes(np.asarray(getattr(quantity.values, key), "<f4")) for key in ("mean", "half", "number")}
        size = sum(map(len, arrays.values()))
        if used + size > _BYTES:
            left_out.append(quantity.name)
        elif np.isfinite(quantity.values.mean).any() and quantity.axes:
            used += size
            kept.append({"name": quantity.name, "axes": [names.index(axis) for axis in quantity.axes], **arrays})
    picture = find(summary.store.plan.kind).picture
    kept.sort(key=lambda q: (picture is None or q["name"] != picture[0], -len(q["axes"])))
    listed = [{"name": name, "labels": _plain(labels)} for name, labels in axes.items()]
    return {"axes": listed, "quantities": kept, "confidence": summary.store.plan.confidence, "looks": looks()}, left_out


def _plain(labels: Sequence[Any] | np.ndarray) -> list[Any]:
    return [value if isinstance(value, str) else value.item() for value in labels]


def _axes(summary: Summary) -> str:
    rows = []
    for axis in summary.store.plan.axes:
        values = [str(value) for value in axis.labels]
        shown = ", ".join(values if len(values) <= 12 else [*values[:11], f"\u2026 {values[-1]}"])
        rows.append(("", [text(axis.key), text(shown), "repetitions" if axis.repeats else ""]))
    return f"<section><h2>The grid</h2>{table(['key', 'values', ''], rows, words=3)}</section>" if rows else ""


def _failures(summary: Summary) -> str:
    if not summary.errors:
        return ""
    rows = [("", [text(", ".join(f"{key} = {value}" for key, value in at.items())), text(error)]) for at, error in summary.errors]
    cut = f"<p>{number(summary.failed)} have failed in all; table.csv has them.</p>" if summary.failed > len(rows) else ""
    return f"<section><h2>What failed</h2>{table(['job', 'error'], rows, words=2)}{cut}</section>"
