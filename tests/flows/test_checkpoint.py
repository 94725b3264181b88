"""A flow that is taken up again is the undisturbed one, bit for bit; and a measure that ends does so alone."""

import jax
import numpy as np
import pytest
from scipy.special import exp1

from measureformer import Empirical, InputError, flow
from measureformer.diagnostics import clusters, dissipation
from measureformer.fields import Hardmax, Linear, ParticleField, Softmax, Unnormalised
from measureformer.flows import Checkpoint, Converged, Escape, Jump, Noise, Stop
from measureformer.geometry import Euclidean, normalize


def cloud(n, seed=0):
    return Empirical(normalize(np.random.default_rng(seed).normal(size=(n, 3))))


def line(*places):
    return [Empirical(np.array([[x]])) for x in places]


RATES = {"dissipated": lambda x, v, w: dissipation(x, v, 4.0, w)}
COUNT = Jump("clusters", lambda x, w: clusters(x, 0.3, w).count)


@pytest.mark.parametrize(("field", "measures", "how"), [
    (ParticleField(Softmax(4.0)), [cloud(8), cloud(5, 1)], {"rates": RATES, "events": [Converged(0.02), COUNT]}),
    (ParticleField(Softmax(4.0)), [cloud(8), cloud(5, 1)], {"step": 0.05, "noise": Noise(20.0, jax.random.key(3)), "events": [COUNT]}),
    (ParticleField(Linear(), Euclidean()), line(1.0, 0.6, 0.1), {"events": [Escape(1e4)]}),
], ids=["adaptive", "noise", "blow-up"])  # fmt: skip
def test_resumed_is_undisturbed(field, measures, how):
    kept = []
    probes = np.ones((2, measures[0].dimension)) / np.sqrt(measures[0].dimension)

    def run(**more):
        return flow(field, measures, 2.0, saveat=8, probes=probes, quantities={"first": lambda x, w: x[0, 0]}, **how, **more)

    whole = run(keep=lambda c: kept.append(Checkpoint(list(c.moments), c.memory)))
    assert len(kept) == len(whole.times) and whole.happenings
    for checkpoint in (kept[0], kept[3], kept[-1]):
        again = run(resume=checkpoint)
        for name in ("stop", "stops", "steps", "rejected", "drift", "happenings"):
            assert getattr(again, name) == getattr(whole, name), name
        np.testing.assert_array_equal(again.times, whole.times)
        np.testing.assert_array_equal(again.ends, whole.ends)
        for ours, theirs in zip([*again.points, *again.probes], [*whole.points, *whole.probes], strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for name, values in whole.integrals.items():
            np.testing.assert_array_equal(again.integrals[name], values)
        np.testing.assert_array_equal(again.quantities["first"], whole.quantities["first"])


def test_a_checkpoint_of_another_flow_is_refused():
    kept = []
    flow(ParticleField(Softmax(4.0)), cloud(8), 1.0, keep=kept.append)
    with pytest.raises(InputError, match="checkpoint of another flow"):
        flow(ParticleField(Softmax(4.0)), cloud(9), 1.0, resume=kept[0])
    with pytest.raises(InputError, match="checkpoint of another flow"):
        flow(ParticleField(Softmax(4.0)), cloud(8), 1.0, resume=kept[0], quantities={"first": lambda x, w: x[0, 0]})
    with pytest.raises(InputError, match="dense"):
        flow(ParticleField(Softmax(4.0)), cloud(8), 1.0, resume=kept[0], dense=True)


@pytest.mark.parametrize("law", [Linear(), Unnormalised()])
def test_a_measure_that_blows_up_ends_alone(law):
    """Tokens on the line, each a measure of its own: x' = x^3, T = 1/(2 x0^2), or x' = x e^{x^2}, T = E_1(x0^2)/2."""
    starts = np.array([0.9, 0.3, 0.7])
    exact = 1 / (2 * starts**2) if isinstance(law, Linear) else exp1(starts**2) / 2
    field, horizon = ParticleField(law, Euclidean()), 0.9 * exact[1]
    result = flow(field, line(*starts), horizon, saveat=20)
    assert result.stops == [Stop.BLOW_UP, Stop.HORIZON, Stop.BLOW_UP] and result.stop is Stop.HORIZON
    np.testing.assert_allclose(result.ends, [exact[0], horizon, exact[2]], rtol=1e-6)
    found = {h.measure: h.value for h in result.happenings}
    assert set(found) == {0, 2}
    np.testing.assert_allclose([found[0], found[2]], exact[[0, 2]], rtol=1e-6)
    assert len(result.times) == 21 and all(np.isfinite(x).all() for x in result.points)
    after = result.times > result.ends[0]
    assert (result.points[0][after] == result.points[0][-1]).all() and result.points[0][-1, 0, 0] > 3
    alone = flow(field, line(0.3), horizon, saveat=20)
    np.testing.assert_allclose(result.points[1], alone.points[0], rtol=1e-8)


def test_all_blow_up_and_the_flow_ends():
    result = flow(ParticleField(Linear(), Euclidean()), line(1.0, 0.9), 10.0, saveat=10)
    assert result.stop is Stop.BLOW_UP and result.stops == [Stop.BLOW_UP] * 2
    assert result.times[-1] == result.ends.max() < 10
    escaped = flow(ParticleField(Linear(), Euclidean()), line(1.0, 0.1), 10.0, saveat=10, events=[Escape(100.0)])
    assert escaped.stops == [Stop.BLOW_UP, Stop.HORIZON]


def test_adaptive_steps_cross_the_switches_of_hardmax():
    """With Q = K = I switches of the best atom are isolated. Euler's method, which knows nothing of them, tends to the same states."""
    import diffrax

    mu, field = cloud(12), ParticleField(Hardmax())
    adaptive = flow(field, mu, 1.0)
    assert adaptive.stop is Stop.HORIZON and adaptive.rejected > 10
    errors = [abs(flow(field, mu, 1.0, step=h, solver=diffrax.Euler()).points[0][-1] - adaptive.points[0][-1]).max() for h in (4e-3, 1e-3)]
    assert errors[1] < 2e-3 and 2 < errors[0] / errors[1] < 8
