"""The figure of depth: each arrangement of layers has its order, below what is promised, and the picture holds the numbers."""

import numpy as np
import pytest

from measureformer.experiments.literature import Settings, reproduce
from measureformer.experiments.literature.depth import depth_panel
from measureformer.incontext import DepthStudy


def test_errors_and_fitted_lines():
    L = np.array([8, 16, 32])
    dots, line, better, _ = depth_panel("", {"strang": DepthStudy(L, 3.0 / L**2, 1.0 / L**2, 1.0 / L[:2] ** 3, 3.0)}).series
    np.testing.assert_allclose(line.y, dots.y, rtol=1e-12)
    assert dots.label == "strang: 2.00" and better.label == "strang, extrapolated: 3.00"
    np.testing.assert_array_equal(better.x, [8, 16])


@pytest.mark.slow
def test_orders():
    page = reproduce("depth", Settings(seed=1))
    for label, fitted, expected in page.tables[0].rows:
        assert fitted == pytest.approx({"1": 1, "2": 2, "1/2": 0.5}[expected], abs=0.12 if expected == "1/2" else 0.05), label
    assert len(page.tables[0].rows) == 7 and page.numbers["largest_error_over_bound"] < 1
