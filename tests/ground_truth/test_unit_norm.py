"""Group 1: |x| = 1 within 4e-16 after any run on the sphere, at every saved time."""

import diffrax
import jax
import numpy as np
import pytest

from measureformer import Empirical, Schedule, Segment, TransformerField, flow
from measureformer.dynamics import coarsen
from measureformer.fields import (
    L2,
    NGPT,
    Causal,
    Hardmax,
    Linear,
    Mask,
    MultiHead,
    Neurons,
    ParticleField,
    PostLN,
    Scaled,
    Sigmoid,
    Sinkhorn,
    Softmax,
    SqrtScaled,
    TimeUnit,
    Unnormalised,
    run_layers,
)
from measureformer.flows import Noise
from measureformer.geometry import normalize

D = 4
G = np.random.default_rng(0).normal(size=(3, D, D)) / 2
NEURONS = Neurons(G[0], G[1], np.ones(D))
LAWS = {
    "softmax": Softmax(9.0),
    "unnormalised": Unnormalised(2.0),
    "token": Unnormalised(40.0, time=TimeUnit.TOKEN),
    "linear": Linear(2.0),
    "l2": L2(2.0),
    "shift": L2(1.0, Q=G[0], K=G[0], V=G[0].T @ G[0], shift=True),
    "sigmoid": Sigmoid(2.0),
    "sinkhorn": Sinkhorn(2.0),
    "repulsive": Scaled(Softmax(2.0)),
    "matrices": Softmax(1.0, *G),
    "heads": MultiHead((Softmax(1.0, *G), NEURONS)),
}

FAST = ("softmax", "sigmoid")


def clouds():
    rng = np.random.default_rng(1)
    return [Empirical(normalize(rng.normal(size=(n, D))), rng.uniform(0.2, 1, n)) for n in (5, 9)]


def off(points):
    return max(float(abs(np.sqrt(np.einsum("...i,...i", x, x)) - 1).max()) for x in points)


@pytest.mark.parametrize("name", [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in LAWS])
def test_group_1_unit_norm_with_adaptive_and_fixed_steps_in_batches(name):
    field = ParticleField(LAWS[name])
    for keywords in ({}, {"step": 0.25, "solver": diffrax.Heun()}):
        result = flow(field, clouds(), 2.0, saveat=5, probes=clouds()[0].points, **keywords)
        assert off(result.points) <= 4e-16 and off(result.probes) <= 4e-16 and result.times[-1] == 2.0


@pytest.mark.slow
@pytest.mark.parametrize("mask", [Causal(), Mask(np.random.default_rng(2).uniform(size=(9, 9)) < 0.6)])
def test_group_1_unit_norm_under_masks(mask):
    for law in (LAWS["softmax"], LAWS["sinkhorn"]):
        assert off(flow(ParticleField(law, mask=mask), clouds()[1], 1.0, saveat=3, rtol=1e-6).points) <= 4e-16


@pytest.mark.slow
@pytest.mark.parametrize("heun", [False, True])
def test_group_1_unit_norm_under_noise_and_where_the_field_jumps(heun):
    noise = Noise(0.5, jax.random.key(0), heun)
    assert off(flow(ParticleField(LAWS["softmax"]), clouds(), 1.0, saveat=4, step=0.05, noise=noise).points) <= 4e-16
    assert off(flow(ParticleField(Hardmax()), clouds(), 1.0, saveat=4, step=0.05, solver=diffrax.Euler()).points) <= 4e-16


@pytest.mark.parametrize("scheme", [PostLN(0.7), NGPT(0.3), SqrtScaled(0.5)])
def test_group_1_unit_norm_after_every_layer(scheme):
    assert off(run_layers(LAWS["softmax"], scheme, clouds()[1], 50)) <= 4e-16


@pytest.mark.slow
def test_group_1_unit_norm_of_schedules_and_of_the_coarsened_flow():
    theta = TransformerField(V=G[0], B=G[1], W=G[2], U=G[0], b=np.ones(D))
    gated = TransformerField(W=np.outer(G[0, 0], [1.0]), U=G[1, :1], b=np.zeros(1))
    result = flow(Schedule([Segment(theta, 0.7), Segment(gated, 0.5), Segment(TransformerField(V=np.eye(D)), 1.0)]), clouds())
    assert off([mu.points for mu in result.measures]) <= 4e-16
    assert off([coarsen(clouds()[1], 3.0, 5.0).measure.points]) <= 4e-16
