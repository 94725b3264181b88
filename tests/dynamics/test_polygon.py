"""Group 6: eigenvalues of the k-gon. Group 8: the uniform grid rests. Group 4: what beta = 0 conserves."""

import numpy as np
import pytest
from scipy.special import iv

from measureformer import Empirical, InputError, Schedule, Segment, TransformerField, flow
from measureformer.dynamics import cross_ratio, interaction_slope, ott_antonsen_radius, polygon_rates
from measureformer.flows import integrate_ode
from measureformer.geometry import normalize


def velocity(theta, beta, law):
    difference = theta[:, None] - theta
    kernel = np.exp(beta * np.cos(difference))
    drift = -(kernel * np.sin(difference)).sum(1)
    return drift / (kernel.sum(1) if law == "softmax" else theta.size)


@pytest.mark.parametrize("law", ["softmax", "unnormalised"])
@pytest.mark.parametrize(("k", "beta"), [(2, 1.0), (3, 4.0), (5, 2.5), (8, 6.0), (4, -1.0)])
def test_group_6_against_a_jacobian_by_differences(k, beta, law):
    theta, h = 2 * np.pi * np.arange(k) / k + 0.3, 1e-5
    columns = [(velocity(theta + h * e, beta, law) - velocity(theta - h * e, beta, law)) / (2 * h) for e in np.eye(k)]
    found = np.sort(np.linalg.eigvalsh(np.array(columns)))
    size = abs(found).max()
    np.testing.assert_allclose(np.sort(polygon_rates(k, beta, law=law)), found, atol=1e-7 * max(size, 1))


def test_group_6_closed_forms_and_bessel():
    for beta in (0.5, 3.0, 9.0):
        assert polygon_rates(2, beta, law="unnormalised")[1] == pytest.approx(np.exp(-beta), rel=1e-12)
        assert polygon_rates(2, beta)[1] == pytest.approx(2 / (1 + np.exp(2 * beta)), rel=1e-12)
        assert polygon_rates(4, beta, law="unnormalised")[2] == pytest.approx(beta, rel=1e-12)
        assert polygon_rates(4, beta)[2] == pytest.approx(beta / np.cosh(beta / 2) ** 2, rel=1e-12)
        for n in (3, 5):
            j = n * np.arange(-30, 31)
            bessel = [((p + j) ** 2 * iv(p + j, beta) - j**2 * iv(j, beta)).sum() / beta for p in range(n)]
            np.testing.assert_allclose(polygon_rates(n, beta, law="unnormalised"), bessel, rtol=1e-9, atol=1e-11 * np.exp(beta))


def test_group_6_lifetimes_of_figure_4():
    printed = {(4.0, 2): 6.7e-4, (4.0, 3): 2.59e-2, (4.0, 4): 0.283}
    printed |= {(9.0, 2): 3.05e-8, (9.0, 3): 2.98e-5, (9.0, 4): 4.44e-3, (9.0, 5): 5.6e-2}
    for (beta, k), rate in printed.items():
        assert polygon_rates(k, beta).max() == pytest.approx(rate, rel=1e-2)
    assert polygon_rates(1, 3.0).tolist() == [0]
    assert np.isfinite(polygon_rates(60, 2e3)).all() and np.isfinite(polygon_rates(60, 2e3, law="peak")).all()
    with pytest.raises(InputError, match="law='peak'"):
        polygon_rates(100, 2e3, law="unnormalised")
    with pytest.raises(InputError, match="k must"):
        polygon_rates(0, 1.0)


def test_interaction_slope_is_a_derivative():
    t, h = np.linspace(-3, 3, 9), 1e-6
    for beta in (2.0, 6.0):
        by_differences = (np.sin(t + h) * np.exp(beta * np.cos(t + h)) - np.sin(t - h) * np.exp(beta * np.cos(t - h))) / (2 * h)
        np.testing.assert_allclose(interaction_slope(t, beta), by_differences, atol=1e-5)


def test_group_8_a_regular_polygon_rests():
    n = 40
    theta = 2 * np.pi * np.arange(n) / n
    x, w = np.stack([np.cos(theta), np.sin(theta)], axis=1), np.full(n, 1 / n)
    for beta in (1.0, 5.0):
        field = TransformerField(V=np.eye(2), B=beta * np.eye(2))
        assert abs(field(x, x, w)).max() < 1e-13
        assert abs(velocity(theta, beta, "unnormalised")).max() < 1e-13 * np.exp(beta)


@pytest.mark.parametrize("d", [2, 3, 5])
def test_group_4_cross_ratios_at_beta_zero(d):
    rng = np.random.default_rng(d)
    x, w = normalize(rng.normal(size=(7, d))), rng.dirichlet(np.ones(7))
    theta = Schedule([Segment(TransformerField(V=np.eye(d), B=np.zeros((d, d))), 1.5)])
    moved = flow(theta, [Empirical(x, w)]).measures[0].points
    assert abs(moved - x).max() > 0.02
    for four in ([0, 1, 2, 3], [4, 2, 6, 1], [3, 5, 0, 4]):
        assert cross_ratio(*moved[four]) == pytest.approx(cross_ratio(*x[four]), rel=1e-10)


def test_group_4_ott_antonsen_radius():
    """Quiet particles of a Poisson kernel: theta = psi + 2 atan(((1 - r)/(1 + r))^{-1} tan(u/2)), u uniform, at beta = 0."""
    r, n = 0.4, 4000
    u = 2 * np.pi * (np.arange(n) + 0.5) / n - np.pi
    theta = 2 * np.arctan((1 - r) / (1 + r) * np.tan(u / 2))
    assert abs(np.exp(1j * theta).mean()) == pytest.approx(r, abs=1e-12)

    def field(angles):
        mean = np.exp(1j * angles).mean()
        return (mean * np.exp(-1j * angles)).imag

    for t in (0.7, 3.0):
        found = abs(np.exp(1j * integrate_ode(field, theta, t).value).mean())
        assert found == pytest.approx(ott_antonsen_radius(t, r), abs=1e-10)
    s = ott_antonsen_radius(np.array([1.0, 2.0]), r)
    assert (s[1] ** 2 / (1 - s[1] ** 2)) / (s[0] ** 2 / (1 - s[0] ** 2)) == pytest.approx(np.e)
    with pytest.raises(InputError, match="radius"):
        ott_antonsen_radius(1.0, 1.5)
