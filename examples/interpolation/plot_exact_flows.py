"""
Flows in closed form
====================

Most of a schedule needs no integrator. Four fields on the sphere whose flows are elementary functions: a boost, a
gated boost, a residual shear, and attention to the mean of rank one, where all points of a measure share one clock.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.fields import TransformerField
from measureformer.flows import exact_flow
from measureformer.geometry import normalize
from measureformer.report.camera import view_from
from measureformer.report.globe import draw_globe, draw_points
from measureformer.report.theme import LIGHT
from measureformer.schedule import Segment

e = np.eye(3)
fields = {
    "boost: P w": TransformerField(W=0.25 * np.outer(e[2], np.ones(4)), b=np.ones(4)),
    "gate: (⟨a, x⟩ − ½)₊ P w": TransformerField(W=np.outer(e[2], [2.0]), U=e[[1]], b=np.array([-0.5])),
    "shear: P W (U x)₊, U W = 0": TransformerField(W=np.outer(e[2], [1.0, -1.0]), U=np.array([[0, 1.0, 0], [0, -1.0, 0]])),
    "mean: V = ααᵀ": TransformerField(V=np.outer(e[2], e[2])),
}
rng = np.random.default_rng(0)
mu = mf.Empirical(normalize(np.concatenate([rng.normal(size=(60, 3)) + [2.4, 0, 0.5], rng.normal(size=(60, 3)) + [1.6, 0, 0]])))

view = view_from(np.array([1.0, 0.25, 0.25]))
figure, axes = plt.subplots(1, 4, figsize=(13, 3.6))
for ax, (name, field) in zip(axes, fields.items(), strict=True):
    method, _ = exact_flow(Segment(field, 1.0))
    draw_globe(ax, view, LIGHT)
    times = np.linspace(0.01, 1.2, 40)
    path = np.array([np.asarray(exact_flow(Segment(field, t))[1](mu)) for t in times])
    for points in path.transpose(1, 0, 2):
        across, up, height = view.project(points)
        if height.min() > 0:
            ax.plot(across, up, color=LIGHT.color(0), linewidth=0.9, alpha=0.6)
    draw_points(ax, view, LIGHT, [(1, path[-1], mu.weights)], scale=0.5)
    ax.set_title(f"{name}\n[{method}]", fontsize=9)
plt.show()
