"""W_2 to the target along the schedule."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..diagnostics import History
from .figures import figure_of
from .theme import Theme, marker, raised, readable

_LEAST = 1e-17  # radians; nothing below it is drawn
_NARROWEST = 0.11  # share of the axis that a phase gets, however few its segments


def distance_curve(history: History, names: Sequence[str], eps: float, theme: Theme) -> Any:
    """A curve for each measure over bands for the phases, logarithmic, with the tolerance.

    Phases of few segments are drawn wider than they are (ticks say the number of segments), so that a boost of one segment can be seen.
    """
    curve = np.asarray(history.curve, float)
    positive = curve[np.isfinite(curve) & (curve > 0)]
    low = 10.0 ** (np.floor(np.log10(max(min([*positive, eps]), _LEAST))) - 1)
    high = 10.0 ** np.ceil(np.log10(max([*positive, eps, 10 * low])) + 0.15)
    ends, place = np.asarray(history.segments, float), widened(np.asarray(history.segments, float))

    rows = -(-len(names) // 3)
    figure = figure_of((12.0, 4.7 + 0.26 * rows), theme)
    ax = figure.add_axes((0.075, 0.14 + 0.06 * rows, 0.905, 0.77 - 0.06 * rows))
    ax.set(yscale="log", ylim=(low, high), xlim=(0, 1), facecolor=theme.paper)
    for k in range(1, len(place)):
        if k % 2:
            ax.axvspan(place[k - 1], place[k], color=theme.band, linewidth=0, zorder=0)
        if len(place) <= 12:
            middle = (place[k - 1] + place[k]) / 2
            ax.text(middle, 1.02, history.phases[k], transform=ax.get_xaxis_transform(), ha="center", color=theme.ink)
    ax.axhline(eps, color=theme.ink, linestyle=(0, (5, 3)), linewidth=1)
    ax.text(0.008, 1.25 * eps, f"tolerance \u03b5 = {readable(eps)}", va="bottom", color=theme.ink, transform=ax.get_yaxis_transform())
    x = np.interp(history.curve_segments, ends, place)
    marked = np.flatnonzero(np.isin(history.curve_segments, history.segments))
    for i, name in enumerate(names):
        y = np.where(np.isfinite(curve[:, i]), np.maximum(curve[:, i], low), np.nan)
        style = {"marker": marker(i), "markevery": marked.tolist(), "markersize": 7, "markeredgecolor": theme.paper, "clip_on": False}
        ax.plot(x, y, color=theme.color(i), linewidth=2, label=name, zorder=3 + i / 100, **style)
    _ticks(ax, theme, low, high, zero=bool((curve == 0).any()))
    labelled = place if len(place) <= 12 else place[[0, -1]]
    ax.set_xticks(labelled, [f"{int(n):,}" for n in (ends if len(place) <= 12 else ends[[0, -1]])])
    ax.set_xlabel("segments that have run (short phases are drawn wider)", color=theme.faint_ink)
    ax.set_ylabel("W\u2082 to the target, radians", color=theme.faint_ink)
    place_below = {"loc": "lower center", "bbox_to_anchor": (0.5, 0.005), "ncols": min(3, len(names))}
    figure.legend(frameon=False, labelcolor=theme.ink, fontsize=12, **place_below)
    return figure


def widened(ends: np.ndarray) -> np.ndarray:
    """Places in [0, 1] of the ends of phases: in proportion to segments, but no phase narrower than a least share."""
    lengths = np.maximum(np.diff(ends), 0)
    if not len(lengths) or lengths.sum() == 0:
        return np.linspace(0, 1, len(ends))
    least = min(_NARROWEST, 0.8 / len(lengths))
    share = np.maximum(lengths / lengths.sum(), least)
    extra = share - least
    scale = (1 - least * len(share)) / extra.sum() if extra.sum() > 0 else 0.0
    share = least + scale * extra if scale else np.full(len(share), 1 / len(share))
    return np.concatenate([[0.0], np.cumsum(share) / share.sum()])


def _ticks(ax: Any, theme: Theme, low: float, high: float, *, zero: bool) -> None:
    """Powers of ten written out (the figures parse no mathematics); the lowest one says 0 if a curve got there."""
    from matplotlib.ticker import NullLocator

    exponents = np.arange(round(np.log10(low)), round(np.log10(high)) + 1)
    step = max(1, -(-len(exponents) // 9))
    exponents = exponents[::step]
    labels = ["10" + raised(int(e)) for e in exponents]
    if zero:
        labels[0] = "0"
    ax.set_yticks(10.0**exponents, labels)
    ax.yaxis.set_minor_locator(NullLocator())
    ax.grid(axis="y", color=theme.grid, linewidth=0.5, alpha=0.7)
    ax.tick_params(colors=theme.faint_ink, length=0)
    ax.tick_params(axis="x", pad=7)
    ax.spines[:].set_visible(False)
