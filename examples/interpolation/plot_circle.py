"""
On the circle the order of points is kept
=========================================

In the plane two points cannot pass each other, and perceptrons keep the cyclic order. Where a matching keeps it too,
the library finds the map that moves points least; where it does not, it says which two would have to cross.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf


def on_circle(degrees):
    angle = np.radians(np.asarray(degrees, float))
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


sources = [mf.Empirical(on_circle([-10, 20, 55])), mf.Empirical(on_circle([100, 130, 150]))]
targets = [mf.Empirical(on_circle([100, 140, 175])), mf.Empirical(on_circle([210, 250, 300]))]
result = mf.interpolate(sources, targets, eps=1e-6)

# %%
# Angles over the schedule: no two paths cross.

paths = [[], []]
mf.flow(result.schedule, sources, observe=lambda k, measures: [paths[i].append(np.asarray(mu.points)) for i, mu in enumerate(measures)])
figure, ax = plt.subplots(figsize=(8, 4))
for i, path in enumerate(paths):
    points = np.array(path)
    angles = np.degrees(np.unwrap(np.arctan2(points[..., 1], points[..., 0]), axis=0))
    ax.plot(np.arange(len(angles)), angles + 360 * (angles < -60), color=f"C{i}")
    goal = np.degrees(np.arctan2(*targets[i].points.T[::-1])) % 360
    ax.plot(np.full(3, len(angles) - 1), goal, "o", color=f"C{i}", label=f"targets of measure {i + 1}", clip_on=False)
ax.set(xlabel="segments executed", ylabel="angle, degrees")
ax.legend()
plt.show()

# %%
# Sources that alternate cannot become two blocks:

alternating = [mf.Empirical(on_circle([0, 120, 240])), mf.Empirical(on_circle([60, 180, 300]))]
try:
    mf.interpolate(alternating, targets, eps=1e-6)
except mf.InputError as refusal:
    print(refusal)
