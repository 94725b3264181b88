"""Which fields have an energy, and that it accounts for their flow."""

import numpy as np
import pytest

from measureformer import Empirical, flow
from measureformer.diagnostics import energy_of
from measureformer.fields import L2, Causal, Linear, MultiHead, ParticleField, Scaled, Softmax, TimeUnit, Unnormalised
from measureformer.geometry import Euclidean, Rescaled, normalize

M = np.array([[1.0, 0.4, 0.0], [0.4, -0.5, 0.2], [0.0, 0.2, 0.3]])
Q = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]


@pytest.mark.parametrize("field", [
    ParticleField(Softmax(2.0)), ParticleField(L2(1.5)), ParticleField(Scaled(Softmax(2.0), -0.5)),
    ParticleField(Softmax(2.0, Q=Q, K=Q @ M, V=-2.0 * M)), ParticleField(Unnormalised(2.0, Q=M, V=M)),
    ParticleField(Unnormalised(3.0, time=TimeUnit.PEAK)), ParticleField(Softmax(0.5, Q=M, V=M), Euclidean()),
    ParticleField(Softmax(400.0)),
], ids=["softmax", "l2", "scaled", "matrices", "unnormalised", "peak", "euclidean", "large"])  # fmt: skip
def test_group_1_the_identity(field):
    rng = np.random.default_rng(1)
    mu = Empirical(normalize(rng.normal(size=(7, 3))), rng.uniform(0.3, 1, 7))
    structure = energy_of(field)
    assert structure is not None
    result = flow(field, mu, 0.5, saveat=5, **structure.watch())
    energy, work = result.quantities["energy"][0], result.integrals["dissipation"][0]
    assert (np.diff(np.sign(structure.pace) * energy) > 0).all()
    np.testing.assert_allclose(energy - energy[0], work, rtol=1e-7, atol=1e-9 * abs(energy).max())


def test_none_where_none_is_known():
    turn = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    for field in (
        ParticleField(Linear()),
        ParticleField(Softmax(), mask=Causal()),
        ParticleField(Softmax(Q=turn)),
        ParticleField(Softmax(Q=turn, V=turn)),
        ParticleField(Softmax(V=M)),
        ParticleField(Softmax(Q=lambda t: M, V=M)),
        ParticleField(Scaled(Softmax(), 0.0)),
        ParticleField(Scaled(Softmax(), lambda t: t)),
        ParticleField(MultiHead((Softmax(), Softmax()))),
        ParticleField(L2(), Euclidean()),
        ParticleField(Softmax(), Rescaled(np.eye(3))),
        ParticleField(Unnormalised(time=TimeUnit.TOKEN)),
    ):
        assert energy_of(field) is None
