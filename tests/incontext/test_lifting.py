"""Masked attention on measures with positions: against loops, against the masks of lists, and what it cannot see."""

import numpy as np
import pytest

from measureformer import Empirical
from measureformer.errors import InputError
from measureformer.fields import Causal, Linear, ParticleField, Softmax
from measureformer.geometry import Euclidean
from measureformer.incontext import (
    Ball,
    InContextMap,
    Lifted,
    Verdict,
    causal_defect,
    classify,
    context_of,
    flow_map,
    layer_map,
    lift,
    residual_network,
)


def tokens(seed, n=6, d=2):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, size=(n, d)), rng.uniform(0.2, 1, n)


def law(seed):
    return Softmax(1.0, *np.random.default_rng(seed).normal(size=(3, 2, 2)))


def test_against_a_loop():
    """A(mu, x, t) with the indicator in both integrals; at a point that sees nothing it is 0."""
    rng, head, (x, a) = np.random.default_rng(0), law(0), tokens(0)
    mu = lift(x, rng.uniform(0.1, 1, 6), a)
    z = np.concatenate([rng.normal(size=(5, 2)), rng.uniform(0.1, 1, size=(5, 1))], 1)
    z[0, -1], z[1, -1] = 0.05, mu.points[3, -1]  # before all tokens, and at the position of one
    found = layer_map(Lifted(head), residual=False)(mu, z)
    for row, value in zip(z, found, strict=True):
        over, under = np.zeros(2), 0.0
        for (*y, r), w in zip(mu.points, mu.weights, strict=True):
            if r <= row[-1]:
                e = w * np.exp((head.Q @ row[:2]) @ (head.K @ y))
                over, under = over + e * (head.V @ y), under + e
        np.testing.assert_allclose(value, [*(over / under if under else over), 0], rtol=1e-12)
    assert not found[0].any() and found[1].any()


@pytest.mark.parametrize("kind", [Softmax, Linear])
def test_lists_with_a_causal_mask_are_a_special_case(kind):
    (x, _), heads = tokens(1), kind(0.8)
    field = ParticleField(heads, Euclidean(), Causal())
    lifted = lift(x)
    np.testing.assert_allclose(
        layer_map(Lifted(heads), residual=False).push(lifted).points[:, :2], field(x, x, lifted.weights), rtol=0, atol=1e-14
    )
    turn = np.random.default_rng(1).permutation(6)  # the order of the rows says nothing
    shuffled = Empirical(lifted.points[turn], lifted.weights[turn])
    both = layer_map(Lifted(heads)) >> layer_map(Lifted(heads))
    np.testing.assert_allclose(both.push(shuffled).points, both.push(lifted).points[turn], rtol=1e-13)


def test_deep_masked_networks_and_flows_are_causal():
    x, a = tokens(2)
    mu, rng = lift(x, None, a), np.random.default_rng(2)
    z = np.concatenate([x[:3] + 0.1, [[0.0], [0.3], [0.7]]], 1)
    deep = layer_map(Lifted(law(1))) >> layer_map(Lifted(law(2))) >> layer_map(Lifted(law(3)))
    field = ParticleField(Lifted(Softmax(0.5)), Euclidean())
    for G in (deep, flow_map(field, 0.5, steps=10), residual_network(field, 0.5, 4)):
        assert causal_defect(G, mu, z, rng) <= 1e-15  # sums may be rounded in another order
        np.testing.assert_array_equal(G.push(mu).points[:, -1], mu.points[:, -1])
    open_to_all = InContextMap(lambda mu, x: x + mu.mean())
    assert causal_defect(open_to_all, mu, z, rng) > 0.1
    assert causal_defect(open_to_all, mu, np.array([[0.0, 0.0, 1.0]]), rng) == 0  # nothing comes after 1


def test_contexts_of_the_theorem():
    """C = 2 for steps of length 1 in half the time; two tokens at one position are one conditional measure."""
    mu = lift(np.array([[0.0], [1.0], [0.0]]))
    assert (context_of(mu).lipschitz, context_of(mu).start) == (pytest.approx(2), pytest.approx(1 / 3))
    crowded = lift(np.array([[0.0], [-1.0], [1.0]]), [0.0, 0.5, 0.5])
    assert context_of(crowded).lipschitz == pytest.approx(2)  # W_2(delta_0, halves at +-1) = 1
    assert context_of(lift(np.array([[0.3]]))).lipschitz == 0
    with pytest.raises(InputError, match=r"in \[0, 1\]"):
        lift(np.zeros((2, 1)), [0.0, 3.0])


def test_without_such_contexts_a_mask_is_not_continuous():
    found = classify(layer_map(Lifted(Softmax(1.0))), Ball(2), rounds=1)
    assert found.verdict is Verdict.DISCONTINUOUS and found.witness.numbers["delta"] < 1e-10
