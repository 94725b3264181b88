"""Maps of measures to be judged: networks, and the counterexamples of the theory, written without the library."""

import numpy as np

from measureformer import Empirical
from measureformer.fields import MultiHead, Neurons, Softmax
from measureformer.incontext import layer_map


def random_measure(rng, n, d, *, radius=1.0):
    """Points of the ball and masses that differ by up to a factor of ten."""
    x = rng.normal(size=(n, d))
    x *= radius * rng.uniform(size=(n, 1)) ** (1 / d) / np.linalg.norm(x, axis=1, keepdims=True)
    return Empirical(x, rng.uniform(0.1, 1, n))


def network(rng, d, depth=3, heads=2, neurons=6):
    """``depth`` layers of attention, each followed by a perceptron."""
    G = None
    for _ in range(depth):
        laws = tuple(Softmax(1.0, *(0.7 * rng.normal(size=(d, d)) for _ in range(3))) for _ in range(heads))
        attention = layer_map(MultiHead(laws, tuple(0.5 * rng.normal(size=(d, d)) for _ in range(heads))))
        W, U, b = rng.normal(size=(d, neurons)) / neurons, rng.normal(size=(neurons, d)), rng.normal(size=neurons)
        both = attention >> layer_map(Neurons(W, U, b))
        G = both if G is None else G >> both
    return G
