"""Flows of fields: against naive integration and closed forms, every keyword."""

from collections.abc import Callable

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from scipy.special import exp1

from measureformer import Empirical, InputError, Schedule, Segment, TransformerField, flow
from measureformer.diagnostics import clusters, dissipation, interaction_energy
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
from measureformer.flows import Converged, Escape, Jump, Noise, Stop
from measureformer.geometry import Euclidean, Rescaled, Sphere, normalize, tangent
from oracles import naive
from strategies import measures, rotations


def cloud(n, d=3, seed=0, weights=False):
    rng = np.random.default_rng(seed)
    return Empirical(normalize(rng.normal(size=(n, d))), rng.uniform(0.2, 1, n) if weights else None)


def sa(beta, space=None):
    return ParticleField(Softmax(beta)) if space is None else ParticleField(Softmax(beta), space)


def off_sphere(result):
    return max(abs(np.linalg.norm(np.asarray(x, float), axis=-1) - 1).max() for x in result.points)


def test_against_a_naive_solver():
    mu, theta = cloud(5, weights=True), TransformerField(V=np.diag([1.0, -0.5, 0.3]), B=2 * np.eye(3), W=np.eye(3), U=np.eye(3))
    expected = naive.solve(mu.points, mu.weights, [(1.5, theta.V, theta.B, theta.W, theta.U, np.zeros(3))])
    result = flow(theta, mu, 1.5)
    assert (result.stop, result.times.tolist()) == (Stop.HORIZON, [0.0, 1.5])
    np.testing.assert_allclose(result.measures[0].points, expected, atol=1e-8)
    through = flow(Schedule([Segment(theta, 1.5)]), [mu]).measures[0].points
    np.testing.assert_allclose(result.measures[0].points, through, atol=1e-8)
    np.testing.assert_array_equal(result.measures[0].weights, mu.weights)


class Asks(eqx.Module):
    """Rotates, and notes to how many digits JAX was told to multiply matrices."""

    note: Callable[[object], None] = eqx.field(static=True)
    space: Sphere = Sphere()

    def __call__(self, x, points, weights, t=0.0):
        self.note(jax.config.jax_default_matmul_precision)
        return tangent(x, x[..., ::-1])


def test_single_precision_products_keep_their_digits_on_accelerators():
    heard, mu = [], cloud(4)
    flow(Asks(heard.append), Empirical(mu.points.astype(np.float32), mu.weights.astype(np.float32)), 0.1)
    assert heard and set(heard) == {"highest"}


@pytest.mark.parametrize("law", [Softmax(4.0), Unnormalised(2.0), Linear(2.0), L2(2.0), Sigmoid(2.0), Sinkhorn(2.0), Scaled(Softmax(2.0))])
def test_group_1_points_stay_on_the_sphere(law):
    result = flow(ParticleField(law), cloud(12, 4), 3.0, saveat=7)
    assert result.stop is Stop.HORIZON and off_sphere(result) <= 4e-16
    assert 0 < result.drift < 1e-7


def test_hardmax_needs_fixed_steps():
    result = flow(ParticleField(Hardmax()), cloud(12, 4), 3.0, step=0.05, solver=diffrax.Euler())
    assert result.stop is Stop.HORIZON and result.steps == 60 and off_sphere(result) <= 4e-16


@pytest.mark.parametrize(("law", "name"), [(Softmax(3.0), "softmax"), (Unnormalised(3.0), "unnormalised")])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_group_1_energy_and_dissipation(law, name, sign):
    """E(t) - E(0) is the integral of the squared speed in the metric of the law, with the sign of V; and E is monotone."""
    mu = cloud(10, 3, 1, weights=True)
    result = flow(
        ParticleField(Scaled(law, sign)), mu, 2.0, saveat=40,
        quantities={"energy": lambda x, w: interaction_energy(x, 3.0, w)},
        rates={"dissipated": lambda x, v, w: dissipation(x, v, 3.0, w, law=name)},
    )  # fmt: skip
    energy, dissipated = result.quantities["energy"][0], result.integrals["dissipated"][0]
    np.testing.assert_allclose(energy - energy[0], sign * dissipated, rtol=1e-7, atol=1e-9 * energy[0])
    assert (np.diff(sign * energy) > 0).all()


