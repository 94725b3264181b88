"""Two roads to one place: the flows and layers of tokens against the closed forms and the engines."""

import numpy as np
import pytest

from measureformer import Empirical, ParticleField, Softmax, flow
from measureformer.dynamics import (
    circle_field,
    equiangular,
    equiangular_scheme,
    gram_flow,
    gram_layers,
    initial_slope,
    pair_cosine,
)
from measureformer.experiments import initial_measure
from measureformer.fields import NGPT, Causal, MixLN, PeriLN, PostLN, PreLN, Scaled, SqrtScaled, TimeUnit, Unnormalised, run_layers
from measureformer.geometry import normalize

LAWS = {"softmax": Softmax(3.0), "unnormalised": Unnormalised(3.0), "peak": Unnormalised(3.0, time=TimeUnit.PEAK)}


def weighted(n, d, seed=0):
    rng = np.random.default_rng(seed)
    return Empirical(normalize(rng.normal(size=(n, d))), rng.uniform(0.3, 1, n))


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_group_17_the_gram_engine_is_the_dense_engine(law, sign):
    mu = weighted(7, 12)
    x = flow(ParticleField(Scaled(LAWS[law], sign)), mu, 0.7, rtol=1e-11, atol=1e-12).measures[0].points
    gram = gram_flow(mu.points @ mu.points.T, 3.0, 0.7, mu.weights, law=law, sign=sign)
    np.testing.assert_allclose(x @ x.T, gram, atol=1e-9)


def test_group_17_gram_layers_are_layers():
    mu = weighted(7, 12)
    x = run_layers(Softmax(3.0), PostLN(0.2), mu, 15)[-1]
    np.testing.assert_allclose(x @ x.T, gram_layers(mu.points @ mu.points.T, 3.0, 0.2, 15, mu.weights), atol=1e-12)


@pytest.mark.parametrize("law", LAWS)
def test_group_17_fourier_modes_are_the_field_on_the_circle(law):
    mu = weighted(20, 2)
    theta = np.arctan2(mu.points[:, 1], mu.points[:, 0])
    v = ParticleField(LAWS[law])(mu.points, mu.points, mu.weights)
    turning = (v * np.stack([-np.sin(theta), np.cos(theta)], axis=1)).sum(1)
    np.testing.assert_allclose(circle_field(theta, 3.0, mu.weights, law=law), turning, atol=1e-10)


@pytest.mark.parametrize("law", LAWS)
def test_group_2_equiangular_tokens(law):
    times = np.linspace(0, 2, 5)
    path = flow(ParticleField(LAWS[law]), initial_measure("orthonormal", 5, 6), 2.0, saveat=times, rtol=1e-11, atol=1e-12).points[0]
    cosines = np.stack([(x @ x.T)[np.triu_indices(5, 1)] for x in path])
    np.testing.assert_allclose(cosines, np.broadcast_to(equiangular(times, 3.0, 5, law=law)[:, None], cosines.shape), atol=1e-9)


def test_group_3_pairs():
    start = np.array([[1.0, 0.0], [-0.3, np.sqrt(0.91)]])
    for mass, mask in ((0.5, None), (0.2, None), (0.5, Causal())):
        mu = Empirical(start, np.array([mass, 1 - mass]))
        x = flow(ParticleField(Softmax(2.0), mask=mask), mu, 1.5, rtol=1e-11, atol=1e-12).measures[0].points
        expected = pair_cosine(1.5, 2.0, start=-0.3, masses=(mass, 1 - mass), causal=mask is not None)
        assert abs(x[0] @ x[1] - float(expected)) < 1e-9


@pytest.mark.parametrize(("name", "scheme"), [
    ("post", PostLN()), ("pre", PreLN()), ("mix", MixLN(tau=1.0)), ("peri", PeriLN()), ("ngpt", NGPT(rate=0.7)), ("sqrt", SqrtScaled()),
])  # fmt: skip
def test_group_12_schemes_of_normalisation(name, scheme):
    """Cosines and radii of orthonormal tokens under the limit of each scheme; Mix-LN switches at a saved time."""
    times = np.array([0.5, 1.0, 3.0])
    field = scheme.limit(Softmax(1.2))
    path = flow(field, initial_measure("orthonormal", 4, 4), 3.0, saveat=times, rtol=1e-11, atol=1e-12).points[0]
    remaining, radius = equiangular_scheme(times, 1.2, 4, name, alpha=0.7 if name == "ngpt" else 1.0)
    for x, gap, r in zip(path, remaining, radius, strict=True):
        np.testing.assert_allclose(np.linalg.norm(x, axis=1), r, atol=1e-8)
        np.testing.assert_allclose(1 - (normalize(x) @ normalize(x).T)[np.triu_indices(4, 1)], gap, atol=1e-8)
    x, w = np.eye(4), np.full(4, 0.25)
    v = field(x, x, w, 0.0)
    assert abs(v[0] @ x[1] + v[1] @ x[0] - initial_slope(1.2, 4, name, alpha=0.7 if name == "ngpt" else 1.0)) < 1e-13
