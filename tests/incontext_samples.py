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


def _moments(x, a):
    m = a @ x
    return m, a @ ((x - m) ** 2).sum(1)


def e1(x, a):
    """Continuous, keeps supports; the place of a light atom oscillates."""
    m, v = _moments(x, a)
    return (x + 0.5 * (x - m) * np.sin(1 / v) if v > 0 else x), a


def e1_slow(x, a):
    """The same with an oscillation in the logarithm."""
    m, v = _moments(x, a)
    return (x + 0.5 * (x - m) * np.sin(np.log(v)) if v > 0 else x), a


def e1_rounded(x, a):
    """The same as e1 with the variance as a difference, which is 0 for light atoms."""
    m = a @ x
    v = a @ (x**2).sum(1) - m @ m
    return (x + 0.5 * (x - m) * np.sin(1 / v) if v > 0 else x), a


def e2(x, a):
    """Continuous, keeps supports, light atoms have limits; these jump."""
    m, v = _moments(x, a)
    return (x + 0.5 * (x - m) * np.tanh(a @ (x - m)[:, 0] ** 3 / v**1.5) if v > 0 else x), a


def batch_norm(x, a):
    m, v = _moments(x, a)
    return ((x - m) / np.sqrt(v) if v > 0 else 0 * x), a


def batch_norm_undefined(x, a):
    m, v = _moments(x, a)
    return (x - m) / np.sqrt(v), a


def batch_norm_with_eta(x, a):
    m, v = _moments(x, a)
    return (x - m) / np.sqrt(v + 1e-5), a


def mid_rank(x, a):
    less = x[None, :, 0] < x[:, None, 0]
    same = x[None, :, 0] == x[:, None, 0]
    return ((less + 0.5 * same) @ a)[:, None], a


def hardmax(x, a):
    scores = x @ x.T
    best = scores >= scores.max(1, keepdims=True) - 1e-12
    return x + (best * a) @ x / (best * a).sum(1, keepdims=True), a


def heat(x, a, sigma=0.1):
    nodes, weights = np.polynomial.hermite_e.hermegauss(5)
    shift = np.zeros((5, x.shape[1]))
    shift[:, 0] = sigma * nodes
    return (x[:, None] + shift).reshape(-1, x.shape[1]), (a[:, None] * weights / weights.sum()).reshape(-1)


def bayes(x, a):
    b = a * np.exp(-(x**2).sum(1))
    return x, b / b.sum()


def half_moved(x, a):
    return np.concatenate([x, x + 0.2]), np.concatenate([a, a]) / 2


def constant(x, a):
    return np.array([[-0.5], [0.5]]) * np.ones((1, x.shape[1])), np.array([0.5, 0.5])


def step_of_the_mean(x, a):
    return x + 0.1 * np.sign(a @ x - 0.03), a


def order_dependent(x, a):
    return x + 0.1 * np.arange(len(x))[:, None], a


def mass_dependent(x, a):
    return x + 0.5 * a[:, None], a


def drops_dust(x, a):
    keep = a > 1e-7
    return x[keep], a[keep] / a[keep].sum()


def centred(x, a):
    return x - a @ x, a


def all_to_the_mean(x, a):
    return np.tile(a @ x, (len(x), 1)), a


def hot_attention(x, a, beta=60.0):
    scores = beta * x @ x.T
    share = np.exp(scores - scores.max(1, keepdims=True)) * a
    return x + share @ x / share.sum(1, keepdims=True), a
