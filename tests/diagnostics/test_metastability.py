"""Group 11: the certificate of metastability, with the example of 6.2, and what it promises."""

import numpy as np
import pytest

from measureformer import Empirical, InputError, Schedule, Segment, TransformerField, flow
from measureformer.diagnostics import metastability
from measureformer.geometry import distance


def caps(eps=0.005):
    """Four tokens on the circle at the rims of two orthogonal caps S_q(eps)."""
    r = np.arccos(1 - eps) * (1 - 1e-9)
    angles = np.array([-r, r, np.pi / 2 - r, np.pi / 2 + r])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_group_11_example():
    found = metastability(caps(), 20.0, 0.005, centers=np.eye(2), rate=0.2)
    assert found.separated and found.holds
    assert found.alpha == pytest.approx(0.2793, abs=5e-5)
    assert found.gamma == pytest.approx(0.2425, abs=5e-5)
    assert found.collapsed == pytest.approx(63.6, abs=0.05)
    assert found.kept == pytest.approx(2273.6, abs=0.1)
    assert found.labels.tolist() == [0, 0, 1, 1]
    own = metastability(caps(), 20.0, 0.005)
    assert own.alpha == pytest.approx(found.alpha) and own.holds and own.rate > 0.05


@pytest.mark.slow
def test_group_11_the_promise_is_kept():
    x, field = caps(), TransformerField(V=np.eye(2), B=20 * np.eye(2))
    found = metastability(x, 20.0, 0.005, centers=np.eye(2), rate=0.2)
    times = np.array([1.0, found.collapsed, 500.0, found.kept])
    theta = Schedule([Segment(field, float(t)) for t in np.diff(times, prepend=0.0)])
    path = []
    flow(theta, [Empirical(x)], observe=lambda k, mu: path.append(mu[0].points), rtol=1e-9, atol=1e-9)
    for points in path:
        assert np.all((points @ np.eye(2))[np.arange(4), found.labels] >= 1 - 2 * 0.005)
    for points in path[2:]:
        assert distance(points[[0, 2]], points[[1, 3]]).max() ** 2 <= 2 * np.exp(-0.2 * 20)


def test_group_11_what_is_not_promised():
    spread = caps()
    spread[1] = [np.cos(0.6), np.sin(0.6)]
    assert not metastability(spread, 20.0, 0.005, centers=np.eye(2)).separated
    assert not metastability(caps(), 8.0, 0.005).separated  # gamma < 0
    too_fast = metastability(caps(), 20.0, 0.005, rate=0.51)
    assert too_fast.separated and not too_fast.holds
    assert metastability(caps()[:2], 20.0, 0.005).alpha == -1
    with pytest.raises(InputError, match="beta must be"):
        metastability(caps(), 1.0, 0.005)
    with pytest.raises(InputError, match="eps must lie"):
        metastability(caps(), 20.0, 0.1)
