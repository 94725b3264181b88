"""Group 3: two tokens, two clusters with masses, causal at half speed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad

from measureformer import InputError, TransformerField
from measureformer.diagnostics import energy_gradient
from measureformer.dynamics import merge_time_asymptotic, pair_cosine, pair_rate, pair_time
from measureformer.flows import integrate_ode
from measureformer.geometry import distance, normalize


def two(u, d=3):
    return np.array([[1.0, 0, 0], [u, np.sqrt(1 - u * u), 0]])[:, :d]


@pytest.mark.parametrize("law", ["softmax", "unnormalised"])
@pytest.mark.parametrize(("beta", "u", "p"), [(0.0, 0.3, 0.5), (3.0, -0.4, 0.5), (2.0, 0.1, 0.8), (-1.0, 0.2, 0.3)])
def test_group_3_against_the_particles(law, beta, u, p):
    w, field = np.array([p, 1 - p]), TransformerField(V=np.eye(3), B=beta * np.eye(3))

    def velocity(x):
        return field(x, x, w) if law == "softmax" else energy_gradient(x, beta, w)

    end = normalize(integrate_ode(velocity, two(u), 1.3).value)
    assert pair_cosine(1.3, beta, start=u, masses=(p, 1 - p), law=law) == pytest.approx(end[0] @ end[1], abs=1e-9)


@given(st.floats(-2, 12), st.floats(-0.8, 0.5), st.floats(0.05, 0.95), st.booleans())
def test_group_3_times_are_integrals_of_the_speed(beta, start, p, causal):
    masses = (p, 1 - p)
    for law in ("softmax", "unnormalised", "peak"):
        options = {"masses": masses, "causal": causal, "law": law}
        expected = quad(lambda u, options=options: 1 / pair_rate(u, beta, **options), start, 0.9, epsabs=0, epsrel=1e-12)[0]
        assert pair_time(0.9, beta, start=start, **options) == pytest.approx(expected, rel=1e-10)


def test_group_3_there_and_back_with_masses():
    for options in ({"masses": (0.8, 0.2)}, {"masses": (0.5, 0.5)}, {"masses": (0.8, 0.2), "causal": True}):
        times = np.array([5.0, 0.2, 8.0])
        u = pair_cosine(times, 6.0, start=0.1, **options)
        np.testing.assert_allclose(pair_time(u, 6.0, start=0.1, **options), times, rtol=1e-9)


def test_group_3_causal_is_half_the_speed_and_the_first_rests():
    u, beta = np.linspace(-0.9, 0.9, 7), 4.0
    np.testing.assert_allclose(pair_rate(u, beta, causal=True), (1 - u**2) / (1 + np.exp(beta * (1 - u))), rtol=1e-14)
    np.testing.assert_allclose(2 * pair_rate(u, beta, causal=True), pair_rate(u, beta), rtol=1e-14)
    assert pair_time(0.99, beta, causal=True) == pytest.approx(2 * pair_time(0.99, beta), rel=1e-14)
    np.testing.assert_allclose(pair_cosine(3.0, beta, causal=True), pair_cosine(1.5, beta), rtol=1e-14)


def test_group_3_angles_on_the_circle():
    """phi' = -sin(phi) e^{b cos phi} and -2 sin(phi)/(1 + e^{b (1 - cos phi)}); b = 0: tan(phi/2) = tan(phi_0/2) e^{-t}."""
    phi, beta = 1.1, 2.0
    assert pair_rate(np.cos(phi), beta, law="unnormalised") == pytest.approx(np.sin(phi) ** 2 * np.exp(beta * np.cos(phi)))
    assert pair_rate(np.cos(phi), beta) == pytest.approx(2 * np.sin(phi) ** 2 / (1 + np.exp(beta * (1 - np.cos(phi)))))
    assert np.tan(np.arccos(pair_cosine(0.7, 0.0, start=np.cos(phi))) / 2) == pytest.approx(np.tan(phi / 2) * np.exp(-0.7), rel=1e-12)
    assert pair_cosine(0.7, 0.0, start=0.3) == pytest.approx(np.tanh(0.7 + np.arctanh(0.3)), rel=1e-13)


def test_group_3_merge_times():
    assert pair_time(0.999, 9.0) == pytest.approx(466.71, abs=0.005)
    assert pair_time(0.999, 16.0) == pytest.approx(279981, abs=0.5)
    np.testing.assert_allclose(merge_time_asymptotic([9.0, 16.0]), [450.17, 277691], rtol=1e-5)
    for beta in (50.0, 400.0):  # the error is O(1/beta)
        assert abs(pair_time(0.999, beta) / merge_time_asymptotic(beta) - 1) < 1 / beta
    # masses: s (p/q + q/p)^{-1} in place of s/2
    p, q = 0.8, 0.2
    expected = merge_time_asymptotic(60.0, start=0.1) * 2 * p * q / (p * p + q * q)
    assert pair_time(0.9, 60.0, start=0.1, masses=(p, q)) == pytest.approx(expected, rel=0.02)
    assert np.isfinite(pair_time(0.9, 650.0, start=0.0, masses=(p, q)))


def test_what_is_refused():
    for call, word in [
        (lambda: pair_rate(1.5, 1.0), "lies in"),
        (lambda: pair_rate(0.5, 1.0, masses=(0.5, 0.6)), "sum 1"),
        (lambda: pair_time(0.1, 1.0, start=0.5), "not above u"),
        (lambda: pair_cosine(-1.0, 1.0, masses=(0.2, 0.8)), "at least 0"),
        (lambda: pair_rate(0.5, 1e4, law="unnormalised"), "law='peak'"),
    ]:
        with pytest.raises(InputError, match=word):
            call()
    assert pair_time(1.0, 2.0, masses=(0.2, 0.8)) == np.inf
    assert distance(*two(0.5)) == pytest.approx(np.pi / 3)
