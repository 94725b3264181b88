"""The globes of a report: before and after, phase by phase, and without attention. Each function returns a matplotlib Figure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .camera import View
from .globe import Cloud, draw_arcs, draw_circle, draw_globe, draw_points, draw_rings
from .lens import draw_lens
from .scene import Scene
from .theme import Theme, marker, readable

MOST_PANELS = 12


def before_after(scene: Scene, theme: Theme) -> Any:
    """Two globes: the sources, points of several sources as pies; and where they arrived, in the rings of the targets."""
    figure, (left, right), bottom = _two_globes(scene, theme)
    before, after = scene.views([scene.sources, [*scene.arrived, *scene.targets]])
    _globe(left, scene, before, theme)
    draw_points(left, before, theme, scene.sources, flat=scene.axes.flat)
    if not (scene.axes.flat or scene.axes.circle):
        draw_lens(left, before, theme, scene.sources, scene.background)
    _globe(right, scene, after, theme)
    _journeys(right, scene, after, theme, scene.arrived)
    draw_rings(right, after, theme, scene.targets, flat=scene.axes.flat)
    draw_points(right, after, theme, scene.arrived, flat=scene.axes.flat, shared=False)
    count, colors = len(scene.sources), "two" if len(scene.sources) == 2 else "several"
    said = (
        f"{scene.shared:,} of {scene.places:,} places belong to several clouds ({colors} colours)"
        if scene.shared
        else _count(count, "cloud")
    )
    _caption(left, theme, "Before", said)
    _caption(right, theme, "After one Transformer", "rings: targets, dots: arrived points")
    _legend(figure, scene, theme, bottom)
    return figure


def phases(scene: Scene, names: Sequence[str], segments: Sequence[int], theme: Theme) -> Any:
    """Small globes, one for the end of each phase (about evenly chosen ones if there are more than twelve)."""
    shown = shown_phases(names)
    columns = len(shown) if len(shown) <= 4 else 3 if len(shown) <= 6 else 4
    rows = -(-len(shown) // columns)
    width = 12.0 if columns > 2 else 5.0 * columns
    cell = width / columns
    height, legend = rows * (cell + 0.72), _legend_height(scene)
    figure = figure_of((width, height + legend), theme)
    views = scene.views([scene.snapshots[k] for k in shown])
    for place, (k, view) in enumerate(zip(shown, views, strict=True)):
        row, column = divmod(place, columns)
        bottom = legend + (rows - 1 - row) * (cell + 0.72) + 0.06
        ax = _axes(figure, (column * cell + 0.06, bottom, cell - 0.12, cell - 0.12))
        _globe(ax, scene, view, theme)
        if k == len(names) - 1:
            draw_rings(ax, view, theme, scene.targets, flat=scene.axes.flat)
        draw_points(ax, view, theme, scene.snapshots[k], flat=scene.axes.flat)
        ran = int(segments[k]) - int(segments[shown[place - 1]]) if place else 0
        _caption(ax, theme, str(names[k]), f"{_count(ran, 'segment')}, {int(segments[k]):,} so far" if place else "the sources", small=True)
    _legend(figure, scene, theme, legend)
    return figure


def shown_phases(names: Sequence[str]) -> np.ndarray:
    """Which phases ``phases`` draws: all, or twelve of them with the first and the last."""
    return np.unique(np.linspace(0, len(names) - 1, min(len(names), MOST_PANELS)).round().astype(int))


def no_attention(scene: Scene, without: Sequence[float], reached: Sequence[float], theme: Theme) -> Any:
    """Where the best map of points takes the sources, in the rings of the targets; and W_2 of each pair, without and with attention."""
    images = scene.images or []
    legend = _legend_height(scene)
    figure = figure_of((12.0, 6.3 + legend), theme)
    globe = _axes(figure, (0.1, legend + 0.06, 5.2, 5.2))
    (view,) = scene.views([[*images, *scene.targets]])
    _globe(globe, scene, view, theme)
    _journeys(globe, scene, view, theme, images)
    draw_rings(globe, view, theme, scene.targets, flat=scene.axes.flat)
    draw_points(globe, view, theme, images, flat=scene.axes.flat)
    _caption(globe, theme, "Without attention", "the best map of points: each place goes to one place")
    _bars(_axes(figure, (6.35, legend + 0.75, 5.2, 3.9)), scene, without, reached, theme)
    _legend(figure, scene, theme, legend)
    return figure


def _bars(ax: Any, scene: Scene, without: Sequence[float], reached: Sequence[float], theme: Theme) -> None:
    y, most = range(len(scene.names)), max([1e-300, *(value for value in (*without, *reached) if np.isfinite(value))])
    for i in y:
        for value, shift, filled in ((without[i], -0.2, False), (reached[i], 0.2, True)):
            color = theme.color(i)
            size = value if np.isfinite(value) else 0.0
            look = {"facecolor": color} if filled else {"facecolor": theme.paper, "hatch": "////"}
            ax.barh(i + shift, size, 0.34, edgecolor=color, linewidth=1, **look)
            said = f"{'with' if filled else 'without'} attention: {readable(value, 2)}" if np.isfinite(value) else "not finite"
            ax.text(size + 0.015 * most, i + shift, said, va="center", color=theme.ink, fontsize=11.5 if len(y) < 7 else 9.5)
    ax.set_yticks(y, ["" for _ in y])
    ax.set(xlim=(0, 1.5 * most), ylim=(len(y) - 0.45, -0.55), facecolor=theme.paper)
    for i, name in enumerate(scene.names if len(y) < 7 else []):
        ax.text(0, i - 0.43, name, va="bottom", fontsize=12, color=theme.ink)
    for i in y if len(y) >= 7 else []:
        ax.plot(-0.02 * most, i, marker=marker(i), color=theme.color(i), clip_on=False, markersize=6)
    ax.set_xlabel("W\u2082 to the target, radians", color=theme.faint_ink)
    ax.tick_params(colors=theme.faint_ink, length=0)
    ax.spines[["top", "right", "bottom"]].set_visible(False)
    ax.spines["left"].set_color(theme.grid)
    ax.set_title("Distance left, without and with attention", loc="left", color=theme.ink, fontsize=14, fontweight="bold", pad=22)


def _journeys(ax: Any, scene: Scene, view: View, theme: Theme, ends: Sequence[Cloud]) -> None:
    """Arcs from the sources to ``ends``, where the rows of both correspond (no atoms merged) and lie on the sphere."""
    for (i, start, _), (_, end, _) in zip(scene.snapshots[0], ends, strict=True):
        if start.shape == end.shape and len(start) and not scene.axes.flat:
            draw_arcs(ax, view, theme, i, start, end, chords=scene.axes.circle)


def _globe(ax: Any, scene: Scene, view: View, theme: Theme) -> None:
    if scene.axes.circle:
        draw_circle(ax, theme)
    else:
        draw_globe(ax, view, theme, scene.background, graticule=not scene.axes.flat)


def figure_of(size: tuple[float, float], theme: Theme) -> Any:
    """An empty figure of so many inches, apart from pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, facecolor=theme.paper)
    FigureCanvasAgg(figure)
    return figure


