"""The figures of a simulation: where the tokens are, the energy, and the cosines of pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..diagnostics.history import evenly
from ..flows import Trajectory
from .camera import FLAT_VIEW, Axes3, View, principal_axes, shared_view
from .figures import figure_of
from .globe import draw_circle, draw_crosses, draw_globe, draw_points
from .pixels import pixels, save
from .theme import LIGHT, Theme, drawable, drawing, readable

_PANELS = 4
_TOKENS = 2000  # drawn of one measure
_PAIRS = 400  # tokens of a measure whose pairs are looked at


def draw_simulation(folder: Path, result: Trajectory, labels: Sequence[object], themes: Sequence[Theme] = (LIGHT,)) -> dict[str, list[Any]]:
    """``tokens.png``, ``energy.png`` and ``cosines.png`` in the folder, which is created.

    Args:
        folder: where to write.
        result: a trajectory whose quantities have "energy".
        labels: of its measures.
        themes: the files are drawn in the first of them.

    Returns:
        The Pillow images by name, one for each theme.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with drawing():
        names = drawable(labels)
        drawn = {
            "tokens": [pixels(tokens_figure(result, theme)) for theme in themes],
            "energy": [pixels(energy_figure(result, names, theme)) for theme in themes],
            "cosines": [pixels(cosines_figure(result, theme)) for theme in themes],
        }
    for name, images in drawn.items():
        save(folder / f"{name}.png", images[0])
    return drawn


@dataclass(frozen=True)
class Frames:
    """Saved states for a picture.

    Attributes:
        picked: indices of about evenly spread times.
        tokens: for each measure coordinates (frames, n_i, 3) of some of its tokens: principal axes of all if d > 3, a third coordinate 0
            if d < 3.
        probes: the same of its probes.
        rows: which tokens these are, for each measure.
        axes: how they were projected.
        spherical: whether tokens are on a sphere.
        circle: whether that is a circle.
        flat: whether the picture is a projection of something larger, or a plane.
        reach: the largest coordinate in R^d; 1 on the sphere.
    """

    picked: np.ndarray
    tokens: list[np.ndarray]
    probes: list[np.ndarray]
    rows: list[np.ndarray]
    axes: Axes3
    spherical: bool
    circle: bool
    flat: bool
    reach: float


def frames(result: Trajectory, most: int, tokens: int) -> Frames:
    """At most so many times, and so many tokens (and probes) of each measure."""
    picked = evenly(len(result.times), most)

    def thinned(x: Any) -> np.ndarray:
        some = evenly(x.shape[1], tokens)
        path = np.stack([x[k][some] for k in picked]).astype(float)
        return np.concatenate([path, np.zeros((*path.shape[:2], max(0, 2 - path.shape[2])))], axis=2)

    paths, passive = [thinned(x) for x in result.points], [thinned(x) for x in result.probes]
    spherical = all(bool((abs(np.linalg.norm(path, axis=-1) - 1) < 1e-3).all()) for path in paths)
    axes = principal_axes([path.reshape(-1, path.shape[2]) for path in paths])
    placed, carried = ([np.stack([axes(x) for x in path]) for path in group] for group in (paths, passive))
    reach = 1.0 if spherical else max(1e-12, *(float(abs(path).max()) for path in (*placed, *carried) if path.size))
    flat = axes.flat or axes.circle or not spherical
    rows = [evenly(x.shape[1], tokens) for x in result.points]
    return Frames(picked, placed, carried, rows, axes, spherical, spherical and axes.circle, flat, reach)


def tokens_figure(result: Trajectory, theme: Theme) -> Any:
    """The tokens at up to four of the saved times, first and last among them: on the globe, on the circle, or in the plane."""
    shown = frames(result, _PANELS, _TOKENS)
    columns = len(shown.picked)
    figure = figure_of((4.0 * columns, 4.5), theme)
    view = view_of(shown)
    for k in range(columns):
        room = 0.04 if shown.spherical else 0.11
        ax = figure.add_axes(((k + room) / columns, 0.5 * room, (0.96 - room) / columns, 0.9 - 0.5 * room))
        draw_ground(ax, shown, view, theme)
        if not shown.spherical:
            ax.tick_params(labelleft=k == 0)
        draw_frame(ax, shown, view, theme, k)
        ax.set_title(f"t = {readable(float(result.times[shown.picked[k]]))}", color=theme.ink)
    return figure


