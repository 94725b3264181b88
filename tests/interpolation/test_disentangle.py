import numpy as np
import pytest

from instances import overlapping_caps, subset
from measureformer import Empirical
from measureformer.geometry import distance, normalize
from measureformer.interpolation.disentangle import attention_layer, separate_by_flow, separate_by_layer


@pytest.mark.parametrize("separate", [separate_by_flow, separate_by_layer])
@pytest.mark.parametrize("instance", [subset(3, 40, 0), overlapping_caps(3, 3, 20, 1), overlapping_caps(8, 3, 20, 2)])
def test_shared_points_come_apart(separate, instance):
    sources, _ = instance
    separation, moved = separate(sources)
    assert separation.amount > 0
    everything = np.concatenate(moved)
    np.testing.assert_allclose(np.linalg.norm(everything, axis=1), 1, atol=1e-15)
    gaps = [distance(everything[k], np.delete(everything, k, axis=0)).min() for k in range(len(everything))]
    assert min(gaps) > 1e-4


def test_equal_means_need_beta():
    """A square and a triangle with equal means and a common vertex: B = 0 never separates the vertex, B = beta I does."""
    h = 0.6
    ring = [np.sqrt(1 - h**2) * np.array([np.cos(t), np.sin(t), 0]) + [0, 0, h] for t in 2 * np.pi * np.arange(12) / 12]
    square, triangle = Empirical(np.array(ring[::3])), Empirical(np.array(ring[::4]))
    np.testing.assert_allclose(square.mean(), triangle.mean(), atol=1e-15)
    np.testing.assert_array_equal(square.points[0], triangle.points[0])
    separation, moved = separate_by_flow([square, triangle])
    assert separation.beta > 0
    assert distance(moved[0][0], moved[1][0]) > 1e-3
    without = [attention_layer(mu.points, mu.weights, 0.0, 1.0) for mu in (square, triangle)]
    assert distance(without[0][0], without[1][0]) < 1e-15


def test_no_attention_where_none_is_needed():
    rng = np.random.default_rng(0)
    separation, moved = separate_by_flow([Empirical(normalize(rng.normal(size=(10, 3))))])
    assert separation.amount == 0


def test_the_flow_is_the_flow():
    """What separate_by_flow returns is the ODE's solution for the parameters it names."""
    from oracles import naive

    sources, _ = subset(3, 12, 3)
    separation, moved = separate_by_flow(sources)
    zero = np.zeros((3, 3))
    for mu, x in zip(sources, moved, strict=True):
        expected = naive.solve(
            mu.points, mu.weights, [(separation.amount, np.eye(3), separation.beta * np.eye(3), zero, zero, np.zeros(3))]
        )
        np.testing.assert_allclose(x, expected, atol=1e-9)
