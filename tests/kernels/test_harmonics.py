"""The kernels of the circle and of S^2 against all pairs, in NumPy; what they promise is never less than what is wrong."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from measureformer import InputError
from measureformer.kernels import CircleKernel, SphereKernel, bands, radii
from measureformer.kernels.radial import chebyshev, coefficients
from measureformer.kernels.separable import CHUNK, powers
from measureformer.kernels.sphere import _FRAME, legendre_tables

KERNELS = {2: CircleKernel, 3: SphereKernel}


def unit(rng, n, d):
    x = rng.normal(size=(n, d))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def cloud(rng, n, d):
    """Scattered, crowded and antipodal points, and the ends of the last axis, with weights of which some are zero."""
    x = unit(rng, n, d)
    x[: n // 3] = unit(rng, 1, d) + 1e-3 * rng.normal(size=(n // 3, d))
    x[n // 3 : n // 2] = -x[: n // 2 - n // 3]
    x[:2] = np.eye(d)[-1], -np.eye(d)[-1]
    w = rng.random(n)
    w[5:9] = 0
    return x / np.linalg.norm(x, axis=1, keepdims=True), w / w.sum()


def all_pairs(z, y, w):
    share = np.exp(z @ y.T - np.linalg.norm(z, axis=1, keepdims=True)) * w
    return share @ y, share.sum(1)


def rotation(rng, d):
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def wrong(kernel, z, y, w):
    """The errors of the numerator (its length) and of the mass."""
    numerator, mass, shift = eqx.filter_jit(kernel)(jnp.asarray(z), jnp.asarray(y), jnp.asarray(w))
    expected, whole = all_pairs(z, y, w)
    np.testing.assert_allclose(shift, np.linalg.norm(z, axis=1), rtol=1e-6)
    return np.linalg.norm(numerator - expected, axis=1).max(), abs(mass - whole).max()


@pytest.mark.parametrize(
    ("d", "beta", "stretch", "tolerance"),
    [(2, 4.0, 1.0, 1e-13), (3, 4.0, 1.0, 1e-13), (2, 81.0, 0.4, 1e-11), (3, 9.0, 0.5, 1e-9)],
)
def test_equal_to_all_pairs_within_the_bound(d, beta, stretch, tolerance):
    rng = np.random.default_rng(d)
    y, w = cloud(rng, CHUNK + 77, d)
    B = rotation(rng, d) @ np.diag(np.linspace(beta, beta * stretch, d)) @ rotation(rng, d)
    plan = radii(beta * stretch, beta, tolerance, d)
    z = y[-600:] @ B.T
    numerator, mass = wrong(KERNELS[d](plan), z, y, w)
    assert max(numerator, mass) <= plan.error <= 2 * tolerance + 2e-12
    assert np.isfinite(plan.error)


@pytest.mark.slow
@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("beta", [0.1, 0.5, 1.0, 9.0, 25.0, 81.0])
@pytest.mark.parametrize("stretch", [1.0, 0.3])
@pytest.mark.parametrize("tolerance", [1e-3, 1e-6, 1e-12, 1e-16])
def test_the_bound_holds_everywhere(d, beta, stretch, tolerance):
    rng = np.random.default_rng(d)
    y, w = cloud(rng, 500, d)
    B = rotation(rng, d) @ np.diag(np.linspace(beta, beta * stretch, d)) @ rotation(rng, d)
    plan = radii(beta * stretch, beta, tolerance, d)
    assert max(wrong(KERNELS[d](plan), y @ B.T, y, w)) <= plan.error


def test_projected_numerators_are_the_tangential_ones():
    rng = np.random.default_rng(0)
    for d in (2, 3):
        y, w = cloud(rng, 400, d)
        plan = radii(2.0, 2.0, 1e-12, d)
        numerator, _, _ = eqx.filter_jit(KERNELS[d](plan, project=True))(jnp.asarray(2 * y), jnp.asarray(y), jnp.asarray(w))
        expected, _ = all_pairs(2 * y, y, w)
        tangential = expected - (expected * y).sum(1, keepdims=True) * y
        np.testing.assert_allclose(numerator, tangential, atol=1e-12)
        assert abs((np.asarray(numerator) * y).sum(1)).max() < 1e-14


@pytest.mark.parametrize("d", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_float32_stays_float32(d):
    rng = np.random.default_rng(1)
    y, w = (a.astype(np.float32) for a in cloud(rng, 3 * CHUNK, d))
    plan = radii(3.0, 3.0, 1e-6, d, eps=2.0**-23)
    out = eqx.filter_jit(KERNELS[d](plan))(jnp.asarray(3 * y), jnp.asarray(y), jnp.asarray(w))
    assert all(a.dtype == np.float32 for a in out)
    expected, mass = all_pairs(*(a.astype(float) for a in (3 * y, y, w)))
    assert max(abs(out[0] - expected).max(), abs(out[1] - mass).max()) <= plan.error < 2e-5


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("r", [0.1, 0.5, 1.0, 4.0, 9.0, 25.0, 81.0])
def test_the_degree_is_never_too_low_and_hardly_too_high(d, r):
    from scipy.special import eval_chebyt, eval_chebyu, eval_legendre, ive

    alpha = np.linspace(0, np.pi, 301)[1:-1]
    k = np.arange(200)[:, None]
    f = ive(k + d / 2 - 1, r) * (1 if d == 2 else np.sqrt(np.pi / (2 * r)))
    c = np.cos(alpha)
    zonal = eval_chebyt(k, c) if d == 2 else eval_legendre(k, c)
    if d == 2:
        turned = -k * np.sin(alpha) * eval_chebyu(k - 1, c)
        count = np.where(k > 0, 2.0, 1.0)
    else:
        turned = np.where(k > 0, k * (c * zonal - np.vstack([zonal[:1], zonal[:-1]])) / -np.sin(alpha) * -1, 0.0)
        count = 2.0 * k + 1
    steep = k / r * f + np.vstack([f[1:], 0 * f[:1]])

    def error(degree):
        """Of the mass and of the two components of the numerator, at the worst angle."""
        left = slice(degree + 1, None)
        return max(abs((count * part)[left].sum(0)).max() for part in (f * zonal, steep * zonal, f * turned / r))

    # the expansion is the kernel, and its derivatives those of the kernel
    np.testing.assert_allclose((count * f * zonal).sum(0), np.exp(r * (c - 1)), atol=1e-13)
    np.testing.assert_allclose((count * f * turned).sum(0) / r, -np.sin(alpha) * np.exp(r * (c - 1)), atol=1e-11)
    for tolerance in (1e-3, 1e-6, 1e-9, 1e-12):
        plan = radii(r, r, tolerance, d)
        assert error(plan.degree) <= plan.tail * (1 + 1e-9) + 1e-15
        assert plan.tail <= tolerance * plan.uniform and plan.uniform == f[0, 0]
        assert error(max(0, plan.degree - 5 - plan.degree // 8)) > 0.1 * tolerance * plan.uniform


def test_bessel_functions():
    from scipy.special import ive

    for d, degree, r in ((2, 30, [1e-3, 5.0, 90.0]), (3, 30, [1e-3, 5.0, 90.0]), (3, 150, [90.0, 600.0])):
        f, slope = coefficients(jnp.asarray(r), degree, d)
        k = np.arange(degree + 2)[:, None]
        exact = ive(k + d / 2 - 1, r) * (1 if d == 2 else np.sqrt(np.pi / (2 * np.array(r))))
        np.testing.assert_allclose(f, exact[:-1], rtol=1e-12)
        np.testing.assert_allclose(slope, k[:-1] / r * exact[:-1] + exact[1:], rtol=1e-12)


def test_pieces():
    rng = np.random.default_rng(0)
    a = rng.uniform(-4, 4, 50)
    re, im = powers(jnp.cos(jnp.asarray(a)), jnp.sin(jnp.asarray(a)), 75)
    np.testing.assert_allclose(re + 1j * im, np.exp(1j * np.outer(np.arange(75), a)), atol=1e-13)
    rho = np.linspace(-1, 1, 21)
    t, dt = chebyshev(jnp.asarray(rho), 9)
    for p in range(9):
        series = np.polynomial.chebyshev.Chebyshev.basis(p)
        np.testing.assert_allclose(t[p], series(rho), atol=1e-13)
        np.testing.assert_allclose(dt[p], series.deriv()(rho) if p else 0 * rho, atol=1e-11)


def test_tables_are_orthonormal_harmonics():
    degree = 40
    T, D = legendre_tables(degree)
    nodes, mass = np.polynomial.legendre.leggauss(degree + 1)
    theta, k = np.arccos(nodes), np.arange(degree + 1)
    cosines, sines = np.cos(np.outer(k, theta)), np.sin(np.outer(k, theta))
    for m in (0, 1, 2, 17, 40):
        P = T[m] @ (sines if m % 2 else cosines)
        gram = (P * mass / 2) @ P.T * (1 if m == 0 else 0.5)
        np.testing.assert_allclose(gram, np.diag((k >= m).astype(float)), atol=2e-13)
        over = D[m] @ (cosines if m % 2 else sines)
        np.testing.assert_allclose(over * np.sin(theta), P if m else 0 * P, atol=1e-12)


def test_bands_of_latitude(monkeypatch):
    """Chunks that are cut, with most points in one band and some bands empty; both ends of the axis of latitudes have a token."""
    monkeypatch.setattr("measureformer.kernels.sphere.pays", lambda degree, n: True)
    monkeypatch.setattr("measureformer.kernels.separable.CHUNK", 100)
    rng = np.random.default_rng(4)
    y, w = cloud(rng, 330, 3)
    y[2:4] = _FRAME[2], -_FRAME[2]
    plan = radii(9.0, 9.0, 1e-13, 3)
    assert plan.degree > 25
    assert max(wrong(SphereKernel(plan), 9 * y, y, w)) <= plan.error < 1e-12


@pytest.mark.parametrize("degree", [9, 79, 200])
def test_few_polynomials_stand_for_a_band(degree):
    theta = 1.0 + np.linspace(0, bands.width(degree), 50)
    C, S, T = bands.band(degree, jnp.asarray(theta))
    exact = np.exp(1j * np.outer(np.arange(degree + 1), theta))
    np.testing.assert_allclose(C @ T + 1j * (S @ T), exact, atol=1e-14 * np.sqrt(degree))


def test_points_by_latitude():
    points = jnp.asarray(unit(np.random.default_rng(5), 200, 3))
    order, ordered = bands.by_latitude(points)
    np.testing.assert_array_equal(ordered[:, :3], points[order])
    np.testing.assert_allclose(ordered[:, 3], np.sort(np.arccos(points[:, 2])), atol=4e-6)
    assert sorted(np.asarray(order)) == list(range(200))


@pytest.mark.slow
@pytest.mark.parametrize("in_bands", [False, True])
def test_derivatives_forward(monkeypatch, in_bands):
    """Tokens on the axes too."""
    monkeypatch.setattr("measureformer.kernels.sphere.pays", lambda degree, n: in_bands)
    rng = np.random.default_rng(2)
    y, w = cloud(rng, 60, 3)
    y[2:8] = np.vstack([np.eye(3), -np.eye(3)])
    kernel = SphereKernel(radii(1.0, 2.0, 1e-12, 3))
    B = np.diag([1.0, 1.5, 2.0])
    v = rng.normal(size=y.shape)
    _, slope = jax.jvp(lambda z: kernel(z, jnp.asarray(y), jnp.asarray(w))[1:], (jnp.asarray(y @ B),), (jnp.asarray(v),))
    # the derivative of e^{shift} mass is the numerator
    numerator, mass, _ = kernel(jnp.asarray(y @ B), jnp.asarray(y), jnp.asarray(w))
    np.testing.assert_allclose(slope[0] + mass * slope[1], (numerator * v).sum(1), atol=1e-10)
    z, turned = 2 * unit(rng, 60, 3), np.cross(y, v)  # keys stay on the sphere
    _, slope = jax.jvp(lambda y: kernel(jnp.asarray(z), y, jnp.asarray(w))[1], (jnp.asarray(y),), (jnp.asarray(turned),))
    np.testing.assert_allclose(slope, (np.exp(z @ y.T - 2) * (z @ turned.T)) @ w, atol=1e-10)


def test_what_has_no_expansion_is_refused():
    for shortest, longest in ((0.0, 1.0), (2.0, 1.0), (1.0, np.inf), (1e-4, 500.0)):
        with pytest.raises(InputError, match="dense kernel"):
            radii(shortest, longest, 1e-12, 3)
