"""Group 10: the hemisphere test and Wendel's probability."""

import equinox as eqx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer import Empirical, InputError, Schedule, Segment, TransformerField, flow
from measureformer.diagnostics import hemisphere, wendel_probability
from measureformer.fields import ParticleField, Softmax, Unnormalised
from measureformer.geometry import enclosing_cap, normalize


@given(st.integers(0, 10**6), st.sampled_from([(5, 3), (9, 4), (3, 2)]))
def test_group_10_either_answer_has_its_proof(seed, shape):
    x = normalize(np.random.default_rng(seed).normal(size=shape))
    found = hemisphere(x)
    assert (x @ found.pole).min() == pytest.approx(found.margin, abs=1e-15)
    assert found.balance.sum() == pytest.approx(1) and found.balance.min() >= 0
    assert found.inside == (enclosing_cap(x).radius < np.pi / 2)
    assert found.inside == (found.residual > 1e-9)


def test_group_10_wendel_values():
    for (n, d), value in {(3, 2): 3 / 4, (4, 2): 1 / 2, (4, 3): 7 / 8, (6, 3): 1 / 2, (8, 4): 1 / 2, (5, 5): 1, (7, 2): 7 / 64}.items():
        assert wendel_probability(n, d) == value
    assert 0 < wendel_probability(3000, 100) < 1e-300 or wendel_probability(3000, 100) == 0
    with pytest.raises(InputError, match="at least 1"):
        wendel_probability(0, 3)


@pytest.mark.parametrize(("n", "d"), [(3, 2), (4, 2), (4, 3), (6, 3), (8, 4)])
def test_group_10_wendel_frequencies(n, d):
    rng, trials = np.random.default_rng(10 * n + d), 300
    hits = np.mean([hemisphere(normalize(rng.normal(size=(n, d)))).inside for _ in range(trials)])
    p = wendel_probability(n, d)
    assert abs(hits - p) <= 3 * np.sqrt(p * (1 - p) / trials)


def test_great_circles_are_not_in_an_open_hemisphere():
    square = np.array([[1.0, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]])
    assert not hemisphere(square).inside
    assert hemisphere(square[:2]).inside
    assert not hemisphere(square[[0, 2]]).inside
    with pytest.raises(InputError, match="finite"):
        hemisphere(square * np.nan)


@pytest.mark.parametrize("beta", [0.5, 4.0])
def test_group_10_cone_collapse(beta):
    """Lemma 6.4: min_i <x_i, w> never falls; once alpha = min_i <x_i, x*> >= 1/2, 1 - alpha is below the bound."""
    x = normalize(np.random.default_rng(0).normal(size=(6, 3)) + [2.0, 0, 0])
    found = hemisphere(x)
    assert found.inside
    theta = Schedule([Segment(TransformerField(V=np.eye(3), B=beta * np.eye(3)), 1.0)] * 12)
    path = []
    flow(theta, [Empirical(x)], observe=lambda k, mu: path.append(mu[0].points))
    heights = np.array([(points @ found.pole).min() for points in path])
    assert np.all(np.diff(heights) >= -1e-12)
    limit = normalize(path[-1].mean(axis=0))
    alpha = np.array([(points @ limit).min() for points in path])
    start = int(np.argmax(alpha >= 0.5))
    t = np.arange(13) - start
    bound = 0.5 * np.exp(-t[start:] / (2 * 6 * np.exp(2 * beta)))
    assert np.all(1 - alpha[start:] <= bound)


@pytest.mark.parametrize("law", [Softmax(2.0), Unnormalised(2.0)])
def test_group_10_heights_never_fall(law):
    """Lemma 6.4 for both laws: only the positivity of the weights is used; with any Q and K, V = I."""
    rng = np.random.default_rng(1)
    x = normalize(rng.normal(size=(7, 4)) + [2.0, 0, 0, 0])
    found = hemisphere(x)
    law = eqx.tree_at(lambda l: (l.Q, l.K), law, (rng.normal(size=(3, 4)), rng.normal(size=(3, 4))), is_leaf=lambda leaf: leaf is None)
    path = flow(ParticleField(law), Empirical(x), 3.0, saveat=30).points[0]
    heights = (path @ found.pole).min(axis=1)
    assert found.inside and np.all(np.diff(heights) >= -1e-10) and heights[-1] > heights[0]
