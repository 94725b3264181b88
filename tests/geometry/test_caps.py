import numpy as np
import pytest
from hypothesis import given

from measureformer.geometry import distance, enclosing_cap, normalize
from strategies import points


@given(points(12, 3))
def test_no_cap_is_smaller(x):
    """For a finite set the smallest enclosing cap is fixed by at most three of its points: try all pairs and triples."""
    cap = enclosing_cap(x)
    assert distance(x, cap.center).max() <= cap.radius + 1e-12
    best = np.inf
    for i in range(12):
        for j in range(i):
            middles = [x[i] + x[j]] + [np.cross(x[i] - x[j], x[i] - x[k]) for k in range(j)]
            for center in middles:
                if np.linalg.norm(center) > 1e-14:
                    for sign in (1, -1):
                        best = min(best, distance(x, sign * normalize(center)).max())
    assert cap.radius <= best + 1e-6


@pytest.mark.parametrize("d", [3, 4, 8, 20])
@pytest.mark.parametrize("radius", [0.3, 1.0, 1.5])
def test_radius_of_a_known_cap(d, radius):
    """Opposite points of the rim of a cap smaller than a hemisphere fix it as the smallest."""
    rng = np.random.default_rng(d)
    across = np.vstack([np.eye(d)[1:], -np.eye(d)[1:], normalize(np.hstack([np.zeros((40, 1)), rng.normal(size=(40, d - 1))]))])
    rim = np.cos(radius) * np.eye(d)[0] + np.sin(radius) * across
    inner = normalize(rim + np.array([2.0] + [0] * (d - 1)))
    cap = enclosing_cap(np.vstack([rim, inner]))
    assert cap.radius == pytest.approx(radius, abs=1e-6)
    np.testing.assert_allclose(cap.center, np.eye(d)[0], atol=1e-6)


def test_the_hole_of_a_covered_sphere():
    """A dense spiral with a hole of radius 0.5: the smallest enclosing cap is all the rest."""
    k = np.arange(4000) + 0.5
    z, angle = 1 - 2 * k / 4000, np.pi * (1 + 5**0.5) * k
    spiral = np.stack([np.sqrt(1 - z**2) * np.cos(angle), np.sqrt(1 - z**2) * np.sin(angle), z], axis=1)
    hole = normalize(np.array([1.0, 2.0, -0.5]))
    cap = enclosing_cap(spiral[distance(spiral, hole) > 0.5])
    assert 0.5 <= cap.complement().radius < 0.56
    assert distance(cap.complement().center, hole) < 0.06
    assert enclosing_cap(spiral).complement().radius < 0.05


def test_the_largest_hole_in_high_dimension_is_found_nearly():
    """Random points of S^7 with a hole of radius 1.3, larger than the other holes: descent from several starts finds it."""
    rng = np.random.default_rng(0)
    x = normalize(rng.normal(size=(4000, 8)))
    hole = np.eye(8)[0]
    found = enclosing_cap(x[distance(x, hole) > 1.3]).complement()
    assert found.radius >= 1.29 and distance(found.center, hole) < 0.1


def test_one_point_and_one_plane():
    assert enclosing_cap(np.eye(3)[:1]).radius == 0
    square = np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    assert enclosing_cap(square).radius == pytest.approx(np.pi / 2)
