"""Group 12: normalisation exponents and initial slopes. Group 13: the long-context trichotomy."""

import numpy as np
import pytest

from measureformer import InputError
from measureformer.dynamics import context_cosine, context_limit, contraction_clock, equiangular, equiangular_scheme, initial_slope
from measureformer.dynamics.schemes import SCHEMES
from measureformer.fields import attention
from measureformer.flows import integrate_ode
from measureformer.geometry import norm, normalize


def test_group_12_post_norm_is_the_equiangular_flow():
    t = np.array([0.0, 0.5, 2.0, 6.0])
    gap, r = equiangular_scheme(t, 3.0, 8, "post", start=0.1)
    np.testing.assert_allclose(1 - gap, equiangular(t, 3.0, 8, start=0.1), atol=1e-11)
    assert (r == 1).all()


@pytest.mark.parametrize("scheme", ["pre", "peri", "ngpt"])
def test_group_12_against_the_tokens(scheme):
    """Pre: x' = A(x/|x|); Peri: x' = N(A); nGPT: x' = alpha (N(A) - x), normalised."""
    n, beta, r0 = 4, 2.0, 1.5
    x, w, B = np.eye(n) * (r0 if scheme != "ngpt" else 1), np.full(n, 1 / n), beta * np.eye(n)

    def velocity(x):
        A = attention(normalize(x), normalize(x), w, B)
        if scheme == "pre":
            return A
        return normalize(A) if scheme == "peri" else 0.7 * (normalize(A) - (x * normalize(A)).sum(1, keepdims=True) * x)

    end = integrate_ode(velocity, x, 1.2).value
    gap, r = equiangular_scheme(np.array([1.2]), beta, n, scheme, radius=r0, alpha=0.7)
    y = normalize(end)
    assert y[0] @ y[1] == pytest.approx(1 - gap[0], abs=1e-9)
    assert norm(end)[0, 0] == pytest.approx(r[0], abs=1e-9)


def test_group_12_initial_slopes():
    n, beta = 6, 1.5
    S, Z = np.sqrt(np.exp(2 * beta) + n - 1), np.exp(beta) + n - 1
    expected = {"post": 2 / Z, "mix": 2 / Z, "sqrt": 2 / Z, "pre": 2 / Z / 1.3, "peri": 2 / (1.3 * S), "ngpt": 2 * 0.4 / S}
    for scheme in SCHEMES:
        slope = initial_slope(beta, n, scheme, radius=1.3, alpha=0.4)
        assert slope == pytest.approx(expected[scheme], rel=1e-13)
        h = 1e-5
        gap, _ = equiangular_scheme(np.array([h, 2 * h]), beta, n, scheme, radius=1.3, alpha=0.4)
        assert (4 * (1 - gap[0]) - (1 - gap[1])) / (2 * h) == pytest.approx(slope, rel=1e-6)


def test_group_12_exponents():
    """Slope of log(1 - rho) against the clock of each scheme: -2."""
    spans = {"post": (20, 30), "ngpt": (40, 60), "sqrt": (400, 500), "pre": (1e5, 1e6), "mix": (1e5, 1e6), "peri": (1e5, 1e6)}
    for scheme, (begin, end) in spans.items():
        t = np.array([begin, end], float)
        gap, r = equiangular_scheme(t, 1.0, 8, scheme, alpha=0.5)
        clock = contraction_clock(t, scheme, alpha=0.5)
        assert np.diff(np.log(gap))[0] / np.diff(clock)[0] == pytest.approx(-2, abs=1e-5)
        if scheme in ("pre", "peri", "mix"):
            assert r[1] / t[1] == pytest.approx(1, abs=2e-6)


def test_group_12_mix_is_post_then_pre():
    t = np.array([0.3, 1.0, 2.5])
    mix, r = equiangular_scheme(t, 1.0, 5, "mix", switch=1.0)
    post, _ = equiangular_scheme(t, 1.0, 5, "post")
    assert mix[0] == pytest.approx(post[0], rel=1e-11) and r[0] == r[1] == 1
    assert mix[1] == pytest.approx(post[1], rel=1e-11)
    pre, radius = equiangular_scheme(np.array([1.5]), 1.0, 5, "pre", start=float(1 - mix[1]))
    assert (mix[2], r[2]) == (pytest.approx(pre[0], rel=1e-10), pytest.approx(radius[0], rel=1e-10))
    with pytest.raises(InputError, match="choose one of post"):
        equiangular_scheme(t, 1.0, 5, "sandwich")
    with pytest.raises(InputError, match="radius be positive"):
        equiangular_scheme(t, 1.0, 5, "pre", radius=0.0)


def test_group_13_trichotomy():
    rho = 0.5
    assert context_cosine(rho, 2.0, 1e3) == pytest.approx(0.80028, abs=5e-6)
    assert context_cosine(rho, 2.0, 1e12) == pytest.approx(0.8000, abs=1e-9)
    assert context_limit(rho, [1.0, 2.0, 3.0]).tolist() == [1.0, 0.8, 0.5]
    for g in (1.0, 2.0, 3.0):
        assert context_cosine(rho, g, 1e14) == pytest.approx(context_limit(rho, g), abs=1e-6)
    with pytest.raises(InputError, match="rho must lie"):
        context_cosine(1.5, 2.0, 10)


def test_group_13_against_a_layer():
    n, rho, g = 30, 0.3, 1.2
    values, vectors = np.linalg.eigh((1 - rho) * np.eye(n) + rho)
    x = vectors * np.sqrt(values)
    y = normalize(attention(x, x, np.full(n, 1 / n), g * np.log(n) * np.eye(n)))
    assert y[0] @ y[1] == pytest.approx(context_cosine(rho, g, n), abs=1e-13)
