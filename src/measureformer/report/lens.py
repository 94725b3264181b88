"""A magnifying glass over a cloud that is small on its globe."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .camera import View
from .globe import Cloud, draw_points
from .theme import Theme

_OFF = 0.39  # distance from the middle of the glass to that of the globe, which has radius 1
_LARGEST = 0.6  # radius of the glass
_LEAST_ZOOM = 1.45
_FEWEST = 30  # points that are worth a closer look


def draw_lens(ax: Any, view: View, theme: Theme, clouds: Sequence[Cloud], background: np.ndarray | None = None) -> bool:
    """Enlarge the visible part of the clouds in an empty part of the globe; nothing happens if there is no room or no need.

    Returns:
        Whether a lens was drawn.
    """
    from matplotlib.patches import Circle

    everything = np.concatenate([points for _, points, _ in clouds])
    x, y, z = view.project(everything)
    if len(x) < _FEWEST or z.min() < 0:
        return False
    seen = np.stack([x, y], axis=1)
    center = seen.mean(axis=0)
    for k in range(1, 200):  # towards the farthest point in shorter and shorter steps: the smallest circle round all
        center = center + (seen[np.linalg.norm(seen - center, axis=1).argmax()] - center) / (k + 1)
    radius = 1.07 * float(np.linalg.norm(seen - center, axis=1).max())
    away = float(np.linalg.norm(center))
    place = -_OFF * center / max(away, 1e-9)
    size = min(_LARGEST, away + _OFF - radius - 0.04)
    if not 0.02 < radius < size / _LEAST_ZOOM:
        return False

    box = ax.get_position()
    scale = np.array([box.width, box.height]) / 2.06  # the globe's axes show [-1.03, 1.03]^2
    corner = np.array([box.x0, box.y0]) + (place - size + 1.03) * scale
    glass = ax.figure.add_axes((*corner, *(2 * size * scale)), zorder=5)
    glass.set(xlim=center[0] + np.array([-radius, radius]), ylim=center[1] + np.array([-radius, radius]), aspect="equal")
    glass.axis("off")
    middle = float(center[0]), float(center[1])
    glass.add_patch(Circle(middle, radius, facecolor=theme.paper, edgecolor="none", zorder=0))
    if background is not None:
        bx, by, bz = view.project(background)
        glass.scatter(bx[bz > 0], by[bz > 0], s=4, c=theme.land, alpha=0.6, linewidths=0, zorder=1)
    draw_points(glass, view, theme, clouds, scale=3.6)
    for artist in glass.collections:
        artist.set_clip_path(Circle(middle, radius, transform=glass.transData))
    glass.add_patch(Circle(middle, radius * 0.995, fill=False, edgecolor=theme.faint_ink, linewidth=1.1, zorder=9))
    _strings(ax, theme, center, radius, place, size)
    return True


def _strings(ax: Any, theme: Theme, center: np.ndarray, radius: float, place: np.ndarray, size: float) -> None:
    """The small circle on the globe, and the two outer tangents from it to the glass."""
    from matplotlib.patches import Circle

    ax.add_patch(Circle((center[0], center[1]), radius, fill=False, edgecolor=theme.faint_ink, linewidth=0.9, zorder=6))
    across = place - center
    distance = float(np.linalg.norm(across))
    along = across / distance
    side = np.array([-along[1], along[0]])
    slope = (radius - size) / distance  # cosine of the angle between the axis and the normal of a tangent
    for sign in (-1, 1):
        normal = slope * along + sign * np.sqrt(1 - slope**2) * side
        ends = np.stack([center + radius * normal, place + size * normal])
        ax.plot(*ends.T, color=theme.faint_ink, linewidth=0.7, zorder=6)
