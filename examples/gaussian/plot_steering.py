"""
Steering Gaussians
==================

Softmax attention with weights that change over time is a control system for mean and covariance. Here one schedule of
attention carries a Gaussian to another, gently enough that a cloud of tokens follows.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.gaussian import gaussian_flow
from measureformer.gaussian.steering import steer, steered_cloud

start = mf.Gaussian([1.5, 0.0], [[1.0, 0.6], [0.6, 0.8]])
goal = mf.Gaussian([-1.0, 2.0], [[0.5, -0.35], [-0.35, 1.2]])
found = steer(start, goal, strength=0.3)
print(found.answer, "-", found.reason, "- W2 at the end:", found.after)

# %%
# Ellipses of one standard deviation along the way, and 300 tokens before and after.

turn = np.linspace(0, 2 * np.pi, 100)
circle = np.stack([np.cos(turn), np.sin(turn)])
figure, ax = plt.subplots(figsize=(7, 5.6))
mu = start
for k, segment in enumerate(found.schedule):
    run = gaussian_flow(mf.Softmax(Q=segment.field.B, V=segment.field.V), mu, segment.duration, saveat=4, converged=None)
    for m, S in zip(run.mean, run.cov, strict=True):
        values, vectors = np.linalg.eigh(S)
        ax.plot(*(m[:, None] + vectors @ (np.sqrt(values)[:, None] * circle)), color=f"C{k}", linewidth=1)
    ax.plot([], [], color=f"C{k}", label=f"segment {k + 1}")
    mu = run.final
cloud = mf.Empirical(np.random.default_rng(0).multivariate_normal(start.mean, start.cov, 300))
after = steered_cloud(found.schedule, cloud)
for points, color, label in ((cloud.points, "0.6", "tokens before"), (after.points, "black", "tokens after")):
    ax.plot(*np.asarray(points).T, ".", color=color, markersize=3, label=label)
ax.set(aspect="equal", title=f"{len(found.schedule)} segments of attention")
ax.legend()
plt.show()
