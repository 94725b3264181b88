"""
A hundred thousand tokens on the sphere
=======================================

On the circle and on S² sums over all pairs of tokens are sums over few harmonics, to any accuracy: the time
is linear in the number of tokens. ``flow`` chooses this by itself, and says how large its error is. Here 100,000
tokens and their densities over time; all pairs would be ten thousand million of them for each evaluation.
"""

import diffrax
import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.fields import ParticleField, Softmax
from measureformer.geometry import normalize

n, beta = 100_000, 9.0
tokens = mf.Empirical(normalize(np.random.default_rng(0).normal(size=(n, 3))))
run = mf.flow(ParticleField(Softmax(beta)), tokens, 9.0, saveat=[0.0, 5.0, 7.0, 9.0], step=1.0, solver=diffrax.Heun(), rtol=1e-3)
print("kernel:", run.kernel)

figure, axes = plt.subplots(1, 4, figsize=(13, 3.4))
for ax, x, t in zip(axes, run.points[0], run.times, strict=True):
    longitude, height = np.degrees(np.arctan2(x[:, 1], x[:, 0])), x[:, 2]
    counts, *edges = np.histogram2d(longitude, height, bins=(120, 60), range=[[-180, 180], [-1, 1]])
    ax.pcolormesh(*edges, (counts / counts.mean()).T, cmap="magma", vmin=0, vmax=6, rasterized=True)
    ax.set(title=f"t = {t:g}", xlabel="longitude", xticks=[-180, 0, 180])
axes[0].set_ylabel("sine of latitude")
figure.tight_layout()
plt.show()