def test_group_2_equiangular_at_beta_0():
    """rho(t) = (e^{2t} - 1) / (e^{2t} + n - 1) from orthonormal tokens."""
    for field in (sa(0.0), ParticleField(Unnormalised(0.0))):
        result = flow(field, Empirical(np.eye(5)), 2.0, saveat=4)
        for t, x in zip(result.times, result.points[0], strict=True):
            rho = np.expm1(2 * t) / (np.exp(2 * t) + 4)
            np.testing.assert_allclose((x @ x.T)[np.triu_indices(5, 1)], rho, atol=1e-9)


def test_group_2_time_to_consensus_of_the_table():
    """n = 32: the time at which the common cosine is 0.999, softmax and unnormalised, spec 4.1."""
    for field, table in ((Softmax, {1.0: 5.27028, 4.0: 6.95350}), (Unnormalised, {1.0: 2.89705, 4.0: 1.13077})):
        for beta, time in table.items():
            x = flow(ParticleField(field(beta)), Empirical(np.eye(32)), time).measures[0].points
            assert abs(x[0] @ x[1] - 0.999) < 2e-7 * (30 if field is Unnormalised else 3)


@pytest.mark.parametrize("beta", [0.0, 1.0, 5.0])
def test_group_3_two_tokens_and_a_weighted_pair(beta):
    """u' of spec 4.2, integrated by other means, against the flow."""
    from scipy.integrate import solve_ivp

    def rate(t, u, p):
        q = 1 - p
        e = np.exp(beta * (u - 1))
        return (1 - u**2) * (q * e / (p + q * e) + p * e / (q + p * e))

    for p in (0.5, 0.2):
        mu = Empirical(np.array([[1.0, 0.0], [-0.3, np.sqrt(1 - 0.09)]]), np.array([p, 1 - p]))
        u = solve_ivp(rate, (0, 3), [-0.3], "DOP853", args=(p,), rtol=1e-12, atol=1e-13).y[0, -1]
        x = flow(sa(beta), mu, 3.0).measures[0].points
        assert abs(x[0] @ x[1] - u) < 1e-9


def test_group_3_causal_is_half_as_fast():
    """Two tokens: under the causal mask x_1 is fixed and the cosine moves at exactly half the speed."""
    mu = Empirical(np.array([[1.0, 0.0, 0.0], [0.1, np.sqrt(0.99), 0.0]]))
    causal = flow(ParticleField(Softmax(2.0), mask=Causal()), mu, 3.0).measures[0].points
    full = flow(sa(2.0), mu, 1.5).measures[0].points
    np.testing.assert_allclose(causal[0], mu.points[0], atol=1e-15)
    assert abs(causal[0] @ causal[1] - full[0] @ full[1]) < 1e-9


def test_group_4_cross_ratios_at_beta_0():
    result = flow(sa(0.0), cloud(6, 4, 2), 1.0)
    before, after = (1 - x @ x.T for x in result.points[0])
    for i, j, k, l in ((0, 1, 2, 3), (5, 2, 4, 1)):
        ratios = [gap[i, j] * gap[k, l] / (gap[i, k] * gap[j, l]) for gap in (before, after)]
        assert abs(ratios[1] / ratios[0] - 1) < 1e-8 and abs(after[i, j] / before[i, j] - 1) > 1e-2


def test_group_16_repulsion_leads_to_the_simplex():
    """n <= d + 1, V = -I: every cosine tends to -1/(n-1), at the rate of spec 4.1."""
    mu, beta, n = cloud(4, 3, 3), 1.0, 4
    end = flow(ParticleField(Scaled(Softmax(beta))), mu, 100.0).measures[0].points
    np.testing.assert_allclose((end @ end.T)[np.triu_indices(4, 1)], -1 / 3, atol=1e-8)
    equiangular = Empirical(normalize(np.eye(4) - 0.2))
    x = flow(ParticleField(Scaled(Softmax(beta))), equiangular, 6.0, saveat=[4.0, 6.0], rtol=1e-12, atol=1e-14).points[0]
    rate = np.log((x[0][0] @ x[0][1] + 1 / 3) / (x[1][0] @ x[1][1] + 1 / 3)) / 2
    q = np.exp(-beta / (n - 1))
    assert abs(rate - 2 * n * q / (np.exp(beta) + (n - 1) * q)) < 1e-3


