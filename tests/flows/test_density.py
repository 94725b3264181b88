"""Densities along a flow: Jacobians against differences of neighbouring probes, mass by quadrature."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import measureformer as mf
from measureformer import Empirical, InputError, Schedule, Segment, TransformerField
from measureformer.fields import divergence
from measureformer.flows import exact_flow, log_density_at
from measureformer.geometry import GnomonicChart, normalize
from measureformer.measures import UniformOnCap, VonMisesFisher
from schedule_samples import random_schedule
from strategies import seeds


def along_lines(seed: int, d: int) -> Segment:
    """A hinge and a saturated ramp, each along a line of its own; gates also look across."""
    rng = np.random.default_rng(seed)
    e = np.linalg.qr(rng.normal(size=(d, d)))[0]
    U = np.stack([e[0], -e[0], e[1] - 0.2 * e[2], e[1] + 0.4 * e[2], 0.5 * e[1] + e[2]])
    W = np.hstack([np.outer(e[0], rng.normal(size=2)), np.outer(e[1], rng.normal(size=3))])
    return Segment(TransformerField(W=W, U=U), 0.7, "lines")


def every_kind(seed: int, d: int, *, gated: bool = False) -> Schedule:
    """With ``gated`` also a perceptron that has no closed form: the divergence jumps along its paths, which makes integration slow."""
    mean = Segment(TransformerField(V=0.8 * np.eye(d)), 0.5, "means")
    drawn = random_schedule(seed, d).segments
    return Schedule([*(drawn if gated else drawn[:4]), along_lines(seed, d), mean, along_lines(seed + 1, d).inverse()])


def log_jacobians(theta: Schedule, mu: Empirical, x: np.ndarray, step: float) -> np.ndarray:
    """log |det D Phi| at each x by central differences: 2 (d-1) neighbours each, all passive."""
    d, found = x.shape[1], []
    for point in x:
        basis = GnomonicChart(point).basis
        near = np.concatenate([normalize(point + step * basis), normalize(point - step * basis)])
        end = mf.log_density(theta, mu, near, lambda y: 0 * y[:, 0], rtol=1e-12, atol=1e-13).points
        found.append(np.log(np.linalg.svd((end[: d - 1] - end[d - 1 :]) / (2 * step), compute_uv=False)).sum())
    return np.array(found)


def check_jacobians(seed: int, d: int, gated: bool, tolerance: float) -> None:
    rng = np.random.default_rng(seed)
    mu, x = Empirical(normalize(rng.normal(size=(7, d)))), normalize(rng.normal(size=(4, d)))
    theta = every_kind(seed, d, gated=gated)
    assert {(exact_flow(s) or ("integrated",))[0] for s in theta} == {"boost", "shear", "line", "mean field", "integrated"}
    found = -mf.log_density(theta, mu, x, lambda y: 0 * y[:, 0]).log_density
    off = abs(found - log_jacobians(theta, mu, x, 1e-6))
    # a difference that straddles the edge of a gate is no derivative, but few of them do
    assert np.median(off) < tolerance
    assert (off < 1e-2).mean() >= 0.5


@given(seeds(), st.sampled_from([3, 4, 5]))
@settings(max_examples=4)
def test_jacobian_against_differences(seed, d):
    check_jacobians(seed, d, False, 1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("d", [3, 4, 5])
def test_jacobian_of_a_perceptron_without_closed_form(d):
    check_jacobians(d, d, True, 1e-5)


@given(seeds(), st.sampled_from([3, 5]))
def test_divergence_of_the_field(seed, d):
    """Against the trace of differences along an orthonormal basis of the tangent space."""
    rng = np.random.default_rng(seed)
    mu, x = Empirical(normalize(rng.normal(size=(6, d))), rng.uniform(0.1, 1, 6)), normalize(rng.normal(size=(3, d)))
    for segment in random_schedule(seed, d):
        expected = []
        for point in x:
            total = 0.0
            for e in GnomonicChart(point).basis:
                v = segment.field(normalize(np.stack([point + 1e-6 * e, point - 1e-6 * e])), mu.points, mu.weights)
                total += (v[0] - v[1]) @ e / 2e-6
            expected.append(total)
        np.testing.assert_allclose(divergence(segment.field, x, mu.points, mu.weights), expected, atol=1e-7 * d)


def grid(n: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights on S^2: Gauss-Legendre in height times equal steps round."""
    height, weight = np.polynomial.legendre.leggauss(n)
    angle = (np.arange(2 * n) + 0.5) * np.pi / n
    h, a = (v.ravel() for v in np.meshgrid(height, angle, indexing="ij"))
    s = np.sqrt(1 - h * h)
    return np.stack([s * np.cos(a), s * np.sin(a), h], 1), np.repeat(weight * np.pi / n, 2 * n)


