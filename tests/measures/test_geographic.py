import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer.errors import InputError
from measureformer.measures import from_latitude_longitude, to_latitude_longitude


def test_axes_of_the_convention():
    points = from_latitude_longitude([0.0, 0.0, 90.0, -90.0, 0.0], [0.0, 90.0, 17.0, 17.0, 180.0])
    expected = [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, -1], [-1, 0, 0]]
    np.testing.assert_allclose(points, expected, rtol=0, atol=2e-16)


@given(st.lists(st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=20))
def test_points_are_unit_and_come_back(places):
    latitude, longitude = np.array(places).T
    points = from_latitude_longitude(latitude, longitude)
    np.testing.assert_allclose(np.linalg.norm(points, axis=1), 1, rtol=0, atol=1e-15)
    back = to_latitude_longitude(3.0 * points)
    np.testing.assert_allclose(back[0], latitude, rtol=0, atol=1e-13)
    # A longitude is defined up to full turns, and the less exactly the nearer the pole.
    turn = (back[1] - longitude + 180) % 360 - 180
    assert (np.abs(turn) * np.cos(np.radians(latitude)) < 1e-13).all()


def test_a_place_has_the_same_bits_in_any_row():
    rng = np.random.default_rng(0)
    latitude, longitude = rng.uniform(-90, 90, 37), rng.uniform(-180, 180, 37)
    order = rng.permutation(37)
    points = from_latitude_longitude(latitude, longitude)
    np.testing.assert_array_equal(from_latitude_longitude(latitude[order][:7], longitude[order][:7]), points[order][:7])


@pytest.mark.parametrize(
    ("latitude", "longitude", "words"),
    [
        ([0.0, 90.1], [0.0, 0.0], "row 1: latitude_deg = 90.1"),
        ([-91.0], [0.0], "row 0: latitude_deg = -91.0"),
        ([np.nan], [0.0], "latitude_deg = nan"),
        ([0.0], [np.inf], "longitude_deg = inf"),
        ([0.0], [361.0], "longitude_deg = 361.0"),
        ([0.0, 1.0], [0.0], "same shape"),
        (0.0, 0.0, "same shape"),
    ],
)
def test_places_that_are_refused(latitude, longitude, words):
    with pytest.raises(InputError, match=words):
        from_latitude_longitude(latitude, longitude)


@pytest.mark.parametrize("points", [np.zeros((1, 3)), np.ones((2, 4)), np.ones(3), np.array([[np.nan, 0, 1]])])
def test_points_without_a_place_are_refused(points):
    with pytest.raises(InputError, match="points"):
        to_latitude_longitude(points)
