"""Quantisation of measures on the sphere."""

import numpy as np
import pytest

from instances import cap
from measureformer import Empirical, InputError, wasserstein2
from measureformer.geometry import distance
from measureformer.transport import coarsest_quantisation, quantise

NORTH = np.eye(3)[2]


def sample(n=600, seed=0):
    rng = np.random.default_rng(seed)
    return Empirical(cap(NORTH, 0.7, n, rng), rng.uniform(0.5, 1.5, n))


@pytest.mark.parametrize("cells", [1, 7, 40])
def test_the_error_is_the_wasserstein_distance(cells):
    mu = sample()
    found = quantise(mu, cells)
    assert found.measure.size <= cells
    np.testing.assert_allclose(found.measure.weights, np.bincount(found.cell, mu.weights), atol=1e-14)
    assert wasserstein2(found.measure, mu).value == pytest.approx(found.error, rel=1e-9)
    nearest = distance(mu.points[:, None], found.measure.points[None]).argmin(axis=1)
    assert (nearest == found.cell).all()


def test_as_many_cells_as_atoms_is_the_measure_itself():
    mu = sample(20)
    found = quantise(mu, 20)
    assert found.error == 0 and found.measure is mu


def test_the_error_falls_like_one_over_the_square_root_on_a_surface():
    """Graf and Luschgy: cells^(-1/(d-1)) with d = 3."""
    mu = sample(20_000)
    errors = [quantise(mu, cells).error for cells in (16, 64, 256)]
    np.testing.assert_allclose(np.diff(np.log(errors)) / np.log(4), -0.5, atol=0.08)


def test_two_far_atoms_are_two_cells():
    mu = Empirical(np.vstack([cap(NORTH, 1e-3, 50, np.random.default_rng(0)), -NORTH[None]]))
    found = quantise(mu, 2)
    assert found.error < 1e-3 and sorted(np.bincount(found.cell).tolist()) == [1, 50]


@pytest.mark.parametrize("error", [0.3, 0.1, 0.05])
def test_the_coarsest_quantisation_is_good_enough_and_not_much_finer(error):
    mu = sample()
    found = coarsest_quantisation(mu, error, 600)
    assert found.error <= error
    assert quantise(mu, max(1, int(found.measure.size / 1.3))).error > error


def test_the_most_cells_are_respected():
    assert coarsest_quantisation(sample(), 1e-6, 50).measure.size == 50


def test_no_cells_are_refused():
    with pytest.raises(InputError, match="cells must be at least 1, got 0"):
        quantise(sample(), 0)
