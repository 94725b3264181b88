"""The figures of a simulation: where the tokens are, the energy, and the cosines of pairs."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .._files import write_whole
from ..flows import Trajectory
from .camera import FLAT_VIEW, principal_axes, shared_view
from .figures import figure_of
from .globe import draw_circle, draw_globe, draw_points
from .theme import LIGHT, Theme, drawable, drawing, readable

_PANELS = 4
_TOKENS = 2000  # drawn of one measure
_PAIRS = 400  # tokens of a measure whose pairs are looked at
_DPI = 150


def draw_simulation(folder: Path, result: Trajectory, labels: Sequence[object]) -> list[Path]:
    """``tokens.png``, ``energy.png`` and ``cosines.png`` in the folder, which is created.

    Args:
        folder: where to write.
        result: a trajectory whose quantities have "energy".
        labels: of its measures.

    Returns:
        The paths.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with drawing():
        figures = {
            "tokens": tokens_figure(result, LIGHT),
            "energy": energy_figure(result, drawable(labels), LIGHT),
            "cosines": cosines_figure(result, LIGHT),
        }
        paths = []
        for name, figure in figures.items():
            buffer = io.BytesIO()
            figure.savefig(buffer, dpi=_DPI, format="png", facecolor=figure.get_facecolor(), metadata={"Software": None})
            write_whole(folder / f"{name}.png", buffer.getvalue())
            paths.append(folder / f"{name}.png")
    return paths


def frames(result: Trajectory, most: int, tokens: int) -> tuple[np.ndarray, list[np.ndarray], bool, bool]:
    """Saved states for a picture: indices of about evenly spread times, coordinates (frames, n_i, 3) of some tokens of each measure
    (principal axes of all if d > 3; a third coordinate 0 if d < 3), whether tokens are on a sphere, and whether the picture is flat.
    """
    picked = np.unique(np.linspace(0, len(result.times) - 1, min(most, len(result.times))).round().astype(int))
    paths = []
    for x in result.points:
        some = np.unique(np.linspace(0, x.shape[1] - 1, min(tokens, x.shape[1])).round().astype(int))
        path = np.asarray(x[picked][:, some], float)
        paths.append(np.concatenate([path, np.zeros((*path.shape[:2], max(0, 2 - path.shape[2])))], axis=2))
    spherical = all(bool((abs(np.linalg.norm(path, axis=-1) - 1) < 1e-3).all()) for path in paths)
    axes = principal_axes([path.reshape(-1, path.shape[2]) for path in paths])
    placed = [np.stack([axes(x) for x in path]) for path in paths]
    return picked, placed, spherical, axes.flat or axes.circle or not spherical


def tokens_figure(result: Trajectory, theme: Theme) -> Any:
    """The tokens at up to four of the saved times, first and last among them: on the globe, on the circle, or in the plane."""
    picked, paths, spherical, flat = frames(result, _PANELS, _TOKENS)
    figure = figure_of((4.0 * len(picked), 4.5), theme)
    clouds = [[(i, path[k], np.full(len(path[k]), 1 / len(path[k]))) for i, path in enumerate(paths)] for k in range(len(picked))]
    circle = spherical and result.points[0].shape[2] == 2
    view = FLAT_VIEW if flat else shared_view([[x for _, x, _ in group] for group in clouds])[0]
    reach = max(1e-12, *(float(abs(path).max()) for path in paths)) * 1.05
    for k, group in enumerate(clouds):
        room = 0.04 if spherical else 0.11
        ax = figure.add_axes(((k + room) / len(picked), 0.5 * room, (0.96 - room) / len(picked), 0.9 - 0.5 * room))
        if circle:
            draw_circle(ax, theme)
        elif spherical:
            draw_globe(ax, view, theme)
        else:
            ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", facecolor=theme.paper)
            ax.tick_params(colors=theme.faint_ink, labelsize=8, labelleft=k == 0)
            ax.spines[:].set_color(theme.grid)
        draw_points(ax, view, theme, group, flat=flat, shared=False, scale=0.6)
        ax.set_title(f"t = {readable(float(result.times[picked[k]]))}", color=theme.ink)
    return figure


def energy_figure(result: Trajectory, names: Sequence[str], theme: Theme) -> Any:
    """The energy of each measure against time."""
    figure, ax = _plot(theme, "energy")
    for i, energy in enumerate(result.quantities["energy"][:12]):
        shown = np.isfinite(energy)
        ax.plot(result.times[shown], energy[shown], color=theme.color(i), linewidth=2, label=names[i])
    for happening in result.happenings[:60]:
        if happening.kind == "clusters":
            ax.axvline(happening.time, color=theme.grid, linewidth=0.8, zorder=0)
    if len(result.points) > 1:
        ax.legend(frameon=False, labelcolor=theme.ink)
    return figure


def cosines_figure(result: Trajectory, theme: Theme) -> Any:
    """The median cosine of pairs of tokens against time, with the middle half and the middle nine tenths of the pairs."""
    figure, ax = _plot(theme, "cosine of pairs")
    for i, x in enumerate(result.points[:4]):
        some = np.unique(np.linspace(0, x.shape[1] - 1, min(_PAIRS, x.shape[1])).round().astype(int))
        if len(some) < 2:
            continue
        upper = np.triu_indices(len(some), 1)
        levels = []
        for y in np.asarray(x[:, some], float):
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
