"""Group 12: what a layer close to consensus multiplies the missing cosine with, exactly, and the exponents -2 and -4 that follow."""

import numpy as np
import pytest

from measureformer import Empirical
from measureformer.dynamics import equiangular_scheme
from measureformer.fields import NGPT, MixLN, PeriLN, PostLN, PreLN, Softmax, SqrtScaled, run_layers

SCHEMES = {"post": PostLN, "ngpt": NGPT, "sqrt": SqrtScaled, "pre": PreLN, "mix": MixLN, "peri": PeriLN}


@pytest.mark.parametrize("name", ["post", "ngpt", "sqrt", "pre", *(pytest.param(name, marks=pytest.mark.slow) for name in ("mix", "peri"))])
def test_group_12_late_layers(name):
    """x = m + y with y across m: A is m, so a layer leaves y and adds eta m to the radius; nGPT leaves (1 - alpha) y. Then eta -> 0."""
    eta, begin, end = {"post": (0.1, 60, 110), "ngpt": (0.1, 60, 110), "sqrt": (0.1, 200, 500)}.get(name, (0.5, 500, 1000))
    states = run_layers(Softmax(1.0), SCHEMES[name](eta), Empirical(np.eye(4)), end)
    radius = np.linalg.norm(states[:, 0], axis=1)
    missing = ((states[:, 0] / radius[:, None] - states[:, 1] / radius[:, None]) ** 2).sum(1) / 2
    k = np.arange(begin, end)
    shrink = {"post": 1 / (1 + eta), "ngpt": 1 - eta, "sqrt": 1 / (1 + eta / np.sqrt(eta * k + 1))}.get(name, 1 / (1 + eta / radius[k]))
    expected = 2 * (np.log(shrink) * np.ones(k.size)).sum()
    assert np.log(missing[end] / missing[begin]) == pytest.approx(expected, rel=2e-4)
    if name in ("pre", "mix", "peri"):
        assert np.log(missing[end] / missing[begin]) / np.log(radius[end] / radius[begin]) == pytest.approx(-2, abs=2e-4)
        np.testing.assert_allclose(np.diff(radius[begin:]), eta, rtol=1e-4)


@pytest.mark.parametrize("name", SCHEMES)
def test_group_12_slopes_as_printed(name):
    """-2.000 against t (post, nGPT with alpha = 1), against log t (pre, peri, mix), -4.00 against sqrt(t + 1)."""
    t = np.array({"post": (20, 30), "ngpt": (20, 30), "sqrt": (400, 500)}.get(name, (1e5, 1e6)), float)
    clock = {"post": t, "ngpt": t, "sqrt": np.sqrt(t + 1)}.get(name, np.log(t))
    slope = np.diff(np.log(equiangular_scheme(t, 1.0, 8, name)[0]))[0] / np.diff(clock)[0]
    assert slope == pytest.approx(-4 if name == "sqrt" else -2, abs=1e-5)
