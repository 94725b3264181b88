"""The animation of a simulation as a film: GIF, or MP4 where ffmpeg is installed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..flows import Trajectory
from .dynamics import Frames, draw_frame, draw_ground, frames, view_of
from .figures import figure_of
from .theme import LIGHT, drawable, drawing, marker, readable

_FRAMES, _TOKENS, _PER_SECOND, _DPI = 120, 600, 12, 100


def check_film(kind: str) -> None:
    """Whether a film can be written here.

    Args:
        kind: "gif" or "mp4".

    Raises:
        InputError: it is an MP4 and there is no ffmpeg.
    """
    from matplotlib.animation import FFMpegWriter

    if kind == "mp4" and not FFMpegWriter.isAvailable():
        raise InputError("animation = 'mp4' needs the program ffmpeg, which is not on the PATH; install it, or take 'gif' or 'html'")


def write_film(path: Path, result: Trajectory, labels: Sequence[object]) -> Path:
    """Write the film.

    Args:
        path: the file, ``.gif`` or ``.mp4``.
        result: a trajectory; of many saved times or tokens it shows some, evenly spread.
        labels: of its measures.

    Returns:
        The path.

    Raises:
        InputError: as in ``check_film``; or ffmpeg did not do its work.
    """
    from subprocess import CalledProcessError

    from matplotlib.animation import FFMpegWriter, PillowWriter

    kind = path.suffix[1:]
    check_film(kind)
    shown = frames(result, _FRAMES, max(1, _TOKENS // len(result.points)))
    part = path.with_name(f".{path.stem}.part{path.suffix}")
    writer = PillowWriter(fps=_PER_SECOND) if kind == "gif" else FFMpegWriter(fps=_PER_SECOND, extra_args=["-pix_fmt", "yuv420p"])
    try:
        with drawing():
            figure, ax = _stage(shown, drawable(labels))
            view = view_of(shown)
            draw_ground(ax, shown, view, LIGHT)
            with writer.saving(figure, part, _DPI):
                for k in range(len(shown.picked)):
                    resting = set(ax.get_children())
                    draw_frame(ax, shown, view, LIGHT, k)
                    ax.set_title(f"t = {readable(float(result.times[shown.picked[k]]))}", color=LIGHT.ink)
                    writer.grab_frame(facecolor=LIGHT.paper)
                    for artist in set(ax.get_children()) - resting:
                        artist.remove()
        os.replace(part, path)
    except CalledProcessError as error:
        raise InputError(f"{path}: ffmpeg gave up ({error}); take animation = 'gif' or 'html'") from None
    finally:
        part.unlink(missing_ok=True)
    return path


def _stage(shown: Frames, names: Sequence[str]) -> tuple[Any, Any]:
    """A square figure, with names below if there are several measures."""
    from matplotlib.lines import Line2D

    room = 0.04 if shown.spherical else 0.1
    figure = figure_of((4.8, 4.8), LIGHT)
    ax = figure.add_axes((room, 0.08 if shown.spherical else 0.13, 0.96 - room, 0.84 if shown.spherical else 0.79))
    entries = [(name, marker(i), LIGHT.color(i)) for i, name in enumerate(names[:6]) if len(names) > 1]
    if any(path.shape[1] for path in shown.probes):
        entries.append(("probes, without weight", "x", LIGHT.color(0)))
    if entries:
        handles = [Line2D([], [], linestyle="none", marker=shape, color=color, label=name) for name, shape, color in entries]
        figure.legend(handles=handles, loc="lower center", ncols=3, frameon=False, labelcolor=LIGHT.ink, fontsize=9)
    return figure, ax
