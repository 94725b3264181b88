"""
The same tokens under seven laws
================================

A law says which average of the measure a token sees. All of them run in the same way: a ``ParticleField``, a measure,
a horizon. Here thirty tokens of the sphere under each, with the same beta, and under softmax with a causal mask;
lines are their paths, dots where they are at the end.
"""

import diffrax
import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.fields import L2, Causal, Hardmax, Linear, ParticleField, Sigmoid, Sinkhorn, Softmax, TimeUnit, Unnormalised
from measureformer.geometry import normalize
from measureformer.report.camera import view_from
from measureformer.report.globe import draw_globe, draw_points
from measureformer.report.theme import LIGHT

beta = 6.0
laws = {
    "softmax": (Softmax(beta), 12.0),
    "unnormalised": (Unnormalised(beta, time=TimeUnit.PEAK), 12.0),
    "linear": (Linear(beta), 3.0),
    "L2, mean shift": (L2(beta, shift=True), 12.0),
    "sigmoid": (Sigmoid(beta), 4.0),
    "Sinkhorn": (Sinkhorn(beta), 8.0),
    "hardmax": (Hardmax(), 6.0),
    "softmax, causal": (Softmax(beta), 12.0),
}
tokens = mf.Empirical(normalize(np.random.default_rng(2).normal(size=(30, 3)) + [1.1, 0, 0]))
view = view_from(np.array([1.0, 0.3, 0.35]))

figure, axes = plt.subplots(2, 4, figsize=(12, 6.4))
for ax, (name, (law, horizon)) in zip(axes.flat, laws.items(), strict=True):
    path = mf.flow(
        ParticleField(law, mask=Causal() if "causal" in name else None), tokens, horizon, saveat=60, step=0.1, solver=diffrax.Heun()
    ).points[0]
    draw_globe(ax, view, LIGHT)
    for line in path.transpose(1, 0, 2):
        across, up, height = view.project(line)
        ax.plot(np.where(height > 0, across, np.nan), up, color=LIGHT.color(0), linewidth=0.9, alpha=0.6)
    draw_points(ax, view, LIGHT, [(1, path[-1], tokens.weights)])
    ax.set_title(f"{name}, t = {horizon:g}")
figure.tight_layout()
plt.show()
