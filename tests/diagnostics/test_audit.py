"""Which fields have an energy, and that it accounts for their flow."""

import numpy as np
import pytest

from measureformer import Empirical, flow
from measureformer.diagnostics import energy_of
from measureformer.fields import (
    L2,
    Causal,
    Hardmax,
    Linear,
    MultiHead,
    ParticleField,
    Scaled,
    Sigmoid,
    Sinkhorn,
    Softmax,
    TimeUnit,
    Unnormalised,
)
from measureformer.geometry import Euclidean, Rescaled, normalize

M = np.array([[1.0, 0.4, 0.0], [0.4, -0.5, 0.2], [0.0, 0.2, 0.3]])
Q = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]


@pytest.mark.parametrize("field", [
    ParticleField(Softmax(2.0)), ParticleField(L2(1.5)), ParticleField(Scaled(Softmax(2.0), -0.5)),
    ParticleField(Softmax(2.0, Q=Q, K=Q @ M, V=-2.0 * M)), ParticleField(Unnormalised(2.0, Q=M, V=M)),
    ParticleField(Unnormalised(3.0, time=TimeUnit.PEAK)), ParticleField(Softmax(0.5, Q=M, V=M), Euclidean()),
    ParticleField(Softmax(400.0)), ParticleField(Unnormalised(2.0, time=TimeUnit.TOKEN)),
    ParticleField(Linear(1.5)), ParticleField(Scaled(Linear(1.5, Q=M, V=M), -1.0), Euclidean()), ParticleField(Linear(-0.8, Q=M, V=M)),
    ParticleField(Sigmoid(2.0, bias=-1.0)), ParticleField(Sigmoid(2.0, Q=M, V=-M, bias=0.5), Euclidean()),
    ParticleField(Sigmoid(0.0, bias=0.7)),
    ParticleField(Sinkhorn(1.5, eps=0.7)), ParticleField(Sinkhorn(1.0, Q=M, V=-0.5 * M), Euclidean()),
    ParticleField(Sinkhorn(0.0, eps=2.0)),
    ParticleField(L2(0.8, Q=M, K=M, V=2 * M @ M, shift=True), Euclidean()), ParticleField(L2(1.5, Q=M, K=M, V=M @ M, shift=True)),
    ParticleField(L2(0.8, K=Q, Q=Q @ M, V=M)),
], ids=[
    "softmax", "l2", "scaled", "matrices", "unnormalised", "peak", "euclidean", "large", "token", "linear", "linear-down",
    "linear-negative", "sigmoid", "sigmoid-down", "sigmoid-0", "sinkhorn", "sinkhorn-up", "sinkhorn-0", "mean-shift", "mean-shift-sphere",
    "l2-round-keys",
])  # fmt: skip
def test_group_1_the_identity(field):
    """E(t) - E(0) is the integral of the dissipation to 1e-7, and E is monotone in the promised direction, for every law that has an E."""
    rng = np.random.default_rng(1)
    mu = Empirical(normalize(rng.normal(size=(7, 3))), rng.uniform(0.3, 1, 7))
    structure = energy_of(field)
    assert structure is not None
    result = flow(field, mu, 0.5, saveat=5, **structure.watch())
    energy, work = result.quantities["energy"][0], result.integrals["dissipation"][0]
    assert (np.diff(np.sign(structure.pace) * energy) > 0).all()
    np.testing.assert_allclose(energy - energy[0], work, rtol=1e-7, atol=1e-9 * abs(energy).max())


@pytest.mark.parametrize("law", [Softmax(800.0), Unnormalised(800.0, time=TimeUnit.PEAK), Unnormalised(800.0, time=TimeUnit.TOKEN)])
def test_group_1_the_identity_where_e_to_the_beta_overflows(law):
    rng = np.random.default_rng(2)
    mu = Empirical(normalize(np.eye(3)[0] + 0.03 * rng.normal(size=(5, 3))), rng.uniform(0.3, 1, 5))
    result = flow(ParticleField(law), mu, 2.0, saveat=4, **energy_of(ParticleField(law)).watch())
    energy, work = result.quantities["energy"][0], result.integrals["dissipation"][0]
    assert energy[-1] > energy[0] + 0.01 and (np.diff(energy) > 0).all()
    np.testing.assert_allclose(energy - energy[0], work, rtol=1e-7, atol=1e-9)


def test_none_where_none_is_known():
    turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    for field in (
        ParticleField(Linear(Q=turn)),
        ParticleField(Linear(0.0)),
        ParticleField(Sigmoid(V=M)),
        ParticleField(Sinkhorn(), mask=Causal()),
        ParticleField(Hardmax()),
        ParticleField(Softmax(), mask=Causal()),
        ParticleField(Softmax(Q=turn)),
        ParticleField(Softmax(Q=turn, V=turn)),
        ParticleField(Softmax(V=M)),
        ParticleField(Softmax(Q=lambda t: M, V=M)),
        ParticleField(Scaled(Softmax(), 0.0)),
        ParticleField(Scaled(Softmax(), lambda t: t)),
        ParticleField(MultiHead((Softmax(), Softmax()))),
        ParticleField(L2(), Euclidean()),
        ParticleField(L2(Q=M, K=M, V=M @ M)),
        ParticleField(L2(Q=M, K=M, V=M, shift=True)),
        ParticleField(L2(Q=M, V=M, shift=True)),
        ParticleField(L2(0.0, shift=True)),
        ParticleField(Softmax(), Rescaled(np.eye(3))),
    ):
        assert energy_of(field) is None
