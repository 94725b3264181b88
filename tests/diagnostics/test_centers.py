"""Group 14: Rényi counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer import InputError
from measureformer.diagnostics import expected_strong_centers, renyi_centers, strong_centers
from measureformer.geometry import distance, normalize


@given(st.integers(0, 10**6), st.sampled_from([0.2, 0.7, 2.0]))
def test_group_14_centers_against_their_definitions(seed, delta):
    x = normalize(np.random.default_rng(seed).normal(size=(25, 3)))
    strong, greedy = [], []
    for i in range(25):
        if all(distance(x[i], x[j]) > delta for j in range(i)):
            strong.append(i)
        if all(distance(x[i], x[j]) > delta for j in greedy):
            greedy.append(i)
    assert strong_centers(x, delta).tolist() == strong
    assert renyi_centers(x, delta).tolist() == greedy
    assert set(strong) <= set(greedy)


def circle(rng, n):
    angles = rng.uniform(0, 2 * np.pi, n)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_group_14_counts_on_the_circle():
    """n = 200, delta = 0.5: strong 6.283 (theory), all 9.157; n = infinity: pi/delta, and parking 9.395."""
    rng = np.random.default_rng(14)
    runs = [circle(rng, 200) for _ in range(150)]
    strong = np.array([len(strong_centers(x, 0.5)) for x in runs])
    greedy = np.array([len(renyi_centers(x, 0.5)) for x in runs])
    theory = expected_strong_centers(200, 2, 0.5)
    assert theory == pytest.approx(np.pi / 0.5 * (1 - (1 - 0.5 / np.pi) ** 200), rel=1e-12)
    assert expected_strong_centers(None, 2, 0.5) == pytest.approx(6.283, abs=5e-4)
    assert abs(strong.mean() - theory) < 3 * strong.std(ddof=1) / np.sqrt(150)
    assert abs(greedy.mean() - 9.157) < 3 * greedy.std(ddof=1) / np.sqrt(150) + 0.02


def test_group_14_counts_on_the_sphere():
    """The mass of a cap of S^2 is sin^2(delta/2)."""
    assert expected_strong_centers(None, 3, 0.8) == pytest.approx(1 / np.sin(0.4) ** 2, rel=1e-12)
    rng = np.random.default_rng(15)
    counts = np.array([len(strong_centers(normalize(rng.normal(size=(100, 3))), 0.8)) for _ in range(150)])
    assert abs(counts.mean() - expected_strong_centers(100, 3, 0.8)) < 3 * counts.std(ddof=1) / np.sqrt(150)
    with pytest.raises(InputError, match="delta must lie"):
        expected_strong_centers(10, 2, 4.0)
    with pytest.raises(InputError, match="d must be"):
        expected_strong_centers(10, 1, 0.3)
