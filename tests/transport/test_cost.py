"""Ground costs keep their digits at both ends of the scale, and bad clouds are refused."""

import numpy as np
import pytest

from measureformer.errors import InputError
from measureformer.measures import Empirical
from measureformer.transport import geodesic_cost, wasserstein2


@pytest.mark.parametrize("angle", [1e-300, 1e-16, 1e-12, 1e-6, 0.5, np.pi / 2, 3.0])
def test_angles_on_a_circle(angle):
    x, y = np.array([[1.0, 0.0, 0.0]]), np.array([[np.cos(angle), np.sin(angle), 0.0]])
    assert geodesic_cost(x, y)[0, 0] == pytest.approx(angle, rel=1e-15)
    assert np.pi - geodesic_cost(x, -y)[0, 0] == pytest.approx(angle, rel=1e-15, abs=4.5e-16)


def test_blocks_change_nothing():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(17, 5)), rng.normal(size=(11, 5))
    x, y = x / np.linalg.norm(x, axis=1, keepdims=True), y / np.linalg.norm(y, axis=1, keepdims=True)
    whole = geodesic_cost(x, y)
    assert np.array_equal(whole, geodesic_cost(x, y, block=23))
    assert whole == pytest.approx(np.arccos(x @ y.T), abs=1e-7)


def test_points_off_the_sphere_are_refused():
    with pytest.raises(InputError, match=r"nu\.points\[1\] has norm 2; .*normalize"):
        wasserstein2(Empirical(np.eye(3)), Empirical(np.diag([1.0, 2.0, 1.0])))


def test_dimensions_must_agree():
    with pytest.raises(InputError, match="mu has dimension 3 and nu has dimension 4"):
        wasserstein2(Empirical(np.eye(3)), Empirical(np.eye(4)))
