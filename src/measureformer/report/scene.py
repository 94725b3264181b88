"""What the pictures of a run show: clouds in three dimensions, names, and where to look at them from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..diagnostics import History
from ..measures import Empirical
from .camera import FLAT_VIEW, Axes3, View, principal_axes, shared_view
from .globe import Cloud, count_shared
from .theme import drawable


@dataclass(frozen=True)
class Scene:
    """All clouds of a run, projected to three dimensions.

    Attributes:
        names: the labels as a figure can write them, N of them.
        sources, targets, arrived: N clouds each; ``arrived`` are the sources at the end of the schedule.
        snapshots: N clouds for each phase of the history.
        images: N clouds, where the best point map takes the sources; None if there is no comparison.
        background: pale dots (m, 3), or None.
        axes: how R^d was projected.
        shared: how many points belong to several sources, of how many different points (``places``).
        segments: length of the schedule.
    """

    names: list[str]
    sources: list[Cloud]
    targets: list[Cloud]
    arrived: list[Cloud]
    snapshots: list[list[Cloud]]
    images: list[Cloud] | None
    background: np.ndarray | None
    axes: Axes3
    shared: int
    places: int
    segments: int

    def views(self, groups: Sequence[Sequence[Cloud]]) -> list[View]:
        """A view for each group of clouds (one for all if it shows them well)."""
        if self.axes.flat or self.axes.circle:
            return [FLAT_VIEW] * len(groups)
        return shared_view([[points for _, points, _ in clouds if len(points)] or [np.eye(3)] for clouds in groups])


def make_scene(
    labels: Sequence[object],
    history: History,
    sources: Sequence[Empirical],
    targets: Sequence[Empirical],
    background: np.ndarray | None = None,
    comparison: Any = None,
) -> Scene:
    """Project everything to three dimensions, by the principal axes of sources and targets where d > 3.

    Points that are not finite (a schedule that failed) are left out.
    """
    axes = principal_axes([np.asarray(mu.points, float) for mu in (*sources, *targets)])

    def clouds(arrays: Sequence[np.ndarray], like: Sequence[Empirical]) -> list[Cloud]:
        return [_cloud(i, x, mu, axes) for i, (x, mu) in enumerate(zip(arrays, like, strict=True))]

    shared, places = count_shared([np.asarray(mu.points, float) for mu in sources])
    starting = clouds([mu.points for mu in sources], sources)
    return Scene(
        names=drawable(labels, 44 if len(labels) <= 4 else 26),
        sources=starting,
        targets=clouds([nu.points for nu in targets], targets),
        arrived=clouds(history.snapshots[-1], sources),
        snapshots=[clouds(arrays, sources) for arrays in history.snapshots],
        images=None if comparison is None else clouds(comparison.images, sources),
        background=None if background is None or axes.flat or axes.circle else np.asarray(background, float),
        axes=axes,
        shared=shared,
        places=places,
        segments=int(history.segments[-1]),
    )


def _cloud(i: int, points: np.ndarray, mu: Empirical, axes: Axes3) -> Cloud:
    """Points of measure i in three dimensions, with the weights of ``mu`` (equal ones if equal atoms were merged on the way)."""
    points = np.asarray(points, float)
    weights = np.asarray(mu.weights, float) if mu.size == len(points) else np.full(len(points), 1 / max(len(points), 1))
    finite = np.isfinite(points).all(axis=1)
    return i, axes(points[finite]), weights[finite]
