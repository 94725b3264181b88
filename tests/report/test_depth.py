"""The picture of a depth study holds its numbers."""

import numpy as np

from measureformer.incontext import DepthStudy
from measureformer.report.depth import depth_picture
from measureformer.report.literature import draw_picture
from measureformer.report.theme import LIGHT, drawing


def test_errors_and_fitted_lines():
    L = np.array([8, 16, 32])
    study = DepthStudy(L, 3.0 / L**2, 1.0 / L**2, np.array([]), float("nan"))
    picture = depth_picture({"strang": study})
    dots, line = picture.panels[0].series
    np.testing.assert_allclose(line.y, dots.y, rtol=1e-12)
    assert dots.label == "strang: order 2.00"
    with drawing():
        figure = draw_picture(picture, LIGHT)
    assert figure.axes[0].get_yscale() == "log"
    np.testing.assert_allclose(figure.axes[0].lines[0].get_ydata(), study.errors)
