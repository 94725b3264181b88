"""
Is it a Transformer?
====================

Keeping supports and being continuous is not enough. Follow the image of a light atom at 1, beside a heavy one at 0,
as its mass vanishes: for a Transformer its place settles. For one counterexample it never does; for another it
settles, but elsewhere than under a measure nearby.
"""

import matplotlib.pyplot as plt
import numpy as np

from measureformer.fields import Softmax
from measureformer.incontext import classify, layer_map, measure_map


def moments(x, a):
    m = a @ x
    return m, a @ ((x - m) ** 2).sum(1)


def oscillating(x, a):
    m, v = moments(x, a)
    return (x + 0.5 * (x - m) * np.sin(np.log(v)) if v > 0 else x), a


def skewed(x, a):
    m, v = moments(x, a)
    return (x + 0.5 * (x - m) * np.tanh(a @ (x - m)[:, 0] ** 3 / v**1.5) if v > 0 else x), a


def heat(x, a):
    return np.concatenate([x - 0.1, x + 0.1]), np.concatenate([a, a]) / 2


layer = layer_map(Softmax(2.0))
maps = {"attention": layer, "x + ½(x − m) sin(log var)": oscillating, "x + ½(x − m) tanh(skewness)": skewed, "heat": heat}
verdicts = {name: classify(f).verdict.value for name, f in maps.items()}
print(verdicts)

# %%
# Solid: the light atom at 1 beside an atom at 0. Dashed: beside two atoms at ±0.01, which is nearly the same measure.

masses = np.geomspace(1e-1, 1e-12, 400)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True)
for ax, (name, f) in zip(axes, maps.items(), strict=False):
    box = f if callable(f) and f is not layer else lambda x, a: (lambda y: (y.points, y.weights))(measure_map(layer)(x, a))
    for old, style in ((np.array([[0.0]]), "-"), (np.array([[-0.01], [0.01]]), "--")):
        places = []
        for eps in masses:
            weights = np.append(np.full(len(old), (1 - eps) / len(old)), eps)
            points, _ = box(np.concatenate([old, [[1.0]]]), weights)
            places.append(points[:, 0].max())
        ax.semilogx(masses, places, style, color="C0")
    ax.set(title=f"{name}\n{verdicts[name]}", xlabel="mass of the atom at 1")
    ax.title.set_fontsize(9)
    ax.invert_xaxis()
axes[0].set_ylabel("where it goes")
figure.tight_layout()
plt.show()
