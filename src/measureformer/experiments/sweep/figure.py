"""The phase diagram of a sweep over beta: a share against time, with theory laid over."""

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ..literature.page import Image, Panel, Picture, Series
from .jobs import Kind, find, replaced
from .means import student
from .plan import Axis
from .store import Store

_MOST = 9  # panels
_HORIZON = "flow.horizon"


def phase_diagram(store: Store) -> Picture | None:
    """A panel for each point of the axes beside beta and time; means over seeds and samples. None if there are no such axes.

    Time is the axis of that name that the jobs save, or the axis flow.horizon of the grid.
    """
    plan, kind = store.plan, find(store.plan.kind)
    betas = [k for k, axis in enumerate(plan.axes) if axis.key.split(".")[-1] == "beta" and axis.numeric and len(axis.values) > 1]
    if len(betas) != 1 or kind.picture is None:
        return None
    name, label = kind.picture
    horizons = [k for k, axis in enumerate(plan.axes) if axis.key == _HORIZON and len(axis.values) > 1]
    if horizons:
        name = f"{name}_final"
    elif name not in store.layout.variables or "time" not in store.layout.variables[name].axes:
        return None
    if name not in store.layout.variables:
        return None
    values = _whole(store, name)
    repeats = tuple(k for k, axis in enumerate(plan.axes) if axis.repeats)
    mean = np.expand_dims(student(values, repeats, plan.confidence).mean, repeats)
    beta, time = betas[0], horizons[0] if horizons else len(plan.axes)
    others = [k for k, axis in enumerate(plan.axes) if k not in (beta, time) and not axis.repeats]
    times = np.array(plan.axes[time].values if horizons else store.layout.coordinates["time"], float)
    panels = []
    for place in list(product(*(range(len(plan.axes[k].values)) for k in others)))[:_MOST]:
        at: list[Any] = [0] * values.ndim
        for k, i in zip(others, place, strict=True):
            at[k] = i
        at[beta], at[time] = slice(None), slice(None)
        z = mean[tuple(at)]
        z = z if beta < time else z.T
        chosen = [(plan.axes[k], i) for k, i in zip(others, place, strict=True)]
        panels.append(_panel(plan.axes[beta], times, z, label, chosen, store, kind))
    cut = "" if len(panels) < _MOST else f" The first {_MOST} panels."
    caption = f"{label[0].upper()}{label[1:]}, against time and beta; means over seeds.{cut}"
    return Picture("phase-diagram", caption, panels)


def _whole(store: Store, name: str) -> np.ndarray:
    return np.asarray(store.arrays[name][...], float)


def _panel(beta: Axis, times: np.ndarray, z: np.ndarray, label: str, chosen: list[tuple[Axis, int]], store: Store, kind: Kind) -> Panel:
    betas = np.array(beta.values, float)
    grid = np.linspace(betas[0], betas[-1], max(len(betas), 90))
    even = np.linspace(times[0], times[-1], max(len(times), 60))
    known = np.stack([np.interp(grid, betas, column) for column in z.T])  # at each time
    image = np.stack([np.interp(even, times, row) for row in known.T])
    return Panel(
        ", ".join(f"{axis.key} = {axis.labels[i]}" for axis, i in chosen) or label,
        list(_fronts(times, beta, chosen, store, kind)),
        Image(even, grid, image, label),
        xlabel="time",
        ylabel="β",
        xlim=(float(times[0]), float(times[-1])),
        ylim=(float(betas[0]), float(betas[-1])),
    )


def _fronts(times: np.ndarray, beta: Axis, chosen: list[tuple[Axis, int]], store: Store, kind: Kind) -> Iterator[Series]:
    if kind.front is None:
        return
    tables = replaced(store.plan.tables(0), beta.key, beta.values[0])
    for axis, i in chosen:
        tables = replaced(tables, axis.key, axis.values[i])
    positive = times[times > 0]
    for look, (name, curve) in zip(("line", "dashed", "dotted"), kind.front(tables, positive).items(), strict=False):
        inside = np.isfinite(curve) & (curve >= beta.values[0]) & (curve <= beta.values[-1])
        if inside.any():
            yield Series(positive[inside], curve[inside], name, look, 1)
