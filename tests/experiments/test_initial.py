import numpy as np
import pytest

from measureformer import InputError
from measureformer.experiments import KINDS, initial_measure


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(kind):
    mu = initial_measure(kind, 4, 5, seed=1, scale=0.5)
    assert mu.points.shape == (4, 5) and (mu.weights == 0.25).all()
    if kind not in ("normal", "cube"):
        np.testing.assert_allclose(np.linalg.norm(mu.points, axis=1), 1, atol=4e-16)
    np.testing.assert_array_equal(initial_measure(kind, 4, 5, seed=1, scale=0.5).points, mu.points)
    if kind not in ("orthonormal", "polygon"):
        assert abs(initial_measure(kind, 4, 5, seed=2, scale=0.5).points - mu.points).max() > 1e-3


def test_what_the_kinds_are():
    np.testing.assert_allclose(initial_measure("orthonormal", 3, 5).points @ initial_measure("orthonormal", 3, 5).points.T, np.eye(3))
    gon = initial_measure("polygon", 6, 3).points
    np.testing.assert_allclose(gon @ gon.T, np.cos(2 * np.pi * (np.arange(6)[:, None] - np.arange(6)) / 6), atol=1e-15)
    assert initial_measure("cap", 500, 3, scale=0.1).points[:, 2].min() > 0.8
    assert 0.45 < abs(initial_measure("cube", 500, 2, scale=0.5).points).max() <= 0.5
    assert abs(initial_measure("normal", 4000, 2, scale=0.5).points.std() - 0.5) < 0.02


def test_what_cannot_be():
    for call, message in (
        (lambda: initial_measure("orthonormal", 4, 3), "take d >= n"),
        (lambda: initial_measure("polygon", 4, 1), "d >= 2"),
        (lambda: initial_measure("uniform", 0, 3), "at least 1"),
        (lambda: initial_measure("gaussian", 4, 3), "there are uniform, cap"),
    ):
        with pytest.raises(InputError, match=message):
            call()
