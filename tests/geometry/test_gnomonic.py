import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import Schedule, Segment, TransformerField, flow
from measureformer.flows import integrate_ode
from measureformer.geometry import GnomonicChart
from measureformer.measures import Empirical
from strategies import points


@given(points(1, 5), points(8, 5))
def test_chart_and_back(pole, x):
    chart = GnomonicChart(pole[0])
    np.testing.assert_allclose(np.vstack([chart.basis, chart.pole]) @ np.vstack([chart.basis, chart.pole]).T, np.eye(5), atol=1e-14)
    height = (x @ chart.pole)[:, None]
    x = np.where(height < 0, -x, x)[np.abs(height[:, 0]) > 1e-3]  # this hemisphere, off its rim
    np.testing.assert_allclose(chart.points(chart.coordinates(x)), x, atol=1e-13)


def test_basis_is_exact_for_axes():
    for sign in (1, -1):
        chart = GnomonicChart(sign * np.eye(4)[2])
        assert set(np.abs(chart.basis).ravel()) == {0.0, 1.0}


@given(st.integers(0, 10**6))
@settings(max_examples=4)
def test_perceptron_flow_is_the_relu_ode_of_the_chart(seed):
    """Gnomonic conjugacy: with the range of W orthogonal to p and b = 0, x' = P_x W (U x)_+ becomes xi' = E W (U (p + E^T xi))_+."""
    rng = np.random.default_rng(seed)
    d, h = 4, 5
    chart = GnomonicChart(rng.normal(size=d))
    W, U = chart.basis.T @ rng.normal(size=(d - 1, h)), rng.normal(size=(h, d))
    xi = rng.normal(size=(7, d - 1))
    euclidean = integrate_ode(lambda y: np.maximum((chart.pole + y @ chart.basis) @ U.T, 0) @ W.T @ chart.basis.T, xi, 0.3).value
    theta = Schedule([Segment(TransformerField(W=W, U=U), 0.3)])
    result = flow(theta, [Empirical(chart.points(xi))])
    assert result.methods == {"integrated": 1}
    np.testing.assert_allclose(chart.coordinates(result.measures[0].points), euclidean, rtol=1e-6, atol=1e-6)  # kinks cost digits
