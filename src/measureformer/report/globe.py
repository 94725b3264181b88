"""The sphere drawn as a sphere, and clouds on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .camera import View
from .theme import Theme, marker

Cloud = tuple[int, np.ndarray, np.ndarray]  # (which measure, points (n, 3), weights (n,))
_STROKES = 240  # arcs that are drawn for one measure


def draw_globe(ax: Any, view: View, theme: Theme, background: np.ndarray | None = None, *, graticule: bool = True) -> None:
    """A shaded disc, a graticule every 30 degrees on the front side, and pale dots; ``ax`` then shows [-1, 1]^2 and a rim."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.patches import Circle

    ax.set(xlim=(-1.03, 1.03), ylim=(-1.03, 1.03), aspect="equal")
    ax.axis("off")
    grid = np.linspace(-1, 1, 400)
    x, y = np.meshgrid(grid, grid)
    depth = np.sqrt(np.maximum(0, 1 - x**2 - y**2))
    shade = np.clip(-0.35 * x + 0.45 * y + 0.82 * depth, 0, 1)  # light from above, left and behind the reader
    colors = LinearSegmentedColormap.from_list("globe", [theme.globe_dark, theme.globe_light])
    disc = Circle((0, 0), 1, transform=ax.transData)
    ax.imshow(shade, extent=(-1, 1, -1, 1), origin="lower", cmap=colors, vmin=0, vmax=1, interpolation="bilinear", zorder=0, clip_path=disc)
    ax.add_patch(Circle((0, 0), 1, fill=False, edgecolor=theme.grid, linewidth=1.1, zorder=2))
    lines = [piece for line in (_graticule() if graticule else []) for piece in _front(view, line)]
    ax.add_collection(LineCollection(lines, colors=theme.grid, linewidths=0.5, alpha=0.8, zorder=1))
    if background is not None and len(background):
        x, y, z = view.project(np.asarray(background, float))
        ax.scatter(x[z > 0], y[z > 0], s=1.6 * ax_scale(ax), c=theme.land, alpha=0.75, linewidths=0, zorder=1.5)


def draw_circle(ax: Any, theme: Theme) -> None:
    """The circle that is the sphere for d = 2, with a little room for markers on it."""
    from matplotlib.patches import Circle

    ax.set(xlim=(-1.1, 1.1), ylim=(-1.1, 1.1), aspect="equal")
    ax.axis("off")
    ax.add_patch(Circle((0, 0), 1, facecolor=theme.globe_light, edgecolor=theme.grid, linewidth=1.1, zorder=0))


def ax_scale(ax: Any) -> float:
    """Area of a marker relative to that on a globe of 4 inches."""
    box = ax.get_position()
    width, height = ax.figure.get_size_inches()
    return (min(box.width * width, box.height * height) / 4) ** 2


def draw_points(
    ax: Any, view: View, theme: Theme, clouds: Sequence[Cloud], *, flat: bool = False, shared: bool = True, scale: float = 1.0
) -> None:
    """Filled markers, front side bold, back side faint; a point of several measures is a pie of their colours.

    Args:
        clouds: which measure, points, weights. The area of a marker grows with the weight of the atom.
        flat: points are inside the ball, so that the back side is nearly as visible as the front.
        shared: look for points that several clouds have in common.
        scale: factor on the area of markers.
    """
    owners = _owners([points for _, points, _ in clouds]) if shared else {}
    common = {row: tuple(clouds[k][0] for k in who) for row, who in owners.items() if len(who) > 1}
    for i, points, weights in clouds:
        own = np.array([row not in common for row in _rows(points)], bool)
        _scatter(ax, view, points[own], scale * _area(ax, weights)[own], flat, color=theme.color(i), marker=marker(i), edge=theme.paper)
    sizes: dict[bytes, float] = {}
    for _, points, weights in clouds:
        sizes.update(zip(_rows(points), scale * _area(ax, weights), strict=True))
    for members in sorted(set(common.values())):
        rows = [row for row, who in common.items() if who == members]
        points, area = np.array([np.frombuffer(row) for row in rows]), np.array([sizes[row] for row in rows])
        _pies(ax, view, theme, points, 1.45 * area, members, flat)


def draw_rings(ax: Any, view: View, theme: Theme, clouds: Sequence[Cloud], *, flat: bool = False) -> None:
    """Hollow rings (the marker of the measure, larger), for where points ought to arrive."""
    for i, points, weights in clouds:
        area = 3.4 * _area(ax, weights)
        _scatter(ax, view, points, area, flat, color="none", marker=marker(i), edge=theme.color(i), linewidth=0.9, alpha=0.75)


def draw_crosses(ax: Any, view: View, theme: Theme, probes: Sequence[tuple[int, np.ndarray]], *, flat: bool = False) -> None:
    """Thin crosses in the colour of the measure, for probes: points that it carries along and that have no weight."""
    for i, points in probes:
        x, y, z = view.project(points)
        area = 0.6 * _area(ax, np.full(len(points), 1 / len(points))).max()
        for side, strength in ((z < 0, 0.75 if flat else 0.25), (z >= 0, 1.0)):
            ax.scatter(x[side], y[side], s=area, c=theme.color(i), marker="x", linewidths=0.8, alpha=0.7 * strength, zorder=3.5)


