import numpy as np
import pytest

from measureformer import Empirical, InputError
from measureformer.geometry import normalize
from measureformer.interpolation import make_task


def cloud(seed, n=5, d=3):
    return Empirical(normalize(np.random.default_rng(seed).normal(size=(n, d)) + 2 * np.eye(d)[0]))


def test_equal_atoms_are_merged():
    x = cloud(0).points
    (pair,) = make_task([("a", Empirical(x[[0, 1, 0, 2]]), cloud(1))])
    assert pair.source.size == 3
    np.testing.assert_allclose(pair.source.weights, [0.5, 0.25, 0.25])
    assert pair.placement.positions.shape == (3, 3)


def test_equal_sources_with_different_targets_are_impossible():
    mu = cloud(0)
    shuffled = Empirical(mu.points[::-1])
    with pytest.raises(InputError, match="'a' and 'c' have the same source but different targets"):
        make_task([("a", mu, cloud(1)), ("b", cloud(2), cloud(3)), ("c", shuffled, cloud(4))])
    make_task([("a", mu, cloud(1)), ("c", shuffled, Empirical(cloud(1).points[::-1]))])  # the same target: fine
    other_weights = Empirical(mu.points, [2, 1, 1, 1, 1])
    make_task([("a", mu, cloud(1)), ("c", other_weights, cloud(4))])  # not the same measure


def test_dimension():
    with pytest.raises(InputError, match="d = 1"):
        make_task([("a", Empirical(np.ones((1, 1))), Empirical(-np.ones((1, 1))))])
    with pytest.raises(InputError, match=r"different dimensions \[3, 4\]"):
        make_task([("a", cloud(0, d=3), cloud(1, d=4))])
    with pytest.raises(InputError, match="no pair"):
        make_task([])


@pytest.mark.parametrize("side", ["sources", "targets"])
def test_covered_sphere(side):
    full = Empirical(normalize(np.random.default_rng(0).normal(size=(8000, 3))))
    pair = (full, cloud(1)) if side == "sources" else (cloud(1), full)
    with pytest.raises(InputError, match=f"{side}: the supports together cover the sphere: the largest empty cap found has radius 0.0"):
        make_task([("a", *pair)])
