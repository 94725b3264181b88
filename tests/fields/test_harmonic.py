"""Laws by harmonics: the same velocities as over all pairs, also far from all mass; what has no expansion stays dense."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

from measureformer import Empirical, InputError, flow
from measureformer.fields import L2, Causal, Hardmax, MultiHead, ParticleField, Scaled, Softmax, TimeUnit, Unnormalised
from measureformer.fields.harmonic import expansions, with_kernel
from measureformer.geometry import Euclidean, normalize

RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(3, 3))


def instance(n, d):
    x = normalize(RNG.normal(size=(n, d)))
    return x, RNG.dirichlet(np.ones(n))


def both(law, x, w, d, **how):
    """Velocities by harmonics and over all pairs (NumPy)."""
    field = ParticleField(law)
    choice = with_kernel(field, "harmonic", len(x), d, **how)
    assert choice.name == "harmonic" and expansions(choice.field)
    arrays = jnp.asarray(x), jnp.asarray(x), jnp.asarray(w)
    return choice.field, eqx.filter_jit(choice.field)(*arrays), field(x, x, w)


@pytest.mark.parametrize(
    ("d", "law"),
    [
        (2, Softmax(6.0)),
        pytest.param(2, MultiHead((Unnormalised(3.0, time=TimeUnit.PEAK), Scaled(L2(1.0), -0.5))), marks=pytest.mark.slow),
        pytest.param(2, Softmax(1.0, Q=MATRIX[:2, :2], V=MATRIX[1:, 1:]), marks=pytest.mark.slow),
        (3, Scaled(Unnormalised(2.0, K=np.linalg.qr(MATRIX)[0], V=MATRIX, time=TimeUnit.TOKEN), -1.0)),
    ],
    ids=["softmax", "heads", "matrices", "rotated"],
)
def test_the_same_as_all_pairs(d, law):
    x, w = instance(300, d)
    _, found, expected = both(law, x, w, d)
    np.testing.assert_allclose(found, expected, atol=1e-10)


@pytest.mark.slow
def test_far_from_all_mass_the_law_itself_is_evaluated():
    x, w = instance(300, 2)
    x = normalize(np.array([1.0, 0.0]) + 0.05 * x)  # all in one place; queries at -30 x find e^{-60} of the mass
    law = Softmax(30.0, Q=-np.eye(2))
    field, found, expected = both(law, x, w, 2)
    (part,) = expansions(field)
    values, bounds = eqx.filter_jit(part.with_bounds)(jnp.asarray(x), jnp.asarray(x), jnp.asarray(w))
    assert (np.asarray(bounds) > float(part.rtol)).all()
    np.testing.assert_allclose(found, expected, atol=1e-12)
    # without the second way it would be wrong
    careless = eqx.tree_at(lambda part: part.rtol, part, np.inf)
    wrong, _ = eqx.filter_jit(careless.with_bounds)(jnp.asarray(x), jnp.asarray(x), jnp.asarray(w))
    assert not abs(wrong - law(x, x, w)).max() < 1e-3


def test_one_token_far_away():
    x, w = instance(300, 2)
    x = normalize(np.array([1.0, 0.0]) + 0.05 * x)
    x[7] = [-1.0, 0.0]
    w[7] = 0.0  # a passive probe
    field, found, expected = both(Softmax(30.0), x, w, 2)
    (part,) = expansions(field)
    _, bounds = eqx.filter_jit(part.with_bounds)(jnp.asarray(x), jnp.asarray(x), jnp.asarray(w))
    assert np.flatnonzero(np.asarray(bounds) > float(part.rtol)).tolist() == [7]
    np.testing.assert_allclose(found, expected, atol=1e-11)
    assert abs(np.asarray(found) - expected).max() <= float(part.rtol)


@pytest.mark.slow
def test_float32_and_batches():
    x = np.stack([instance(200, 2)[0] for _ in range(3)]).astype(np.float32)
    w = np.full((3, 200), 1 / 200, np.float32)
    field = ParticleField(Softmax(4.0))
    fast = with_kernel(field, "harmonic", 200, 2, dtype=np.float32).field
    found = eqx.filter_jit(fast)(jnp.asarray(x), jnp.asarray(x), jnp.asarray(w))
    assert found.dtype == np.float32 and 1e-10 < float(expansions(fast)[0].rtol) < 2e-3
    np.testing.assert_allclose(found, field(x.astype(float), x.astype(float), w.astype(float)), atol=5e-6)


def test_the_choice():
    assert with_kernel(ParticleField(Softmax(4.0)), "auto", 200, 3).name == "dense"
    assert with_kernel(ParticleField(Softmax(4.0)), "auto", 10**6, 3).name == "harmonic"
    assert with_kernel(ParticleField(Softmax(4.0)), "dense", 10**6, 3).name == "dense"
    for field, d, why in (
        (ParticleField(Softmax(4.0)), 8, "d = 2 or 3"),
        (ParticleField(Softmax(4.0), Euclidean()), 3, "sphere"),
        (ParticleField(Softmax(4.0), mask=Causal()), 3, "mask"),
        (ParticleField(Hardmax()), 3, "no expansion"),
        (ParticleField(MultiHead((Softmax(1.0), Hardmax()))), 3, "no expansion"),
        (ParticleField(L2(1.0, K=MATRIX)), 3, "no expansion"),
        (ParticleField(Softmax(4.0, V=lambda t: t * MATRIX)), 3, "time"),
        (ParticleField(Softmax(0.0)), 3, "positive"),
        (ParticleField(Softmax(1.0, Q=np.diag([1.0, 1.0, 0.0]))), 3, "positive"),
    ):
        choice = with_kernel(field, "auto", 10**6, d)
        assert choice.name == "dense" and why in choice.why and choice.field is field
        with pytest.raises(InputError, match="use kernel='auto'"):
            with_kernel(field, "harmonic", 10**6, d)
    with pytest.raises(InputError, match="choose one of auto, dense, harmonic"):
        with_kernel(ParticleField(Softmax(4.0)), "fast", 10, 3)


@pytest.mark.slow
def test_a_flow_says_which_kernel_ran():
    x, w = instance(150, 2)
    field = ParticleField(Softmax(3.0))
    runs = {kernel: flow(field, Empirical(x, w), 0.5, kernel=kernel, step=0.25) for kernel in ("auto", "harmonic")}
    assert runs["auto"].kernel.name == "dense" and runs["harmonic"].kernel.name == "harmonic"
    kernel = runs["harmonic"].kernel
    assert kernel.degree > 10 and 0 < kernel.error < kernel.bound < 1e-10 and kernel.far == 0
    np.testing.assert_allclose(runs["harmonic"].points[0], runs["auto"].points[0], atol=1e-11)
