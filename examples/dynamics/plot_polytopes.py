"""
Without layer norm: polytopes
=============================

In Rᵈ tokens run away like eᵗ. In the coordinates z = e⁻ᵗ x they gather: with V = I
their convex hulls are nested and tend to a polytope. Softmax comes close to the hardmax limit quickly, because scores
grow with the tokens.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.spatial import ConvexHull

import measureformer as mf
from measureformer.fields import ParticleField, Softmax
from measureformer.geometry import Rescaled

V = np.eye(2)
start = mf.Empirical(np.random.default_rng(7).uniform(-2, 2, (40, 2)))
run = mf.flow(ParticleField(Softmax(1.0, V=V), Rescaled(V)), start, 4.0, saveat=80, rtol=1e-6, atol=1e-7)
z = run.points[0]

figure, ax = plt.subplots(figsize=(7.6, 5.6))
for line in z.transpose(1, 0, 2):
    ax.plot(*line.T, color="C0", linewidth=0.8, alpha=0.6)
for k, shade in zip((0, 8, 20, 80), (0.8, 0.65, 0.45, 0.1), strict=True):
    hull = ConvexHull(z[k])
    corners = z[k][np.append(hull.vertices, hull.vertices[0])]
    ax.plot(*corners.T, color=str(shade), label=f"hull at t = {run.times[k]:.1f}")
ax.plot(*z[-1].T, "o", color="C1", markersize=5, label="tokens at the end", zorder=5)
ax.set(aspect="equal", title="z = e⁻ᵗ x under softmax attention, V = I")
ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)
plt.show()