def _axes(figure: Any, box: tuple[float, float, float, float]) -> Any:
    """Axes at (left, bottom, width, height) in inches."""
    width, height = figure.get_size_inches()
    return figure.add_axes((box[0] / width, box[1] / height, box[2] / width, box[3] / height))


def _two_globes(scene: Scene, theme: Theme) -> tuple[Any, tuple[Any, Any], float]:
    legend = _legend_height(scene)
    figure = figure_of((12.0, 6.7 + legend), theme)
    return figure, (_axes(figure, (0.1, legend + 0.05, 5.75, 5.75)), _axes(figure, (6.15, legend + 0.05, 5.75, 5.75))), legend


def _caption(ax: Any, theme: Theme, title: str, text: str, *, small: bool = False) -> None:
    size = 13 if small else 17
    gap = 17 if small else 23
    place = {"xy": (0.5, 1.0), "xycoords": "axes fraction", "textcoords": "offset points", "ha": "center", "va": "bottom"}
    ax.annotate(title, xytext=(0, 4 + gap), fontsize=size, fontweight="bold", color=theme.ink, **place)
    ax.annotate(text, xytext=(0, 5), fontsize=10.5 if small else 12.5, color=theme.faint_ink, **place)


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}"


def _legend_rows(scene: Scene) -> tuple[int, int]:
    columns = max(1, min(3, 92 // (max(map(len, scene.names)) + 8), len(scene.names)))
    return -(-len(scene.names) // columns), columns


def _legend_height(scene: Scene) -> float:
    return 0.25 + 0.29 * _legend_rows(scene)[0]


def _legend(figure: Any, scene: Scene, theme: Theme, height: float) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], linestyle="none", marker=marker(i), color=theme.color(i), markersize=8.5, label=f"{name}  ({len(cloud[1]):,})")
        for i, (name, cloud) in enumerate(zip(scene.names, scene.sources, strict=True))
    ]
    figure.legend(
        handles=handles, loc="lower center", ncols=_legend_rows(scene)[1], frameon=False, labelcolor=theme.ink, fontsize=12.5,
        bbox_to_anchor=(0.5, 0.08 / figure.get_size_inches()[1]), handletextpad=0.2, columnspacing=2.5, borderaxespad=0,
    )  # fmt: skip
