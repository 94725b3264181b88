"""Broken lines: do they pass through the points, and does none break less often?"""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer.interpolation.knots import broken_line, cover, fewest_pieces


def value(line, x: float):
    """The line at x, summed piece by piece from its anchor."""
    at, v, _ = line.anchor
    edges = np.concatenate([[-np.inf], line.knots, [np.inf]])
    lows, highs = np.clip(edges[:-1], min(at, x), max(at, x)), np.clip(edges[1:], min(at, x), max(at, x))
    return v + np.sign(x - at) * np.tensordot(highs - lows, line.slopes, 1)


def fewest(m, steepest: float) -> int:
    """By trying everything: pieces of one or two points, each followed by a steeper one, a less steep one, or one without points."""

    def splits(k):
        if k <= 0:
            return [[]] if k == 0 else []
        return [[*rest, size] for size in (1, 2) for rest in splits(k - size)]

    best = np.inf
    for sizes in splits(len(m) + 1):
        firsts = np.cumsum([0, *sizes])[:-1]
        for links in product((1, -1, 0), repeat=len(sizes) - 1):
            good = True
            for size, first, before, after in zip(sizes, firsts, (0, *links), (*links, 0), strict=True):
                low = max([-np.inf] + [m[first - 1]] * (before > 0) + ([m[first + size - 1]] if after < 0 else []))
                high = min([np.inf] + [m[first - 1]] * (before < 0) + ([m[first + size - 1]] if after > 0 else []))
                if size == 2:
                    good &= low < m[first] < high and abs(m[first]) <= steepest
                else:
                    good &= low < high and low <= steepest and high >= -steepest
            if good:
                best = min(best, len(sizes) + links.count(0))
    return best


@given(st.integers(0, 10**6), st.sampled_from([np.inf, 1.0, 0.3]))
@settings(max_examples=60)
def test_no_line_has_fewer_pieces(seed, steepest):
    m = np.random.default_rng(seed).normal(size=5)
    assert cover(m[None], steepest).pieces[0] == fewest(m, steepest)


@given(st.integers(0, 10**6), st.sampled_from([np.inf, 1.0]))
def test_the_compiled_count_is_the_same(seed, steepest):
    m = np.random.default_rng(seed).normal(size=(4, 30)).round(1)  # rounded: some neighbours are equal
    np.testing.assert_array_equal(fewest_pieces(m, steepest), cover(m, steepest).pieces)


@given(st.integers(0, 10**6), st.sampled_from([1, 2, 3, 40]), st.sampled_from([np.inf, 100.0, 3.0]))
def test_the_line_passes_through_the_points(seed, count, steepest):
    rng = np.random.default_rng(seed)
    t, v = np.sort(rng.uniform(-1, 1, count)), rng.normal(size=count)
    line = broken_line(t, v, steepest)
    np.testing.assert_allclose([value(line, x) for x in t], v, atol=1e-8)
    assert (np.diff(line.knots) > 0).all() and line.slopes.shape == (line.knots.size + 1,)
    if count > 1:
        assert len(line.slopes) == cover((np.diff(v) / np.diff(t))[None], steepest).pieces[0]
        assert len(line.slopes) >= count / 2


def test_no_point_lies_on_a_slope_that_is_too_steep():
    rng = np.random.default_rng(0)
    t, v = np.sort(rng.uniform(-1, 1, 60)), rng.normal(size=60)
    line = broken_line(t, v, 20.0)
    at_points = np.abs(line.slopes[np.searchsorted(line.knots, t)])
    assert at_points.max() <= 1.25 * 20 + 0.25 < np.abs(line.slopes).max()


def test_points_in_line_share_a_piece():
    t = np.array([0.0, 1.0, 2.0, 4.0, 5.0])
    assert len(broken_line(t, 2 * t + 1).slopes) == 1
    assert len(broken_line(t, np.array([0.0, 1.0, 2.0, 2.0, 2.0])).slopes) == 3  # no knot lies at a point, so that heights may err
    assert len(broken_line(t, np.zeros(5)).knots) == 0


@pytest.mark.parametrize("count", [1, 2, 7])
def test_vector_values(count):
    rng = np.random.default_rng(count)
    t, v = np.sort(rng.uniform(-1, 1, count)), rng.normal(size=(count, 3))
    line = broken_line(t, v)
    np.testing.assert_allclose([value(line, x) for x in t], v, atol=1e-10)
    assert len(line.knots) == count - 1 and not line.slopes[count // 2].any()