def view_of(shown: Frames) -> View:
    """One view for all frames."""
    return FLAT_VIEW if shown.flat else shared_view([[path[k] for path in shown.tokens] for k in range(len(shown.picked))])[0]


def draw_ground(ax: Any, shown: Frames, view: View, theme: Theme) -> None:
    """What tokens are drawn on: the globe, the circle, or a piece of the plane."""
    if shown.circle:
        draw_circle(ax, theme)
    elif shown.spherical:
        draw_globe(ax, view, theme)
    else:
        reach = 1.05 * shown.reach
        ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", facecolor=theme.paper)
        ax.tick_params(colors=theme.faint_ink, labelsize=8)
        ax.spines[:].set_color(theme.grid)


def draw_frame(ax: Any, shown: Frames, view: View, theme: Theme, k: int) -> None:
    """The tokens of a frame, and its probes as crosses."""
    clouds = [(i, path[k], np.full(path.shape[1], 1 / path.shape[1])) for i, path in enumerate(shown.tokens)]
    draw_crosses(ax, view, theme, [(i, path[k]) for i, path in enumerate(shown.probes) if path.shape[1]], flat=shown.flat)
    draw_points(ax, view, theme, clouds, flat=shown.flat, shared=False, scale=0.6)


def energy_figure(result: Trajectory, names: Sequence[str], theme: Theme) -> Any:
    """The energy of each measure against time."""
    figure, ax = _plot(theme, "energy")
    for i, energy in enumerate(result.quantities["energy"][:12]):
        shown = np.isfinite(energy)
        ax.plot(result.times[shown], energy[shown], color=theme.color(i), linewidth=2, label=names[i])
    for happening in result.happenings[:60]:
        if happening.kind == "clusters":
            ax.axvline(happening.time, color=theme.grid, linewidth=0.8, zorder=0)
    known = result.quantities["energy"][np.isfinite(result.quantities["energy"])]
    if known.size and known.min() > 0 and known.max() > 1e6 * known.min():  # a blow-up
        ax.set_yscale("log")
    if len(result.points) > 1:
        ax.legend(frameon=False, labelcolor=theme.ink)
    return figure


def cosines_figure(result: Trajectory, theme: Theme) -> Any:
    """The median cosine of pairs of tokens against time, with the middle half and the middle nine tenths of the pairs."""
    figure, ax = _plot(theme, "cosine of pairs")
    for i, x in enumerate(result.points[:4]):
        some = evenly(x.shape[1], _PAIRS)
        if len(some) < 2:
            continue
        upper = np.triu_indices(len(some), 1)
        levels = []
        for y in (np.asarray(state[some], float) for state in x):
            length = np.maximum(np.linalg.norm(y, axis=1, keepdims=True), 1e-300)
            levels.append(np.quantile(((y / length) @ (y / length).T)[upper], [0.05, 0.25, 0.5, 0.75, 0.95]))
        low, lower, middle, higher, high = np.array(levels).T
        ax.fill_between(result.times, low, high, color=theme.color(i), alpha=0.15, linewidth=0)
        ax.fill_between(result.times, lower, higher, color=theme.color(i), alpha=0.25, linewidth=0)
        ax.plot(result.times, middle, color=theme.color(i), linewidth=2)
    ax.set_ylim(-1.05, 1.05)
    return figure


def _plot(theme: Theme, label: str) -> tuple[Any, Any]:
    figure = figure_of((7.5, 4.2), theme)
    ax = figure.add_axes((0.13, 0.15, 0.83, 0.78))
    ax.set(facecolor=theme.paper)
    ax.set_xlabel("time", color=theme.faint_ink)
    ax.set_ylabel(label, color=theme.faint_ink)
    ax.tick_params(colors=theme.faint_ink)
    ax.grid(color=theme.grid, linewidth=0.5, alpha=0.7)
    ax.spines[:].set_visible(False)
    return figure, ax