def test_mass_stays_one_after_boosts_and_attention():
    """Smooth fields, so that quadrature is accurate to many digits."""
    rng = np.random.default_rng(0)
    source = VonMisesFisher(np.eye(3)[0], 3.0)
    mu = Empirical(source.sample(rng, 10))
    e = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    fields = [
        TransformerField(V=rng.normal(size=(3, 3)) / 2, B=rng.normal(size=(3, 3))),
        TransformerField(W=rng.normal(size=(3, 1)), b=np.ones(1)),
        TransformerField(V=-np.outer(e[0], e[0])),
        TransformerField(V=np.eye(3) / 2),
    ]
    theta = Schedule(Segment(f, 0.6) for f in fields)
    x, weight = grid(40)
    assert weight @ np.exp(log_density_at(theta, mu, x, source.log_density)) == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize(("gated", "n", "tolerance"), [(False, 100, 3e-3), pytest.param(True, 60, 1e-2, marks=pytest.mark.slow)])
def test_mass_stays_one_under_all_kinds(gated, n, tolerance):
    """Gates make the density jump, so quadrature converges slowly."""
    source = VonMisesFisher(np.eye(3)[0], 1.0)
    mu = Empirical(source.sample(np.random.default_rng(0), 5))
    x, weight = grid(n)
    total = weight @ np.exp(log_density_at(every_kind(4, 3, gated=gated), mu, x, source.log_density, rtol=1e-7, atol=1e-8))
    assert total == pytest.approx(1, abs=tolerance)


def test_there_and_back():
    """log_density_at finds at x(T) what log_density carried there, for probes and for the atoms themselves."""
    source = VonMisesFisher(np.eye(4)[0], 2.0)
    x = source.sample(np.random.default_rng(1), 12)
    mu, theta = Empirical(x[:6]), every_kind(2, 4, gated=True)
    pushed = mf.log_density(theta, mu, x, source.log_density)
    np.testing.assert_allclose(pushed.points[:6], mf.flow(theta, [mu]).measures[0].points, atol=1e-8)
    np.testing.assert_allclose(log_density_at(theta, mu, pushed.points, source.log_density), pushed.log_density, atol=1e-6)
    own = mf.log_density(theta, mu, None, source.log_density)
    np.testing.assert_allclose(own.log_density, pushed.log_density[:6], atol=1e-7)


def test_the_uniform_law_under_a_boost():
    """Its image under boost(., w) has the density of the inverse boost's Jacobian over the area: d = 3, (cosh l - sinh l <y, u>)^-2."""
    lam, u = 1.7, np.eye(3)[2]
    theta = Schedule([Segment(TransformerField(W=lam * u[:, None], b=np.ones(1)), 1.0)])
    uniform = UniformOnCap(u, np.pi)
    x = uniform.sample(np.random.default_rng(0), 50)
    pushed = mf.log_density(theta, Empirical(x), None, uniform.log_density)
    expected = -2 * np.log(np.cosh(lam) - np.sinh(lam) * (pushed.points @ u)) - np.log(4 * np.pi)
    np.testing.assert_allclose(pushed.log_density, expected, atol=1e-12)
    far = mf.log_density(Schedule(theta.segments * 20), Empirical(x), -u[None], uniform.log_density)
    assert far.log_density[0] == pytest.approx(-2 * 20 * lam - np.log(4 * np.pi), rel=1e-12)


def test_jax_and_dimensions():
    theta, source = every_kind(0, 3), VonMisesFisher(np.eye(3)[0], 2.0)
    x = source.sample(np.random.default_rng(0), 4)
    exact = Schedule(s for s in theta if (exact_flow(s) or ("",))[0] in ("boost", "shear", "line"))
    on_jax = mf.log_density(exact, Empirical(jnp.asarray(x)), None, source.log_density)
    assert isinstance(on_jax.points, type(jnp.zeros(1)))
    np.testing.assert_allclose(on_jax.log_density, mf.log_density(exact, Empirical(x), None, source.log_density).log_density, atol=1e-10)
    with pytest.raises(InputError, match="points of dimension 4 cannot follow a measure of dimension 3"):
        mf.log_density(theta, Empirical(x), np.eye(4), source.log_density)