@settings(max_examples=6)
@given(mu=measures(6, 3), R=rotations(3))
def test_group_17_equivariance(mu, R):
    one = flow(sa(2.0), mu, 1.0).measures[0].points
    turned = flow(sa(2.0), Empirical(mu.points @ R.T, mu.weights), 1.0).measures[0].points
    np.testing.assert_allclose(turned, one @ R.T, atol=1e-7)
    order = np.random.default_rng(0).permutation(6)
    np.testing.assert_allclose(flow(sa(2.0), Empirical(mu.points[order], mu.weights[order]), 1.0).measures[0].points, one[order], atol=1e-8)


def test_group_18_the_three_clocks_of_unnormalised_attention():
    mu, beta = cloud(6, 3, 4), 3.0
    ends = [flow(ParticleField(Unnormalised(beta, time=u)), mu, u.clock(0.2, beta, 6)).measures[0].points for u in TimeUnit]
    np.testing.assert_allclose(ends[1], ends[0], atol=1e-8)
    np.testing.assert_allclose(ends[2], ends[0], atol=1e-8)


def test_large_beta_of_the_unnormalised_law():
    """Refused where it overflows, with the remedy; with the other clock beta = 900 runs."""
    with pytest.raises(InputError, match=r"overflow at beta = 900; take the time unit TimeUnit\.PEAK"):
        flow(ParticleField(Unnormalised(900.0)), cloud(6), 1.0)
    result = flow(ParticleField(Unnormalised(900.0, time=TimeUnit.PEAK)), cloud(6), 10.0)
    assert result.stop is Stop.HORIZON
    np.testing.assert_allclose(result.measures[0].points, cloud(6).points, atol=1e-6)


def test_batches_do_not_see_each_other_and_sizes_may_differ():
    mus = [cloud(4, 3, 5), cloud(9, 3, 6, weights=True)]
    together = flow(sa(3.0), mus, 1.5, saveat=3)
    for i, mu in enumerate(mus):
        alone = flow(sa(3.0), mu, 1.5, saveat=3)
        assert together.points[i].shape == (4, mu.size, 3)
        np.testing.assert_allclose(together.points[i], alone.points[0], atol=1e-8)


def test_probes_follow_and_have_no_influence():
    mu, probes = cloud(8, 3, 7), cloud(5, 3, 8).points
    for law in (Softmax(2.0), Sinkhorn(2.0), Unnormalised(2.0)):
        with_them = flow(ParticleField(law), mu, 1.0, probes=np.concatenate([probes, mu.points[:1]]))
        np.testing.assert_allclose(with_them.points[0], flow(ParticleField(law), mu, 1.0).points[0], atol=1e-8)
        assert with_them.probes[0].shape == (2, 6, 3)
        np.testing.assert_allclose(with_them.probes[0][-1, -1], with_them.points[0][-1, 0], atol=1e-12)


def test_saved_times_and_dense_output():
    times = [0.3, 0.31, 1.0]
    result = flow(sa(2.0), cloud(5), 2.0, saveat=times, dense=True)
    np.testing.assert_allclose(result.times, times, rtol=0, atol=0)
    for t in (0.1, 0.7, 0.99):
        np.testing.assert_allclose(result.at(t)[0].points, flow(sa(2.0), cloud(5), t).measures[0].points, atol=1e-6)
    with pytest.raises(InputError, match="outside"):
        result.at(1.5)
    with pytest.raises(InputError, match="dense=True"):
        flow(sa(2.0), cloud(5), 1.0).at(0.5)


def test_fixed_steps_have_the_order_of_the_solver():
    exact = flow(sa(2.0), cloud(5), 1.0, rtol=1e-12, atol=1e-13).measures[0].points
    for solver, order in ((diffrax.Euler(), 1), (diffrax.Heun(), 2), (diffrax.Bosh3(), 3)):
        errors = [abs(flow(sa(2.0), cloud(5), 1.0, step=h, solver=solver).measures[0].points - exact).max() for h in (0.1, 0.05)]
        assert abs(np.log2(errors[0] / errors[1]) - order) < 0.25


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_follows_the_input(dtype):
    mu = Empirical(cloud(6).points.astype(dtype))
    with jax.enable_x64(False):
        result = flow(sa(2.0), mu, 1.0)
        assert jnp.ones(1).dtype == jnp.float32
    assert result.points[0].dtype == dtype and result.stop is Stop.HORIZON
    np.testing.assert_allclose(result.points[0][-1], flow(sa(2.0), cloud(6), 1.0).points[0][-1], atol=1e-4 if dtype == np.float32 else 1e-9)


