"""
Recovering the map inside a black box
=====================================

A map of measures that is a Transformer moves each point by some G(mu, x). To find G from the outside, put a grain of
mass eps at x and see where it lands. Nothing is subtracted, so eps may be as small as one likes; copies of the
context, or integrals of the image, are worse ways to ask.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.fields import Neurons, Softmax
from measureformer.incontext import layer_map, measure_map, recover, recover_by_copies, recover_weakly

rng = np.random.default_rng(0)
draw = lambda *shape: 0.7 * rng.normal(size=shape)  # noqa: E731
G = layer_map(Softmax(1.0, draw(2, 2), draw(2, 2), draw(2, 2))) >> layer_map(Neurons(draw(2, 6), draw(6, 2), draw(6)))
G = G >> layer_map(Softmax(2.0, draw(2, 2), draw(2, 2), draw(2, 2)))
f = measure_map(G)  # atoms come back sorted: the box does not tell which is which

mu = mf.Empirical(rng.uniform(-0.7, 0.7, (5, 2)))
x = np.array([0.3, -0.2])
truth = np.asarray(G(mu, x[None]))[0]


def error(found):
    return float(np.linalg.norm(np.asarray(found).ravel() - truth))


masses = 10.0 ** -np.arange(2.5, 14.5, 0.5)
tagged = [error(recover(f, mu, x[None], eps=eps).values) for eps in masses]
old = f(mu.points, mu.weights).points


def integral(nu, psi):
    image = f(nu.points, nu.weights)
    return image.weights @ psi(image.points)


weak = [error(recover_weakly(integral, mu, x, old, eps=eps)) for eps in masses]


def tokens(X):
    return np.asarray(G(mf.Empirical(X), X))


copies = 2 ** np.arange(8)
copied = [error(recover_by_copies(tokens, mu.points, x, copies=int(k))) for k in copies]

figure, ax = plt.subplots(figsize=(8, 4.6))
ax.loglog(masses, tagged, "o-", markersize=4, label="a grain of mass eps")
ax.loglog(masses, weak, "s-", markersize=4, label="integrals against frozen functions")
ax.loglog(1 / (5 * copies + 1), copied, "^-", markersize=4, label="copies of the context, extrapolated")
ax.set(xlabel="mass that is added", ylabel="error of G(mu, x)")
ax.invert_xaxis()
ax.legend()
plt.show()
