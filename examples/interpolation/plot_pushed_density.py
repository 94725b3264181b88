"""
A density that goes along
=========================

A flow moves densities as well as points. All closed forms know their Jacobians, so the density of a push-forward is
exact along the way, and can be asked for at any point. Here a density of the sphere after each of three segments:
attention to the mean, a shear, a gate.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.fields import TransformerField
from measureformer.flows import log_density_at
from measureformer.geometry import normalize
from measureformer.measures import VonMisesFisher
from measureformer.schedule import Schedule, Segment

e = np.eye(3)
start = VonMisesFisher(e[0], 6.0)
mu = mf.Empirical(start.sample(np.random.default_rng(0), 400))
schedule = Schedule(
    [
        Segment(TransformerField(V=np.eye(3)), 0.6, "attention to the mean"),
        Segment(TransformerField(W=np.outer(e[2], [4.0, -4.0]), U=np.array([[0, 1.0, 0], [0, -1.0, 0]])), 0.4, "shear"),
        Segment(TransformerField(W=np.outer(e[1], [2.0]), U=e[[2]], b=np.array([-0.2])), 0.8, "gate"),
    ]
)

longitude, latitude = np.meshgrid(np.linspace(-150, 150, 181), np.linspace(-80, 80, 97))
phi, lam = np.radians(latitude.ravel()), np.radians(longitude.ravel())
grid = normalize(np.stack([np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi)], axis=1))

figure, axes = plt.subplots(1, 4, figsize=(13, 3.0), sharey=True)
for k, ax in enumerate(axes):
    part = Schedule(schedule.segments[:k])
    density = np.exp(log_density_at(part, mu, grid, start.log_density) if k else start.log_density(grid)).reshape(longitude.shape)
    ax.pcolormesh(longitude, latitude, density, cmap="magma", shading="nearest", rasterized=True)
    area = np.cos(np.radians(latitude))
    mass = (density * area).sum() * np.radians(300 / 180) * np.radians(160 / 96)
    ax.set(title=["start", *(s.phase for s in schedule)][k], xlabel="longitude")
    ax.text(-145, 68, f"mass {mass:.3f}", color="white", fontsize=8)
axes[0].set_ylabel("latitude")
figure.tight_layout()
plt.show()
