"""Group 2: the equiangular equation against the full system, quadrature, and the printed tables. Group 7: the exact discrete map."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from measureformer import InputError, TransformerField
from measureformer.diagnostics import energy_gradient
from measureformer.dynamics import (
    discrete_front,
    equiangular,
    equiangular_log_time,
    equiangular_rate,
    equiangular_step,
    equiangular_time,
    gamma_curve,
    late_rate,
)
from measureformer.fields import attention
from measureformer.flows import integrate_ode
from measureformer.geometry import normalize

BETAS = np.arange(10.0)
SA = [5.18626, 5.27028, 5.45839, 5.89761, 6.95350, 9.54433, 15.9953, 32.2331, 73.4457, 178.731]
LAWS = st.sampled_from(["softmax", "unnormalised", "peak"])
USA = [5.18626, 2.89705, 1.88042, 1.39152, 1.13077, 0.974607, 0.870230, 0.793962, 0.734491, 0.685988]


def tokens(rho, n):
    """n tokens of R^n with one common inner product."""
    values, vectors = np.linalg.eigh((1 - rho) * np.eye(n) + rho)
    return normalize(vectors * np.sqrt(np.maximum(values, 0)))


@pytest.mark.parametrize("law", ["softmax", "unnormalised"])
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(("n", "beta", "rho"), [(5, 0.0, 0.0), (5, 3.0, 0.2), (3, 6.0, -0.3), (4, -1.5, 0.1)])
def test_group_2_scalar_equation_against_the_full_system(law, sign, n, beta, rho):
    field = TransformerField(V=np.eye(n), B=beta * np.eye(n))

    def velocity(x):
        """Of the directions; off the sphere the repulsive field would run away."""
        return sign * (field(normalize(x), normalize(x), np.full(n, 1 / n)) if law == "softmax" else energy_gradient(normalize(x), beta))

    end = normalize(integrate_ode(velocity, tokens(rho, n), 0.8).value)
    pairs = (end @ end.T)[np.triu_indices(n, 1)]
    np.testing.assert_allclose(pairs, equiangular(0.8, beta, n, start=rho, law=law, sign=sign), atol=1e-9)


@given(st.floats(-5, 40), st.integers(2, 50), st.floats(0.02, 0.9), st.floats(1e-6, 0.95), st.sampled_from([1.0, -1.0]))
def test_group_2_inverse_against_quadrature(beta, n, place, step, sign):
    """Closed form to 1e-12, of the integral of 1/rho' over a random interval."""
    c = 1 / (n - 1)
    low = place * (1 + c) - c
    high = low + step * (1 - low) * 0.98
    start, end = (low, high) if sign > 0 else (high, low)
    for law in ("softmax", "unnormalised", "peak"):
        by_quadrature = quad(lambda r, law=law: 1 / equiangular_rate(r, beta, n, law=law, sign=sign), start, end, epsabs=0, epsrel=2e-13)[0]
        # 1 - rho is known to 1e-16, and so is the way
        assert equiangular_time(end, beta, n, start=start, law=law, sign=sign) == pytest.approx(
            by_quadrature, rel=1e-12 + 1e-15 / (high - low)
        )


@given(st.floats(-5, 900), st.integers(2, 50), st.floats(0.02, 0.9), st.floats(-6, 1.3), LAWS)
def test_group_2_the_solution_inverts_the_time(beta, n, place, log_t, law):
    c = 1 / (n - 1)
    start = place * (1 + c) - c
    for sign in (1.0, -1.0):
        with np.errstate(over="ignore"):
            t = 10.0**log_t * np.exp(beta * (1 - start) if law == "peak" else max(beta * (1 - start), 0) * (law == "softmax") * 0.9)
        if not np.isfinite(t):
            continue
        rho = equiangular(t, beta, n, start=start, law=law, sign=sign)
        assert -c <= rho <= 1
        if 1e-9 < 1 - rho and rho + c > 1e-9 and abs(rho - start) > 1e-4:
            assert equiangular_log_time(rho, beta, n, start=start, law=law, sign=sign) == pytest.approx(np.log(t), abs=1e-5)


def test_group_2_logistic_curve_at_beta_zero():
    t = np.linspace(0, 8, 9)
    for n in (2, 7):
        expected = np.expm1(2 * t) / (np.exp(2 * t) + n - 1)
        np.testing.assert_allclose(equiangular(t, 0.0, n), expected, rtol=0, atol=1e-14)
    np.testing.assert_allclose(equiangular(t, 0.0, 2), np.tanh(t), atol=1e-14)


def test_group_2_table_of_times_and_the_curve():
    np.testing.assert_allclose(equiangular_time(0.999, BETAS, 32), SA, rtol=2e-6)
    np.testing.assert_allclose(equiangular_time(0.999, BETAS, 32, law="unnormalised"), USA, rtol=2e-6)
    at = [6.0, 8.0, 10.0, 15.0, 20.0, 30.0]
    np.testing.assert_allclose(gamma_curve(at, 32), [3.1461, 4.5156, 5.1099, 5.8941, 6.3447, 6.9065], atol=6e-5)
    np.testing.assert_allclose(gamma_curve(at, 128), [2.187, 5.203, 5.912, 6.757, 7.220, 7.785], atol=6e-4)
    assert np.isnan(gamma_curve(5.0, 32)) and np.isnan(gamma_curve(6.0, 32, law="unnormalised"))
    assert equiangular_time(0.999, gamma_curve(1.0, 32, law="unnormalised"), 32, law="unnormalised") == pytest.approx(1.0, rel=1e-10)


