"""
Samples of densities
====================

When sources are known by samples, what counts is where *fresh* samples go. Cells gather each source, cut it at
quantiles and send the pieces to the target's cells; a plan made on one sample carries another sample to the same
place.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.geometry import normalize
from measureformer.measures import UniformOnCap
from measureformer.report.camera import view_from
from measureformer.report.globe import draw_globe, draw_points
from measureformer.report.theme import LIGHT

centers = normalize(np.array([[1.0, 0.2, 0.2], [1.0, -0.2, 0.2]]))
goals = normalize(np.array([[0.8, 0.75, -0.45], [0.8, -0.75, -0.45]]))
caps = [UniformOnCap(c, 0.5) for c in centers]
sources = [mf.Empirical(cap.sample(np.random.default_rng(i), 700)) for i, cap in enumerate(caps)]
targets = [mf.Empirical(UniformOnCap(c, 0.4).sample(np.random.default_rng(5 + i), 700)) for i, c in enumerate(goals)]

result = mf.interpolate(sources, targets, eps=0.25, strategy="cells")
fresh = [mf.Empirical(cap.sample(np.random.default_rng(50 + i), 700)) for i, cap in enumerate(caps)]
moved = mf.flow(result.schedule, fresh).measures
left = [mf.wasserstein2(mu, nu).value for mu, nu in zip(moved, targets, strict=True)]
print(len(result.schedule), "segments; W2 of fresh samples to the targets:", np.round(left, 3))

# %%
# Fresh samples before (the caps overlap) and after: they gather in the cells of their own target.

figure, axes = plt.subplots(1, 2, figsize=(10, 5.2))
view = view_from(np.array([1.0, 0.0, 0.15]))
for ax, clouds, title in zip(axes, (fresh, moved), ("fresh samples", "the same, after the schedule"), strict=True):
    draw_globe(ax, view, LIGHT)
    draw_points(ax, view, LIGHT, [(i, np.asarray(mu.points), np.asarray(mu.weights)) for i, mu in enumerate(clouds)], shared=False)
    ax.set_title(title)
for i, nu in enumerate(targets):
    across, up, height = view.project(np.asarray(nu.points))
    axes[1].scatter(across[height > 0], up[height > 0], s=3, color=LIGHT.color(i), alpha=0.25, zorder=2)
plt.show()
