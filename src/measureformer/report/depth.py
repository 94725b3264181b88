"""Depth against the flow, drawn."""

from collections.abc import Mapping

import numpy as np

from ..experiments.literature import Panel, Picture, Series
from ..incontext import DepthStudy


def depth_picture(studies: Mapping[str, DepthStudy], name: str = "depth") -> Picture:
    """Errors of L layers over L in logarithms, each with the line of its fitted order; for ``draw_picture`` or a page.

    Args:
        studies: by the name that the legend gives them.
        name: of the file.
    """
    series = []
    for color, (label, study) in enumerate(studies.items()):
        L = np.asarray(study.depths, float)
        fit = study.errors[0] * (L / L[0]) ** -study.order
        series += [Series(L, study.errors, f"{label}: order {study.order:.2f}", "dots", color), Series(L, fit, "", "dashed", color)]
    panel = Panel("layers against the flow", series, xlabel="layers L", ylabel="largest distance", log_x=True, log_y=True)
    return Picture(name, "Largest distance of L residual layers from the flow, over all measures and points.", [panel])
