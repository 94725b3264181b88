"""The dense kernel: against the whole matrix, near and far, in both precisions, with its derivatives and its memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from measureformer.fields import Causal, Mask
from measureformer.kernels import exponential_sums, pair_sums
from measureformer.kernels.powers import exp2
from oracles import pairs as naive

N, M = 70, 100


@pytest.fixture
def small_tiles(monkeypatch):
    """Three tiles of queries and four of keys, the last of each partly empty."""
    monkeypatch.setattr("measureformer.kernels.dense.TILE", 32)


def instance(seed, batch=(), n=N, m=M):
    rng = np.random.default_rng(seed)
    w = rng.uniform(0.1, 1, (*batch, m)) * (rng.uniform(size=(*batch, m)) < 0.8)
    return rng.normal(size=(*batch, n, 3)), rng.normal(size=(*batch, m, 3)), w / m, rng.normal(size=(*batch, m, 2))


def masks(seed=0):
    """By name: what the kernel gets, and the matrix of booleans."""
    allowed = np.random.default_rng(seed).uniform(size=(M, M)) < 0.5
    allowed[3] = False
    allowed[:, 32:64] = False
    everything = {"none": (None, True), "array": (allowed, allowed), "mask": (Mask(allowed), allowed)}
    return everything | {"causal": (Causal(), np.tril(np.ones((M, M), bool)))}


def on_jax(*arrays, seen=None):
    return jax.jit(lambda *a: exponential_sums(*a, seen=seen))(*map(jnp.asarray, arrays))


def relative(found, expected):
    return abs(np.asarray(found) - expected).max() / abs(expected).max()


@pytest.mark.parametrize(("name", "batch"), [("none", ()), ("none", (2, 3)), ("array", ()), ("mask", (2, 3)), ("causal", (2, 3))])
def test_against_the_whole_matrix(small_tiles, name, batch):
    """Some weights are 0, one query sees nothing, a tile of keys is seen by nobody. NumPy and JAX."""
    seen, allowed = masks()[name]
    z, y, w, v = instance(1, batch, n=M)
    barycentre, log_mass = naive.exponential_sums(z, y, w, v, allowed)
    for sums in (exponential_sums, on_jax):
        numerator, mass, shift = map(np.asarray, sums(z, y, w, v, seen=seen))
        assert not numerator[mass == 0].any() and ((mass == 0) == np.isneginf(log_mass)).all()
        something = mass > 0
        assert relative((numerator / np.where(something, mass, 1)[..., None]), barycentre) < 1e-13
        assert abs(np.log(mass[something]) + shift[something] - log_mass[something]).max() < 1e-13


@pytest.mark.parametrize(("n", "m"), [(1, 3000), (2100, 500), (1100, 1030)])
def test_tiles_of_full_size(n, m):
    z, y, w, v = instance(2, n=n, m=m)
    barycentre, log_mass = naive.exponential_sums(z, y, w, v)
    numerator, mass, shift = on_jax(z, y, w, v)
    assert relative(numerator / mass[:, None], barycentre) < 1e-13
    assert abs(np.log(mass) + shift - log_mass).max() < 1e-13


def test_many_small_measures(monkeypatch):
    """Many of them make a tile, the last of which is partly empty."""
    monkeypatch.setattr("measureformer.kernels.dense.TILE", 64)
    z, y, w, v = instance(3, (13,), n=20, m=30)
    barycentre, _ = naive.exponential_sums(z, y, w, v)
    numerator, mass, _ = on_jax(z, y, w, v)
    assert relative(numerator / mass[..., None], barycentre) < 1e-13


@pytest.mark.parametrize(("dtype", "near", "far"), [(np.float32, 30.0, 31.0), (np.float64, 240.0, 260.0)])
def test_the_bound_is_the_shift_while_it_is_safe(small_tiles, dtype, near, far):
    """Keys on one side, queries towards the other: below the bound by twice the bound, where a fixed shift would underflow at last."""
    z, y, w, v = instance(4)
    y, z = y / np.linalg.norm(y, axis=1)[:, None], z / np.linalg.norm(z, axis=1)[:, None]
    y[:, 0], z[:, 0] = abs(y[:, 0]) + 2, -abs(z[:, 0]) - 2
    z, y = z / np.linalg.norm(z, axis=1)[:, None], y / np.linalg.norm(y, axis=1)[:, None]
    for length in (near, far, 1e3):
        queries, keys = (length * z).astype(dtype), y.astype(dtype)
        barycentre, log_mass = naive.exponential_sums(queries, keys, w, v)
        numerator, mass, shift = on_jax(queries, keys, w.astype(dtype), v.astype(dtype))
        assert numerator.dtype == mass.dtype == shift.dtype == dtype and (mass > 0).all()
        eps = np.finfo(dtype).eps
        expected = length if length == near else np.where(w > 0, naive.scores(queries, keys), -np.inf).max(-1)
        np.testing.assert_allclose(shift, np.broadcast_to(expected, shift.shape), rtol=8 * eps)
        # a score of this size is known to within eps times its size
        assert relative(numerator / mass[:, None], barycentre) < 4 * eps * length
        assert abs(np.log(mass) + shift - log_mass).max() < 8 * eps * length


def test_tiles_decide_for_themselves(small_tiles):
    z, y, w, v = instance(5, n=96)
    z[32:64] *= 1e3
    barycentre, _ = naive.exponential_sums(z, y, w, v)
    numerator, mass, shift = on_jax(z, y, w, v)
    reach = np.linalg.norm(y[w > 0], axis=1).max() * np.linalg.norm(z, axis=1)
    np.testing.assert_allclose(shift[:32], reach[:32], rtol=1e-14)
    np.testing.assert_allclose(shift[64:], reach[64:], rtol=1e-14)
    assert (shift[32:64] < reach[32:64] * (1 - 1e-6)).all()
    for rows, tolerance in ((slice(0, 32), 1e-13), (slice(32, 64), 4e-12), (slice(64, 96), 1e-13)):
        assert relative((numerator / mass[:, None])[rows], barycentre[rows]) < tolerance


def test_an_atom_without_weight_neither_shifts_nor_overflows(small_tiles):
    z, y, w, v = instance(6)
    y[5], w[5] = 1e6, 0.0
    barycentre, _ = naive.exponential_sums(z, y, w, v)
    numerator, mass, _ = on_jax(z, y, w, v)
    assert relative(numerator / mass[:, None], barycentre) < 1e-13


@pytest.mark.parametrize("tile", [32, 512])
def test_the_derivative_in_a_weight_that_is_zero(monkeypatch, tile):
    """Of an atom whose scores are above those of all that count: e^{score} (v - average) / mass. In tiles, and written out."""
    monkeypatch.setattr("measureformer.kernels.dense.TILE", tile)
    z, y, w, v = instance(11)
    y[5], w[5] = 6 * z[0] / np.linalg.norm(z[0]), 0.0

    def average(w):
        numerator, mass, _ = exponential_sums(*map(jnp.asarray, (z, y)), w, jnp.asarray(v))
        return numerator / mass[:, None]

    found = jax.jvp(average, (jnp.asarray(w),), (jnp.eye(M)[5],))[1]
    scores = z @ y.T
    share = np.exp(scores - scores.max(1, keepdims=True))
    mass = share @ w
    assert (scores[0, 5] > scores[0, w > 0] + 1).all()
    assert relative(found, share[:, 5:6] * (v[5] - share @ (w[:, None] * v) / mass[:, None]) / mass[:, None]) < 1e-12


def test_float32_stays_and_is_accurate():
    z, y, w, v = (a.astype(np.float32) for a in instance(7, n=1500, m=1500))
    barycentre, log_mass = naive.exponential_sums(z, y, w, v)
    numerator, mass, shift = on_jax(z, y, w, v)
    assert numerator.dtype == mass.dtype == shift.dtype == np.float32
    assert relative(numerator / mass[:, None], barycentre) < 1e-6
    assert abs(np.log(mass) + shift - log_mass).max() < 4e-6


@pytest.mark.parametrize(("name", "length"), [("none", 400.0), ("mask", 1.0)])
def test_derivatives_of_both_modes(small_tiles, name, length):
    """Of the logarithm of the mass and of the barycentre, against the formula written out; and one second derivative."""
    seen, allowed = masks()[name]
    z, y, w, v = map(jnp.asarray, instance(8, n=M))
    w = w + 0.01
    some = jnp.asarray(np.delete(np.arange(M), 3))  # query 3 sees nothing

    def fast(z, y, w, v):
        numerator, mass, shift = (part[some] for part in exponential_sums(length * z, y, w, v, seen=seen))
        return (jnp.sin(numerator / mass[:, None]).sum(-1) + jnp.log(mass) + shift).sum()

    def plain(z, y, w, v):
        scores = jnp.where(allowed, length * z @ y.T + jnp.log(w), -jnp.inf)[some]
        return (jnp.sin(jax.nn.softmax(scores, -1) @ v).sum(-1) + jax.nn.logsumexp(scores, -1)).sum()

    where, tangents = (z, y, w, v), instance(9, n=M)
    slopes = [jax.jit(jax.grad(f, (0, 1, 2, 3)))(*where) for f in (fast, plain)]
    for found, expected in zip(*slopes, strict=True):
        assert relative(found, expected) < 1e-12 * length
    along = [jax.jit(lambda f=f: jax.jvp(f, where, tangents))() for f in (fast, plain)]
    np.testing.assert_allclose(along[0], along[1], rtol=1e-12 * length)
    if name == "mask":
        twice = [jax.jit(lambda f=f: jax.jvp(jax.grad(f), where, tangents)[1])() for f in (fast, plain)]
        assert relative(twice[0], twice[1]) < 1e-11


def test_memory_grows_with_the_points_and_not_with_the_pairs():
    """Of the compiled sum and of its gradient. The matrix of 2^28 pairs would take 2 GiB."""

    def total(z, y, w):
        numerator, mass, _ = exponential_sums(z, y, w, y)
        return (numerator / mass[:, None]).sum()

    def temporary(n, f):
        shapes = [jax.ShapeDtypeStruct(s, jnp.float64) for s in ((n, 3), (n, 3), (n,))]
        return jax.jit(f).lower(*shapes).compile().memory_analysis().temp_size_in_bytes

    for f in (total, jax.grad(total, (0, 1, 2))):
        assert temporary(2**14, f) < 2**27


def test_another_function_of_the_scores(small_tiles):
    z, y, w, v = instance(10, (2,), n=M)
    for seen, allowed in (masks()[name] for name in ("none", "causal")):
        expected = np.where(allowed, np.tanh(naive.scores(z, y)), 0) @ v
        assert relative(pair_sums(np.tanh, z, y, v, seen=seen), expected) < 1e-13
        found = jax.jit(lambda z, y, v, seen=seen: pair_sums(jnp.tanh, z, y, v, seen=seen))(*map(jnp.asarray, (z, y, v)))
        assert relative(found, expected) < 1e-13


def test_what_causal_knows_without_looking():
    for i0 in range(0, 12, 3):
        for j0 in range(0, 12, 2):
            i, j = np.arange(i0, i0 + 3), np.arange(j0, j0 + 2)
            block = Causal().block(i, j)
            assert Causal().amount(i, j) == (2 if block.all() else int(block.any()))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_powers_of_two(dtype):
    info = np.finfo(dtype)
    t = np.concatenate([np.linspace(info.minexp, info.maxexp // 2, 100_001), -np.geomspace(1e-30, 1, 1000)]).astype(dtype)
    value = np.asarray(jax.jit(exp2)(t))
    assert value.dtype == dtype
    assert (abs(value - np.exp2(t.astype(np.longdouble))) <= 1.1 * info.eps * value).all()
    special = np.array([-np.inf, 2 * info.minexp, np.nan, 5.0, np.inf], dtype)
    np.testing.assert_array_equal(exp2(jnp.asarray(special)), [info.tiny, info.tiny, np.nan, 32, 2.0 ** (info.maxexp // 2)])
    slope = jax.vmap(jax.grad(exp2))(jnp.asarray([-1.0, -10.25], dtype))
    np.testing.assert_allclose(slope, np.log(2) * np.exp2([-1, -10.25]), rtol=4 * info.eps)
