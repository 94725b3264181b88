"""Systems side by side in lanes: the layers of practice, one system after the other."""

import numpy as np
import pytest

from measureformer import InputError
from measureformer.dynamics import gram_layers, lane_layers
from measureformer.fields import Softmax
from measureformer.fields.layers import PostLN
from measureformer.geometry import normalize


@pytest.mark.parametrize(("samples", "n", "d"), [(70, 32, 2), (3, 7, 3), (1, 2, 8)])
@pytest.mark.parametrize("beta", [4.0, -3.0, 0.0])
def test_the_same_layers(samples, n, d, beta):
    x = normalize(np.random.default_rng(0).normal(size=(samples, n, d)))
    run = lane_layers(x, beta, 0.1, 12, delta=0.05)
    weights, y, met = np.full(n, 1 / n), x, []
    for k in range(13):
        gram = np.einsum("bik,bjk->bij", y, y)
        met.append([sum(g[i, j] > 0.95 for i in range(n) for j in range(i)) for g in gram])
        if k < 12:
            y = np.stack([PostLN(0.1).step(z, lambda v: Softmax(beta)(v, v, weights), 0) for z in y])
    np.testing.assert_allclose(run.points, y, atol=1e-12)
    np.testing.assert_array_equal(run.met, met)
    np.testing.assert_allclose(gram_layers(x @ x.swapaxes(1, 2), beta, 0.1, 12), y @ y.swapaxes(1, 2), atol=1e-12)


def test_large_beta_does_not_overflow_and_the_dtype_is_kept():
    x = normalize(np.random.default_rng(1).normal(size=(2, 6, 2)))
    assert np.isfinite(lane_layers(x, 5000.0, 0.1, 3).points).all() and np.isfinite(lane_layers(x, -300.0, 0.1, 3).points).all()
    single = lane_layers(x.astype(np.float32), 2.0, 0.1, 3)
    assert single.points.dtype == np.float32
    np.testing.assert_allclose(single.points, lane_layers(x, 2.0, 0.1, 3).points, atol=1e-6)
    np.testing.assert_array_equal(lane_layers(x, 2.0, 0.1, 0).points, x)


def test_what_is_refused():
    x = normalize(np.random.default_rng(1).normal(size=(2, 6, 2)))
    for bad in ({"points": x[:, :1]}, {"points": x[:0]}, {"eta": 0.0}, {"beta": np.nan}, {"beta": -301.0}, {"count": -1}):
        with pytest.raises(InputError):
            lane_layers(**{"points": x, "beta": 1.0, "eta": 0.1, "count": 1, **bad})
