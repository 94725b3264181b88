import sys
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components

from measureformer import InputError
from measureformer.diagnostics import cluster_lives, clusters
from measureformer.diagnostics.clusters import components
from measureformer.geometry import distance, normalize


@given(st.integers(0, 10**6), st.sampled_from([0.05, 0.3, 1.0]), st.sampled_from([1, 2**21]))
def test_components_against_the_closure_of_the_relation(seed, angle, block):
    """Warshall's transitive closure, whatever the size of the blocks."""
    rng = np.random.default_rng(seed)
    x, w = normalize(rng.normal(size=(30, 3))), rng.uniform(0.1, 1, 30)
    reach = distance(x[:, None], x) <= angle
    for k in range(30):
        reach |= reach[:, k : k + 1] & reach[k]
    module = sys.modules[clusters.__module__]
    saved, module._BLOCK = module._BLOCK, block
    try:
        found = clusters(x, angle, w)
    finally:
        module._BLOCK = saved
    np.testing.assert_array_equal(found.labels[:, None] == found.labels, reach)
    firsts = [int(np.flatnonzero(found.labels == k)[0]) for k in range(found.count)]
    assert firsts == sorted(firsts)
    for k in range(found.count):
        inside = found.labels == k
        assert found.masses[k] == pytest.approx(w[inside].sum())
        np.testing.assert_allclose(found.centers[k], normalize(w[inside] @ x[inside]), atol=1e-14)


def test_a_chain_is_one_cluster_though_its_ends_are_far_apart():
    angles = np.linspace(0, 2, 21)
    x = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert clusters(x, 0.11).count == 1
    assert clusters(x, 0.09).count == 21


def test_tight_clusters_and_tiny_angles():
    """1e-9 radians are told from 3e-9, which inner products cannot do."""
    x = np.array([[1.0, 0.0], [1.0, 1e-9], [1.0, 4e-9]])
    assert clusters(x, 2e-9).labels.tolist() == [0, 0, 1]
    with pytest.raises(InputError, match="angle must lie"):
        clusters(x, 3.2)


def test_opposite_members_have_no_center():
    found = clusters(np.array([[1.0, 0.0], [-1.0, 0.0]]), np.pi)
    assert found.count == 1 and np.isnan(found.centers).all()


def test_lives_along_a_trajectory():
    """Tokens 0 and 1 join at t = 1, part at 2, join again at 3 with 2; each set has its own lives."""
    at = {0: [0, 0.5, 2], 1: [0, 0.01, 2], 2: [0, 0.5, 2], 3: [0, 0.01, 0.02]}
    trajectory = np.array([[[np.cos(a), np.sin(a)] for a in row] for row in at.values()])
    lives = cluster_lives(np.array([0.0, 1.0, 2.0, 3.0]), trajectory, 0.1, np.array([0.2, 0.3, 0.5]))
    seen = [(life.members, life.born, life.died) for life in lives]
    assert seen == [
        ((2,), 0, 3),
        ((1,), 0, 1),
        ((0,), 0, 1),
        ((0, 1), 1, 2),
        ((1,), 2, 3),
        ((0,), 2, 3),
        ((0, 1, 2), 3, np.inf),
    ]
    assert lives[3].mass == pytest.approx(0.5) and lives[3].span == 1


@given(st.integers(0, 10**6), st.sampled_from(["scattered", "pairs", "crowds", "all", "copies"]), st.sampled_from([100, 2000]))
def test_many_components_against_the_whole_matrix(seed, kind, many):
    """400 points in one to 400 components, with and without a list of pairs, lists of nearest points full or not."""
    rng, n = np.random.default_rng(seed), 400
    heads = {"scattered": n, "pairs": n // 2, "crowds": 60, "all": 1, "copies": 70}[kind]
    places = normalize(rng.normal(size=(heads, 3)))[rng.integers(heads, size=n)]
    x = normalize(places + (0.0 if kind == "copies" else 0.012) * rng.normal(size=(n, 3)))
    count, labels = connected_components(np.linalg.norm(x[:, None] - x, axis=-1) <= 0.03, directed=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["measureformer.diagnostics.clusters"], "_MANY", many)
        found = components(x, 0.03)
    assert found.max() + 1 == count == len(set(zip(found.tolist(), labels.tolist(), strict=True)))
    assert (np.diff(np.unique(found, return_index=True)[1]) > 0).all()


@pytest.mark.parametrize("reach", [1e-6, 0.0447])
def test_twenty_thousand_scattered_points(reach):
    """A second or so, where all pairs would take half a minute."""
    x = normalize(np.random.default_rng(0).normal(size=(20_000, 3)))
    begin = time.process_time()
    assert components(x, reach).max() + 1 == (20_000 if reach == 1e-6 else 4)
    assert time.process_time() - begin < 10
