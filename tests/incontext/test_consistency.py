"""Functions of lists that are functions of the measure, and those that are not, each for its own reason."""

import numpy as np
import pytest

from measureformer.errors import InputError
from measureformer.fields import Softmax
from measureformer.incontext import Ball, consistency

LAW = Softmax(1.5)


def weighted(x, a):
    """Attention with log a added to the logits: weight zero is a logit of -infinity."""
    with np.errstate(divide="ignore"):
        scores = x @ x.T + np.log(a)
    share = np.exp(scores - scores.max(1, keepdims=True))
    return x + share @ x / share.sum(1, keepdims=True)


def lists(x):
    return x + LAW(x, x, np.full(len(x), 1 / len(x)))


RNG = np.random.default_rng(0)


def test_attention_passes_to_rounding():
    for d in (1, 3):
        found = consistency(weighted, Ball(d), weighted=True)
        assert found.holds() and max(found.copied, found.ghosts, found.split) < 1e-14 * (1 + found.size)
    found = consistency(lists)
    assert found.holds() and np.isnan(found.ghosts) and np.isnan(found.split)


@pytest.mark.parametrize(
    ("model", "worst"),
    [
        (lambda x: lists(x + 0.1 * np.arange(len(x))[:, None]), "ordered"),  # position encoding
        (lambda x: lists(x) * (RNG.uniform(size=x.shape) > 0.1), "repeated"),  # dropout
        (lambda x: x + x.sum(0), "copied"),  # a sum instead of a mean
    ],
)
def test_what_fails(model, worst):
    found = consistency(model, lengths=(4, 9))
    assert not found.holds(1e-3) and getattr(found, worst) > 0.01
    if worst == "copied":
        assert found.worst == "copied" and found.ordered < 1e-14
        again = np.tile(found.witness, (2, 1))  # the witness shows it
        assert abs(model(again)[: len(found.witness)] - model(found.witness)).max() > 1e-3
    if worst == "ordered":
        assert found.repeated == 0


def test_counts_of_rows_are_seen_through():
    """The weights are right, but rows are counted: only ghosts and split atoms can tell."""
    found = consistency(lambda x, a: x + x.shape[0] * 0.1, weighted=True)
    assert found.ordered == 0 and min(found.ghosts, found.split) > 0.05
    with pytest.raises(InputError, match="one row for each"):
        consistency(lambda x: x[:1])
