"""Measures in motion, for a page: packed coordinates, the curves beside them, and the HTML that the scripts bring to life."""

import base64
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .parts import MARKS, mark, script, text
from .theme import DARK, LIGHT, marker, readable

FRAMES, POINTS = 120, 5000  # most of them in a page: 5 MB of coordinates, in 16 bits each
_SCALE = 32767
EXTRA = "pip install 'measureformer[report]'"


@dataclass(frozen=True)
class Curve:
    """Values y (N, F), a curve for each measure; ``level`` is a height to be marked. Where ``log`` is set, ``floor`` stands for 0."""

    title: str
    y: np.ndarray
    log: bool = False
    level: float | None = None


@dataclass(frozen=True)
class Motion:
    """What a page shows of N measures at F moments.

    Attributes:
        names: of the measures.
        paths: their points, (F, n_i, 3) each; NaN for what is not finite.
        weights: (n_i,) each.
        ground: "globe" (the sphere S^2), "ball" (a projection of a larger sphere), "circle", "plane" or "space" (R^d without a sphere).
        toward: direction from which the globe is seen first, (3,).
        labels: what the F moments are called.
        marks: (name, moment) of buttons that lead there.
        x: the F moments on the axis of the curves, whose name is ``xlabel``.
        bands: intervals of that axis, every second one shaded.
        ticks: places and names on it; None for numbers.
        curves: the curves beside the globe.
        rings: where each measure should arrive, (m_i, 3); empty if nowhere.
        probes: points without weight that each measure carries, (F, p_i, 3).
        background: pale dots (m, 3).
        reach: length that is shown as 1.
        caption: below it, HTML.
    """

    names: Sequence[str]
    paths: Sequence[np.ndarray]
    weights: Sequence[np.ndarray]
    ground: str
    toward: np.ndarray
    labels: Sequence[str]
    marks: Sequence[tuple[str, int]]
    x: np.ndarray
    xlabel: str
    curves: Sequence[Curve]
    caption: str
    bands: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))
    ticks: tuple[Sequence[float], Sequence[str]] | None = None
    rings: Sequence[np.ndarray] = ()
    probes: Sequence[np.ndarray] = ()
    background: np.ndarray | None = None
    reach: float = 1.0


def stage(motion: Motion) -> str:
    """The section of a page: globe, slider, phases, legend, curves, and everything that they need, without a network.

    The globe is drawn by a script of our own on a canvas. Plotly draws the curves, if it is installed; its 3-D needs WebGL, which many
    browsers without a graphics card lack.
    """
    library = plotly()
    missing = "" if library else f" The curves are drawn beside the globe, and follow the slider, after <code>{text(EXTRA)}</code>."
    buttons = "".join(f"<button type='button' data-frame='{k}'>{text(name)}</button>" for name, k in motion.marks)
    phases = f"<div class='phases' role='group' aria-label='Go to the end of a phase'>{buttons}</div>" if buttons else ""
    turns = "" if motion.ground in ("circle", "plane") else " The arrow keys turn it."
    data = json.dumps(_data(motion), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    curves = "<div class='curves'></div>" if library else ""
    return (
        f"<section id='stage' class='{'with-curves' if library else 'alone'}' aria-label='The measures in motion' hidden>"
        "<h2>In motion</h2><div class='stage'><div><div class='globe'>"
        f"<canvas tabindex='0' role='img' aria-label='The measures at the chosen moment.{turns}'></canvas>"
        "<output class='tip' hidden></output></div>"
        "<div class='controls'><button type='button' class='play'>Play</button>"
        "<input type='range' min='0' value='0' step='1' aria-label='Moment'><output class='clock'></output></div>"
        f"{phases}<div class='legend' role='group' aria-label='Show or hide a measure'>{_legend(motion)}</div></div>{curves}</div>"
        f"<p class='caption'>{motion.caption}{missing}</p></section>"
        f"<script type='application/json' id='motion'>{data}</script>{script('globe', 'slider')}"
        + (library and f"<script>{library}</script>{script('curves')}")
    )


def plotly() -> str:
    """The source of plotly.js; "" where the extra ``report`` is not installed."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        return ""
    return get_plotlyjs().replace("</script", "<\\/script")


def looks() -> dict[str, Any]:
    """The colours of both papers, for scripts."""
    return {theme.name: asdict(theme) for theme in (LIGHT, DARK)}


def _legend(motion: Motion) -> str:
    entries = [
        f"<button type='button' aria-pressed='true' data-measure='{i}'>{mark(i, marker(i))}{text(name)}</button>"
        for i, name in enumerate(motion.names)
    ]
    said = "<span>rings: targets</span>" if len(motion.rings) else ""
    said += "<span>\u00d7 probes, without weight</span>" if any(x.size for x in motion.probes) else ""
    return "".join(entries) + said


def _data(motion: Motion) -> dict[str, Any]:
    toward = motion.toward / np.linalg.norm(motion.toward)
    none = np.zeros((0, 3))
    rings, probes = motion.rings or [none] * len(motion.names), motion.probes or [none] * len(motion.names)
    measures = [
        {
            "name": name,
            "marker": marker(i),
            "shape": MARKS[marker(i)],
            "size": path.shape[1],
            "points": _packed(path, motion.reach),
            "weights": packed_bytes(np.asarray(weights, "<f4")),
            "rings": _packed(rings[i], motion.reach),
            "probes": _packed(probes[i], motion.reach),
        }
        for i, (name, path, weights) in enumerate(zip(motion.names, motion.paths, motion.weights, strict=True))
    ]
    return {
        "ground": motion.ground,
        "turn": float(np.arctan2(toward[1], toward[0])),
        "tilt": float(np.arcsin(toward[2])),
        "reach": float(readable(float(motion.reach), 4).replace(",", "")),
        "labels": list(motion.labels),
        "measures": measures,
        "background": _packed(none if motion.background is None else motion.background, 1.0),
        "x": _numbers(motion.x),
        "xlabel": motion.xlabel,
        "bands": motion.bands.tolist(),
        "ticks": motion.ticks,
        "curves": [_curve(curve) for curve in motion.curves],
        "looks": looks(),
    }


def _curve(curve: Curve) -> dict[str, Any]:
    y = np.asarray(curve.y, float)
    drawn = {"title": curve.title, "y": [_numbers(row) for row in y], "log": curve.log, "level": curve.level}
    if curve.log:
        seen = [*y[np.isfinite(y) & (y > 0)], *([curve.level] if curve.level else [])] or [1.0]
        low, high = np.floor(np.log10(min(seen))) - bool((y == 0).any()), np.log10(max(seen)) + 0.3
        drawn |= {"floor": 10.0**low, "range": [low - 0.1, high], "dtick": max(1, round((high - low) / 6))}
    return drawn


def _numbers(values: np.ndarray) -> list[float | None]:
    return [float(f"{v:.6g}") if np.isfinite(v) else None for v in values]


def _packed(points: np.ndarray, reach: float) -> str:
    """Whole numbers of 16 bits, 32767 at ``reach``; -32768 says that a coordinate is not finite."""
    scaled = np.round(np.asarray(points, float) / reach * _SCALE)
    return packed_bytes(np.where(np.isfinite(scaled), np.clip(scaled, -_SCALE, _SCALE), -_SCALE - 1).astype("<i2"))


def packed_bytes(array: np.ndarray) -> str:
    """The bytes of an array in base64."""
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()
