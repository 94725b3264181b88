"""Real data that comes with the package: the cities of the world, and the task of the demo. Attribution: README.md beside this file."""

import csv
import gzip
import io
from importlib import resources

import numpy as np

from ..geometry import distance
from ..measures import Clouds, from_latitude_longitude

ATTRIBUTION = "City data: GeoNames (geonames.org), CC BY 4.0"  # must appear wherever the data or a picture of it does

_TYPES = {"name": str, "country": str, "continent": str, "latitude_deg": float, "longitude_deg": float, "population": int}


def world_cities() -> dict[str, np.ndarray]:
    """The 6 204 cities of at least 100 000 inhabitants, largest first.

    Returns:
        Arrays of shape (6204,): name, country (ISO 3166 code), continent (AF, AS, EU, NA, OC, SA), latitude_deg, longitude_deg
        (float64, degrees), population (int64). Source: GeoNames, CC BY 4.0; see ``ATTRIBUTION``.
    """
    packed = resources.files(__name__).joinpath("world-cities.csv.gz").read_bytes()
    rows = list(csv.DictReader(io.StringIO(gzip.decompress(packed).decode("utf-8"))))
    return {name: np.array([kind(row[name]) for row in rows]) for name, kind in _TYPES.items()}


def demo_task() -> tuple[Clouds, Clouds]:
    """A task that no map of points can do, and one Transformer can: the same cities have to go to two places at once.

        "Europe to South America"   the 200 largest cities of Europe           ->  the 200 largest of South America
        "half of Europe to Africa"  every second of the same European cities   ->  the 100 largest of Africa

    Every point of the second source is, bit for bit, a point of the first one. The largest cities are chosen greedily by population,
    skipping a city that is closer than 0.3 degrees (33 km) to a larger one that was chosen, so that no suburb is beside its city. "Every
    second" goes by population too: ranks 1, 3, 5, ... Europe ends at the Urals (60 degrees east) and at 34 degrees north, which leaves
    out Siberia and the Canary Islands.

    Returns:
        Sources and targets, 300 rows each, points on the unit sphere (d = 3), equal weights, rows by decreasing population.
    """
    cities = world_cities()
    points = from_latitude_longitude(cities["latitude_deg"], cities["longitude_deg"])
    continent = cities["continent"]
    europe = (continent == "EU") & (cities["longitude_deg"] < 60) & (cities["latitude_deg"] > 34)
    from_europe = points[_largest(points, europe, 200)]
    to_america = points[_largest(points, continent == "SA", 200)]
    to_africa = points[_largest(points, continent == "AF", 100)]
    labels = np.repeat(["Europe to South America", "half of Europe to Africa"], [200, 100])
    return (
        Clouds(labels, np.concatenate([from_europe, from_europe[::2]]), origin="demo sources"),
        Clouds(labels, np.concatenate([to_america, to_africa]), origin="demo targets"),
    )


def _largest(points: np.ndarray, candidates: np.ndarray, number: int, separation_deg: float = 0.3) -> np.ndarray:
    """Rows of the first ``number`` candidates (a mask over rows sorted by population) that keep the separation from those before."""
    chosen: list[int] = []
    for row in np.flatnonzero(candidates):
        if not chosen or distance(points[row], points[chosen]).min() >= np.radians(separation_deg):
            chosen.append(int(row))
            if len(chosen) == number:
                break
    return np.array(chosen)
