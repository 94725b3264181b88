"""
One Transformer, two continents
===============================

Sixty cities of Europe are to go to South America. Thirty *of the same cities*, as a cloud of their own, are to go to
Africa. No map of points can do both: a city can go to one place only. Attention sees which cloud a city belongs to,
so one schedule does it.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.data import ATTRIBUTION, demo_task
from measureformer.measures import from_latitude_longitude
from measureformer.report.camera import view_from
from measureformer.report.globe import draw_arcs, draw_globe, draw_points, draw_rings
from measureformer.report.theme import LIGHT
from measureformer.transport import best_point_map

clouds, goals = demo_task()
size = (60, 30)
sources = [mf.Empirical(mu.points[:n]) for mu, n in zip(clouds.measures().values(), size, strict=True)]
targets = [mf.Empirical(mu.points[:n]) for mu, n in zip(goals.measures().values(), size, strict=True)]

result = mf.interpolate(sources, targets, eps=1e-6)
arrived = mf.flow(result.schedule, sources).measures

# %%
# What is left, in radians: with attention, and for the best map of points that there is.

with_attention = [mf.wasserstein2(mu, nu).value for mu, nu in zip(arrived, targets, strict=True)]
without = best_point_map(sources, targets).values
print("segments:", len(result.schedule), " with attention:", with_attention, " without:", without)

# %%
# Cities that belong to both clouds are pies of two colours. Rings are the targets.

view = view_from(from_latitude_longitude([5.0], [-20.0])[0])
land = mf.data.world_cities()
land = from_latitude_longitude(land["latitude_deg"], land["longitude_deg"])
figure, axes = plt.subplots(1, 2, figsize=(10, 5.4))
for ax, measures, title in zip(axes, (sources, arrived), ("before", "after one Transformer"), strict=True):
    draw_globe(ax, view, LIGHT, land)
    draw_points(ax, view, LIGHT, [(i, np.asarray(mu.points), np.asarray(mu.weights)) for i, mu in enumerate(measures)])
    ax.set_title(title)
for i, (start, end) in enumerate(zip(sources, arrived, strict=True)):
    draw_arcs(axes[1], view, LIGHT, i, np.asarray(start.points), np.asarray(end.points))
draw_rings(axes[1], view, LIGHT, [(i, nu.points, nu.weights) for i, nu in enumerate(targets)])
figure.text(0.5, 0.02, ATTRIBUTION, ha="center", fontsize=8)
plt.show()
