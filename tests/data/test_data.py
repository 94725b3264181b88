from importlib import resources

import numpy as np
import pytest

from measureformer.data import ATTRIBUTION, demo_task, world_cities
from measureformer.geometry import distance
from measureformer.measures import pair_clouds, read_clouds, to_latitude_longitude, write_clouds

TO_AMERICA, TO_AFRICA = "Europe to South America", "half of Europe to Africa"


@pytest.fixture(scope="module")
def task():
    return demo_task()


def test_the_attribution_comes_with_the_data():
    readme = resources.files("measureformer.data").joinpath("README.md").read_text("utf-8")
    for text in (readme, ATTRIBUTION):
        assert "GeoNames" in text
        assert "geonames.org" in text
        assert "CC BY 4.0" in text


def test_world_cities():
    cities = world_cities()
    assert list(cities) == ["name", "country", "continent", "latitude_deg", "longitude_deg", "population"]
    assert {len(column) for column in cities.values()} == {6204}
    assert set(cities["continent"]) == {"AF", "AS", "EU", "NA", "OC", "SA"}
    assert cities["population"].min() >= 100_000
    assert (np.diff(cities["population"]) <= 0).all()
    assert (np.abs(cities["latitude_deg"]) < 90).all()
    assert len(set(zip(cities["latitude_deg"], cities["longitude_deg"], strict=True))) == 6204
    paris = list(zip(cities["name"], cities["country"], strict=True)).index(("Paris", "FR"))
    assert abs(cities["latitude_deg"][paris] - 48.85) < 0.01
    assert abs(cities["longitude_deg"][paris] - 2.35) < 0.01


def test_demo_sizes_and_pairs(task):
    pairs = pair_clouds(*task)
    assert [(label, mu.size, nu.size) for label, mu, nu in pairs] == [(TO_AMERICA, 200, 200), (TO_AFRICA, 100, 100)]
    assert all(cloud.weights is None and cloud.dimension == 3 for cloud in task)


def test_every_point_of_the_second_source_is_one_of_the_first(task):
    (_, all_cities, _), (_, half, _) = pair_clouds(*task)
    np.testing.assert_array_equal(half.points, all_cities.points[::2])


def test_cities_of_a_measure_keep_their_distance_and_targets_are_disjoint(task):
    sources, targets = task
    for points in (*(mu.points for mu in sources.measures().values()), targets.points):
        between = distance(points[:, None], points[None])[np.triu_indices(len(points), 1)]
        assert np.degrees(between.min()) >= 0.3
    np.testing.assert_allclose(np.linalg.norm(targets.points, axis=1), 1, rtol=0, atol=1e-15)


def test_places_are_where_they_should_be(task):
    sources, targets = (cloud.measures() for cloud in task)
    boxes = [  # south, north, west, east
        (sources[TO_AMERICA], (34, 72, -25, 60)),
        (targets[TO_AMERICA], (-56, 13, -82, -34)),
        (targets[TO_AFRICA], (-35, 38, -18, 52)),
    ]
    for mu, (south, north, west, east) in boxes:
        latitude, longitude = to_latitude_longitude(mu.points)
        assert ((south < latitude) & (latitude < north) & (west < longitude) & (longitude < east)).all()


def test_demo_survives_its_files(task, tmp_path):
    for cloud in task:
        for ending in ("csv", "parquet", "npz"):
            write_clouds(tmp_path / f"cloud.{ending}", cloud)
            again = read_clouds(tmp_path / f"cloud.{ending}")
            np.testing.assert_array_equal(again.points, cloud.points)
            assert again.labels.tolist() == cloud.labels.tolist()