def test_convergence_is_an_event():
    result = flow(sa(1.0), cloud(6), 1000.0, events=[Converged(1e-6)])
    (event,) = result.happenings
    assert result.stop is Stop.CONVERGED and result.times[-1] < 40
    assert event.kind == "converged" and event.value < 1e-6 and event.time == result.times[-1]


def test_group_11_merges_of_five_tokens_on_the_circle():
    """The pairs of `kinetic` (spec 7) merge, at cosine .999, at times 1.267, 2.409 and about 5.2; the energy then rests near .52."""
    angles = np.array([0.0622, 0.2143, 1.8191, 2.9111, -3.0952])
    mu = Empirical(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    watch = Jump("merged", lambda x, w: clusters(x, np.arccos(0.999), w).count)
    energy = {"energy": lambda x, w: interaction_energy(x, 4.0, w, normalisation="unit")}
    result = flow(sa(4.0), mu, 20.0, events=[watch], quantities=energy)
    assert [h.value for h in result.happenings] == [4, 3, 2]
    np.testing.assert_allclose([h.time for h in result.happenings], [1.267, 2.409, 5.195], atol=2e-3)
    assert 0.5203 < result.quantities["energy"][0, -1] < 0.521
    whole = flow(sa(4.0), mu, 400.0, events=[watch])
    assert abs(whole.happenings[-1].time - 328.405) < 2e-3 and whole.happenings[-1].value == 1
    until = flow(sa(4.0), mu, 20.0, events=[Jump("merged", watch.count, until=3)])
    assert until.stop is Stop.EVENT and 2.409 < until.times[-1] < 5


def test_blow_up_in_finite_time_is_estimated():
    """One token on the line: linear x' = x^3, T = 1/(2 x0^2); unnormalised x' = x e^{x^2}, T = E_1(x0^2)/2. What was computed is kept."""
    mu = Empirical(np.array([[0.8]]))
    for law, exact in ((Linear(), 1 / (2 * 0.64)), (Unnormalised(), exp1(0.64) / 2)):
        result = flow(ParticleField(law, Euclidean()), mu, 10.0, saveat=200)
        assert result.stop is Stop.BLOW_UP
        event = result.happenings[-1]
        assert event.kind == "blow-up" and abs(event.value / exact - 1) < 1e-6
        assert len(result.times) > 2 and np.isfinite(result.points[0]).all() and result.times[-1] <= event.value * (1 + 1e-9)
    early = flow(ParticleField(Linear(), Euclidean()), mu, 10.0, events=[Escape(100.0)])
    assert early.stop is Stop.BLOW_UP and abs(early.happenings[-1].value / (1 / 1.28) - 1) < 1e-3
    merely_fast = flow(ParticleField(Softmax(), Euclidean()), mu, 40.0, events=[Escape(1e6)])
    assert merely_fast.stop is Stop.BLOW_UP and merely_fast.happenings[-1].value == np.inf


def test_rescaled_coordinates_in_R_d():
    """z = exp(-tV) x: the same tokens, seen from coordinates in which they stay bounded (arXiv:2305.05465)."""
    rng = np.random.default_rng(9)
    V = np.array([[1.0, 0.2, 0.0], [0.0, 0.7, 0.1], [0.3, 0.0, -0.5]])
    mu = Empirical(rng.normal(size=(6, 3)))
    z = flow(ParticleField(Softmax(1.0, V=V), Rescaled(V)), mu, 1.2).measures[0].points
    x = flow(ParticleField(Softmax(1.0, V=V), Euclidean()), mu, 1.2).measures[0].points
    from scipy.linalg import expm

    np.testing.assert_allclose(z @ expm(1.2 * V).T, x, atol=1e-8)


def test_time_dependent_parameters():
    """A factor c(t) is a change of clock: int c = 1.5."""
    mu = cloud(5)
    slow = flow(ParticleField(Scaled(Softmax(2.0), lambda t: t)), mu, np.sqrt(3.0)).measures[0].points
    np.testing.assert_allclose(slow, flow(sa(2.0), mu, 1.5).measures[0].points, atol=1e-8)


@pytest.mark.parametrize("heun", [False, True])
def test_group_20_noise_is_brownian_motion_of_the_sphere(heun):
    """Without drift E x(t) = e^{-(d-1) t / kappa} x(0): within four standard errors, and on the sphere."""
    n, kappa, t = 20_000, 2.0, 0.5
    mu = Empirical(np.tile([[0.0, 0.0, 1.0]], (n, 1)))
    still = ParticleField(MultiHead((Scaled(Linear(), 0.0),)))
    noise = Noise(kappa, jax.random.key(1), heun)
    result = flow(still, mu, t, step=0.01, noise=noise)
    height = result.measures[0].points[:, 2]
    assert abs(height.mean() - np.exp(-2 * t / kappa)) < 4 * height.std() / np.sqrt(n) + 1e-3
    assert off_sphere(result) <= 4e-16
    again = flow(still, mu, t, step=0.01, noise=noise).measures[0].points
    np.testing.assert_array_equal(again, result.measures[0].points)


def test_noise_in_R_d():
    """Brownian motion: variance 2 t / kappa in each coordinate, within four standard errors."""
    n, kappa = 20_000, 4.0
    still = ParticleField(Scaled(Linear(), 0.0), Euclidean())
    x = flow(still, Empirical(np.zeros((n, 2))), 1.0, step=0.1, noise=Noise(kappa, jax.random.key(2))).measures[0].points
    assert abs(x.var() / (2 / kappa) - 1) < 4 * np.sqrt(2 / (2 * n))


def test_weak_noise_is_close_to_no_noise():
    for heun in (False, True):
        noisy = flow(sa(2.0), cloud(6), 1.0, step=0.005, noise=Noise(1e12, jax.random.key(0), heun)).measures[0].points
        np.testing.assert_allclose(noisy, flow(sa(2.0), cloud(6), 1.0).measures[0].points, atol=2e-3 if not heun else 2e-5)


def test_bad_input_is_named():
    mu = cloud(5)
    for message, call in {
        "needs a horizon": lambda: flow(sa(1.0), mu),
        "horizon of its own": lambda: flow(Schedule([]), [mu], 1.0),
        "horizon must be positive": lambda: flow(sa(1.0), mu, -1.0),
        "outside of": lambda: flow(sa(1.0), mu, 1.0, saveat=[0.5, 2.0]),
        "increasing times": lambda: flow(sa(1.0), mu, 1.0, saveat=[0.5, 0.2]),
        "step must be positive": lambda: flow(sa(1.0), mu, 1.0, step=0.0),
        "rtol must be positive": lambda: flow(sa(1.0), mu, 1.0, rtol=-1.0),
        "noise needs a fixed step": lambda: flow(sa(1.0), mu, 1.0, noise=Noise(1.0, jax.random.key(0))),
        "kappa must be positive": lambda: Noise(0.0, jax.random.key(0)),
        "norm 2": lambda: flow(sa(1.0), Empirical(2 * mu.points), 1.0),
        "no error estimate": lambda: flow(sa(1.0), mu, 1.0, solver=diffrax.Euler()),
        "probes must be": lambda: flow(sa(1.0), mu, 1.0, probes=np.ones((2, 4))),
        "measures is empty": lambda: flow(sa(1.0), [], 1.0),
        "differ in dimension": lambda: flow(sa(1.0), [mu, cloud(5, 4)], 1.0),
        "take a larger eps": lambda: flow(ParticleField(Sinkhorn(eps=0.5, iterations=2)), mu, 1.0),
        "dimension 3": lambda: flow(ParticleField(Softmax(1.0, Q=np.eye(2))), mu, 1.0),
    }.items():
        with pytest.raises(InputError, match=message):
            call()


def test_the_limit_of_steps_is_said():
    result = flow(sa(2.0), cloud(5), 10.0, saveat=10, max_steps=4)
    assert result.stop is Stop.STEPS and result.times[-1] < 10 and result.steps <= 4
