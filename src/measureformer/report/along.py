"""Measures on their way through a schedule, as a page shows them in motion."""

from collections.abc import Sequence

import numpy as np

from ..diagnostics import History, interaction_energy
from ..diagnostics.history import evenly
from ..measures import Empirical
from .camera import Axes3
from .curve import widened
from .motion import Curve, Motion
from .parts import text
from .scene import Scene

BETA = 4.0  # of the energy that is shown where no field has one of its own
_ATOMS = 500  # whose pairs count for it
_NAMED = 12  # phases that the axis names


def along_schedule(scene: Scene, history: History, sources: Sequence[Empirical], eps: float) -> Motion:
    """The atoms of ``history.path`` with W_2 to the targets and an energy beside them.

    Args:
        scene: how R^d is projected, names, targets.
        history: with a path.
        sources: the measures at the start.
        eps: the tolerance, radians.
    """
    weights = [np.asarray(mu.weights, float)[rows] for mu, rows in zip(sources, history.rows, strict=True)]
    ends, place = np.asarray(history.segments, float), widened(np.asarray(history.segments, float))
    last, runs = int(ends[-1]), history.curve_segments
    phase = np.searchsorted(ends, runs)  # the phase in which a moment lies, its end included
    marks = [(str(name), int(np.searchsorted(runs, end))) for name, end in zip(history.phases, ends, strict=True)]
    named = range(len(place)) if len(place) <= _NAMED else (0, len(place) - 1)
    (view,) = scene.views([[*scene.sources, *scene.arrived, *scene.targets]])
    energy = [_energy(path, w) for path, w in zip(history.path, weights, strict=True)]
    return Motion(
        names=scene.names,
        paths=[turned(np.stack([scene.axes(x) for x in path]), scene.axes) for path in history.path],
        weights=weights,
        ground=ground_of(scene.axes),
        toward=view.toward if ground_of(scene.axes) == "globe" else np.eye(3)[0],
        labels=[f"{history.phases[p]}, {k:.4g} of {last:,} segments" for p, k in zip(phase, runs, strict=True)],
        marks=marks,
        x=np.interp(runs, ends, place),
        xlabel="segments that have run (short phases are drawn wider)",
        curves=[
            Curve("W\u2082 to the target, radians", history.curve.T, log=True, level=eps),
            Curve(f"energy \u222c exp({BETA:g}(\u27e8x, y\u27e9 \u2212 1)) d\u03bc d\u03bc", np.array(energy)),
        ],
        caption=_caption(scene, history, sources),
        bands=np.stack([place[:-1], place[1:]], axis=1),
        ticks=([float(place[k]) for k in named], [f"{int(ends[k]):,}" for k in named]),
        rings=[turned(points, scene.axes) for _, points, _ in scene.targets],
        background=scene.background,
    )


def _caption(scene: Scene, history: History, sources: Sequence[Empirical]) -> str:
    shown, there = sum(map(len, history.rows)), sum(mu.size for mu in sources)
    some = f" {shown:,} of {there:,} points are shown." if shown < there else ""
    return (
        "Every position is one that the flow passes; move the slider, turn the globe, point at a dot for its measure and weight. "
        "A dot of several colours belongs to several measures. The dashed line is the tolerance \u03b5. "
        f"The energy is 1 where a measure is one point, and smaller the more it is spread.{some}{text(scene.axes.said)}"
    )


def ground_of(axes: Axes3) -> str:
    """What points of the sphere stand on."""
    return "circle" if axes.circle else "ball" if axes.flat else "globe"


def turned(points: np.ndarray, axes: Axes3) -> np.ndarray:
    """Of a projection the third axis comes first: it points to the eye of a globe that is seen from (1, 0, 0)."""
    return points[..., [2, 0, 1]] if axes.flat else points


def _energy(path: np.ndarray, weights: np.ndarray) -> np.ndarray:
    few = evenly(len(weights), _ATOMS)
    w, known, energy = weights[few] / weights[few].sum(), np.isfinite(path).all(axis=(1, 2)), np.full(len(path), np.nan)
    energy[known] = [interaction_energy(x[few], BETA, w, normalisation="unit") for x in path[known]]
    return energy