def draw_arcs(ax: Any, view: View, theme: Theme, measure: int, start: np.ndarray, end: np.ndarray, *, chords: bool = False) -> None:
    """Pale great circles from start to end (both (n, 3), on the sphere), as many as do not blur into one; or chords in their place."""
    from matplotlib.collections import LineCollection

    step = -(-len(start) // _STROKES)
    lines = []
    for x, y in zip(start[::step], end[::step], strict=True):
        t = np.linspace(0, 1, 40)[:, None]
        lines += _front(view, (1 - t) * x + t * y if chords else _slerp(x, y, t))
    alpha = float(np.clip(12 / max(len(lines), 1), 0.10, 0.5))
    ax.add_collection(LineCollection(lines, colors=theme.color(measure), linewidths=0.9, alpha=alpha, zorder=3))


def _slerp(x: np.ndarray, y: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Points of the shorter great circle from x to y at the fractions t (m, 1); opposite points are joined over any side."""
    side = y - (x @ y) * x
    if np.linalg.norm(side) < 1e-9:
        side = np.cross(x, np.eye(3)[np.abs(x).argmin()])
    angle = np.arctan2(np.linalg.norm(np.cross(x, y)), x @ y)
    return np.cos(t * angle) * x + np.sin(t * angle) * side / np.linalg.norm(side)


def _graticule() -> list[np.ndarray]:
    t = np.linspace(-np.pi, np.pi, 181)
    circles = []
    for latitude in np.radians(range(-60, 90, 30)):
        circles.append(np.stack([np.cos(latitude) * np.cos(t), np.cos(latitude) * np.sin(t), np.full_like(t, np.sin(latitude))], axis=1))
    for longitude in np.radians(range(0, 180, 30)):
        circles.append(np.stack([np.cos(t) * np.cos(longitude), np.cos(t) * np.sin(longitude), np.sin(t)], axis=1))
    return circles


def _front(view: View, line: np.ndarray) -> list[np.ndarray]:
    """The pieces of a line (m, 3) on the front side, on paper."""
    x, y, z = view.project(line)
    paper = np.stack([x, y], axis=1)
    cuts = np.flatnonzero(np.diff((z >= 0).astype(int))) + 1
    return [piece for piece, height in zip(np.split(paper, cuts), np.split(z, cuts), strict=True) if height[0] >= 0 and len(piece) > 1]


def _rows(points: np.ndarray) -> list[bytes]:
    """One key for each point, equal for equal points (0.0 and -0.0 are equal)."""
    return [row.tobytes() for row in np.ascontiguousarray(points, float) + 0.0]


def _owners(clouds: Sequence[np.ndarray]) -> dict[bytes, tuple[int, ...]]:
    """Which of the clouds have a point, for each different point, bit for bit."""
    owners: dict[bytes, set[int]] = {}
    for k, points in enumerate(clouds):
        for row in _rows(points):
            owners.setdefault(row, set()).add(k)
    return {row: tuple(sorted(who)) for row, who in owners.items()}


def count_shared(clouds: Sequence[np.ndarray]) -> tuple[int, int]:
    """How many points belong to more than one of the clouds (n_i, d), and how many different points there are."""
    owners = _owners(clouds)
    return sum(len(who) > 1 for who in owners.values()), len(owners)


def _area(ax: Any, weights: np.ndarray) -> np.ndarray:
    """Marker areas in points^2: smaller for more points, larger for heavier atoms."""
    base = np.clip(28 * (60 / max(len(weights), 1)) ** 0.45, 3.0, 70) * ax_scale(ax)
    return base * np.clip(weights * len(weights), 0.3, 5.0)


def _scatter(
    ax: Any, view: View, points: np.ndarray, area: np.ndarray, flat: bool, *, color: Any, marker: Any, edge: Any, **style: Any
) -> None:
    if not len(points):
        return
    alpha, linewidth = style.get("alpha", 0.95), style.get("linewidth", 0.35 if area.max() > 8 else 0.0)
    x, y, z = view.project(points)
    for side, strength, zorder in ((z < 0, 0.75 if flat else 0.16, 2.5), (z >= 0, 1.0, 4)):
        if side.any():
            ax.scatter(
                x[side], y[side], s=area[side], c=color, marker=marker, edgecolors=edge,
                linewidths=linewidth, alpha=alpha * strength, zorder=zorder + style.get("above", 0),
            )  # fmt: skip


def _pies(ax: Any, view: View, theme: Theme, points: np.ndarray, area: np.ndarray, members: tuple[int, ...], flat: bool) -> None:
    """Round markers cut into one slice for each measure, the first one on the left. One collection, so that whole pies cover each other."""
    from matplotlib.collections import PathCollection
    from matplotlib.path import Path
    from matplotlib.transforms import Affine2D, IdentityTransform

    half = Affine2D().scale(0.5)  # matplotlib's round marker has diameter 1
    turn, k = 360 / len(members), len(members) + 1
    slices = [half.transform_path(Path.wedge(90 + j * turn, 90 + (j + 1) * turn)) for j in range(len(members))]
    x, y, z = view.project(points)
    for side, strength, zorder in ((z < 0, 0.75 if flat else 0.16, 3.0), (z >= 0, 1.0, 4.5)):
        if not side.any():
            continue
        pies = PathCollection(
            [*slices, half.transform_path(Path.unit_circle())],
            sizes=np.repeat(area[side], k),
            facecolors=[*(theme.color(i) for i in members), "none"],
            edgecolors=[*("none" for _ in members), theme.paper],
            linewidths=[*(0.0 for _ in members), 0.45],
            offsets=np.repeat(np.stack([x[side], y[side]], axis=1), k, axis=0),
            offset_transform=ax.transData,
            alpha=strength,
            zorder=zorder,
        )
        pies.set_transform(IdentityTransform())
        ax.add_collection(pies)