def test_group_2_printed_closed_inverse():
    """t_SA and t_USA of 4.1 in Ei and E1 from rho = 0, as printed."""
    from scipy.special import exp1, expi

    for n, b, g in [(5, 2.0, 0.7), (32, 6.0, 0.99), (2, 10.0, 0.3)]:
        c = 1 / (n - 1)
        ei, e1 = expi(b) - expi(b * (1 - g)), exp1(b * c) - exp1(b * (g + c))
        softmax = ((n - 1) * np.log(((n - 1) * g + 1) / (1 - g)) + ei + np.exp(b * (1 + c)) * e1) / (2 * n)
        assert equiangular_time(g, b, n) == pytest.approx(softmax, rel=1e-12)
        assert equiangular_time(g, b, n, law="unnormalised") == pytest.approx((np.exp(-b) * ei + np.exp(b * c) * e1) / 2, rel=1e-12)


def test_group_2_large_beta_in_logarithms():
    """Far beyond overflow: with one term of the Laplace expansion, log t = beta + log(1/(2 beta)) + O(n/beta)."""
    for beta in (700.0, 5e3, 1e6):
        log_t = float(equiangular_log_time(0.999, beta, 2))
        assert log_t == pytest.approx(beta - np.log(2 * beta), abs=2 / beta)
    assert equiangular_time(0.999, 5e3, 2) == np.inf
    assert equiangular_log_time(0.999, 5e3, 2, law="peak") - equiangular_log_time(0.999, 5e3, 2, law="unnormalised") == pytest.approx(5e3)


def test_group_16_repulsion_to_the_simplex_and_its_rate():
    n, beta = 6, 2.0
    rate = 2 * n * np.exp(-beta / (n - 1)) / (np.exp(beta) + (n - 1) * np.exp(-beta / (n - 1)))
    gap = equiangular(np.array([20.0, 21.0]), beta, n, sign=-1.0) + 1 / (n - 1)
    assert np.log(gap[0] / gap[1]) == pytest.approx(rate, rel=1e-5)


def test_rates_near_consensus_and_initial_slopes():
    beta, n = 3.0, 8
    assert equiangular_rate(0.0, beta, n) == pytest.approx(2 / (np.exp(beta) + n - 1))
    assert equiangular_rate(0.0, beta, n, law="unnormalised") == pytest.approx(2 / n)
    for law, rate in (("softmax", 2), ("unnormalised", 2 * np.exp(beta)), ("peak", 2)):
        assert equiangular_rate(1 - 1e-9, beta, n, law=law) / 1e-9 == pytest.approx(rate, rel=1e-6)


@settings(max_examples=10)
@given(st.integers(0, 10**6), st.sampled_from([0.1, 1.0]), st.floats(0, 8))
def test_group_7_discrete_map_against_layers(seed, eta, beta):
    rho, n = np.random.default_rng(seed).uniform(-0.1, 0.99), 6
    x = tokens(rho, n)
    moved = normalize(x + eta * attention(x, x, np.full(n, 1 / n), beta * np.eye(n)))
    np.testing.assert_allclose((moved @ moved.T)[np.triu_indices(n, 1)], equiangular_step(rho, beta, n, eta), atol=2e-14)


def test_group_7_late_rate_and_the_front_of_the_simulator():
    assert late_rate(0.1) == pytest.approx(1.9062, abs=5e-5)
    assert late_rate(0.1, projected=True) == pytest.approx(2.107, abs=5e-4)
    rho = 1 - 1e-8
    assert np.log((1 - rho) / (1 - equiangular_step(rho, 5.0, 32, 0.1))) / 0.1 == pytest.approx(late_rate(0.1), rel=1e-5)
    assert discrete_front(29.9, 32, 0.1) == pytest.approx(6.780, abs=5e-4)  # the printed value: 299 layers
    assert discrete_front(30.0, 32, 0.1) == pytest.approx(6.784, abs=5e-4)
    assert discrete_front(30.0, 32, 0.02) == pytest.approx(float(gamma_curve(30.0, 32)), abs=0.03)
    assert np.isnan(discrete_front(3.0, 32, 0.1))


def test_what_is_refused():
    for call, word in [
        (lambda: equiangular_time(0.2, 1.0, 4, start=0.5), "never reached"),
        (lambda: equiangular_time(0.5, 1.0, 4, start=0.2, sign=-1.0), "never reached"),
        (lambda: equiangular_rate(-0.6, 1.0, 4), "lie in"),
        (lambda: equiangular_rate(0.1, 1.0, 1), "at least 2"),
        (lambda: equiangular_rate(0.1, 1.0, 4, law="linear"), "choose one of softmax"),
        (lambda: equiangular_rate(0.1, 1.0, 4, sign=0.5), r"\+1 or -1"),
        (lambda: equiangular_rate(0.9, 1e3, 4, law="unnormalised"), "law='peak'"),
        (lambda: equiangular(-1.0, 1.0, 4), "t must be"),
        (lambda: gamma_curve(6.0, 32, delta=2.0), "delta must"),
        (lambda: discrete_front(0.01, 32, 0.1), "less than one layer"),
    ]:
        with pytest.raises(InputError, match=word):
            call()
    assert equiangular_time(1.0, 1.0, 4) == np.inf
