"""
Causal attention: first come, first served
==========================================

Under a causal mask token i sees only tokens before it. Tokens that are far from all earlier ones, the strong centers,
hardly move for a long time, and the others fall to one of the centers: one can tell from the start where clusters
will be.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.diagnostics import renyi_centers, strong_centers
from measureformer.fields import Causal, ParticleField, Softmax

n, beta, delta = 120, 64.0, 0.5
angle = np.random.default_rng(4).uniform(-np.pi, np.pi, n)
tokens = np.stack([np.cos(angle), np.sin(angle)], axis=1)
times = np.linspace(0, 75, 76)
run = mf.flow(ParticleField(Softmax(beta), mask=Causal()), mf.Empirical(tokens), times[-1], saveat=times, rtol=1e-5, atol=1e-6)
theta = np.unwrap(np.arctan2(run.points[0][..., 1], run.points[0][..., 0]), axis=0)
strong, renyi = strong_centers(tokens, delta), renyi_centers(tokens, delta)
print("strong centers:", strong, " Rényi centers:", renyi)

figure, ax = plt.subplots(figsize=(8, 5))
ax.plot(times, theta, color="0.75", linewidth=0.8)
ax.plot(times, theta[:, [k for k in renyi if k not in strong]], color="C0", linewidth=1.6)
ax.plot(times, theta[:, strong], color="C1", linewidth=2.2)
for color, label in (("C1", "strong centers"), ("C0", "other Rényi centers"), ("0.75", "all other tokens")):
    ax.plot([], [], color=color, label=label)
ax.set(xlabel="time", ylabel="angle", title=f"{n} tokens on the circle, causal softmax, beta = {beta:g}")
ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()
