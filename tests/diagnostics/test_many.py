"""Diagnostics of many tokens: the same as over all pairs."""

import numpy as np
import pytest

from measureformer.diagnostics import clusters, interaction_energy, log_partition
from measureformer.diagnostics.cells import components_of_many
from measureformer.diagnostics.harmonic_mass import log_masses_by_harmonics
from measureformer.geometry import normalize


@pytest.mark.parametrize(("d", "reach"), [(2, 0.01), (3, 0.05), (3, 0.1), (3, 0.5), (5, 0.4), (3, 1e-6)])
def test_components_by_cells(d, reach):
    rng = np.random.default_rng(0)
    x = normalize(rng.normal(size=(900, d)))
    x[:400] = x[rng.integers(400, 407, size=400)] + 0.02 * rng.normal(size=(400, d))
    x[5] = x[200]
    found = components_of_many(x, reach)
    close = ((x[:, None] - x) ** 2).sum(-1) <= reach**2
    for i in range(900):  # a component is what is close to something in it, and nothing else
        assert (found[close[i]] == found[i]).all()
    reached, frontier = np.zeros(900, bool), np.arange(900) == 0
    while frontier.any():
        reached |= frontier
        frontier = close[frontier].any(0) & ~reached
    assert (reached == (found == 0)).all()
    assert (np.diff(np.unique(found, return_index=True)[1]) > 0).all()


def test_thousands_of_tokens_in_clusters():
    rng = np.random.default_rng(1)
    centers = normalize(rng.normal(size=(9, 3)))
    which = rng.integers(9, size=20000)
    found = clusters(normalize(centers[which] + 1e-5 * rng.normal(size=(20000, 3))), 1e-2)
    assert found.count == 9
    np.testing.assert_allclose(found.masses[found.labels], np.bincount(which)[which] / 20000, rtol=1e-9)


def test_masses_and_energy_of_many():
    rng = np.random.default_rng(2)
    x = normalize(rng.normal(size=(9000, 2)))
    w = rng.dirichlet(np.ones(9000))
    _, far = log_masses_by_harmonics(x, 4.0, w)
    assert far.size == 0
    some = slice(0, 9000, 90)
    exact = np.log(np.exp(4.0 * x[some] @ x.T) @ w)
    np.testing.assert_allclose(log_partition(x, 4.0, w)[some], exact, atol=1e-12)
    total = sum(float(w[i : i + 900] @ (np.exp(4.0 * x[i : i + 900] @ x.T) @ w)) for i in range(0, 9000, 900))
    assert interaction_energy(x, 4.0, w) == pytest.approx(total / 8, rel=1e-13)


def test_masses_of_few_or_off_the_sphere_are_left_to_all_pairs():
    x = normalize(np.random.default_rng(3).normal(size=(9000, 2)))
    w = np.full(9000, 1 / 9000)
    for points, beta in ((x[:50], 1.0), (1.1 * x, 1.0), (x.astype(np.float32), 1.0), (x, 0.0)):
        assert log_masses_by_harmonics(points, beta, w[: len(points)])[1].size == len(points)
