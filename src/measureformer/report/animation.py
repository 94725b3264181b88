"""The animation of a simulation: one HTML file that loads nothing, drawn on a canvas; drag to turn the globe."""

import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np

from .._files import write_whole
from ..flows import Trajectory
from .dynamics import frames
from .theme import DARK, LIGHT, short

_FRAMES, _TOKENS = 120, 600


def write_animation(path: Path, result: Trajectory, labels: Sequence[object]) -> Path:
    """Write the page.

    Args:
        path: the file.
        result: a trajectory; of many saved times or tokens it shows some, evenly spread.
        labels: of its measures.

    Returns:
        The path.
    """
    shown = frames(result, _FRAMES, max(1, _TOKENS // len(result.points)))
    data = {
        "times": [float(t) for t in result.times[shown.picked]],
        "paths": [np.round(path / shown.reach, 4).tolist() for path in shown.tokens],
        "probes": [np.round(path / shown.reach, 4).tolist() for path in shown.probes],
        "labels": [short(label) for label in labels],
        "light": LIGHT.palette,
        "dark": DARK.palette,
        "sphere": shown.spherical,
        "turns": not shown.flat,
    }
    page = resources.files("measureformer.report").joinpath("animation.html").read_text(encoding="utf-8")
    # "<" cannot end the script early when it is written as an escape
    write_whole(path, page.replace("/*DATA*/null", json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")).encode())
    return path
