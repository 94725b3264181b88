"""
Clusters that seem to last
==========================

Softmax attention draws tokens together. For large beta they first gather in several clusters that hardly move, for a
time that grows like e^β: the energy climbs in steps. Tokens that have met become one heavy atom, so that
a run can go on to any time.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.dynamics import coarsen
from measureformer.fields import ParticleField, Softmax

rng = np.random.default_rng(5)
angle = np.sort(rng.uniform(-np.pi, np.pi, 40))
tokens = mf.Empirical(np.stack([np.cos(angle), np.sin(angle)], axis=1))
beta = 9.0

run = coarsen(tokens, beta, np.inf)
times = np.geomspace(0.05, 2e3, 120)
path = mf.flow(ParticleField(Softmax(beta)), tokens, times[-1], saveat=times, rtol=1e-7, atol=1e-9).points[0]
theta = np.unwrap(np.arctan2(path[..., 1], path[..., 0]), axis=0)

# %%
# Above: angles of the tokens. Below: the energy, in units in which one single cluster has 1; k far clusters of equal
# mass have 1/k.

figure, (top, bottom) = plt.subplots(2, 1, figsize=(8, 6))
top.semilogx(times, theta, color="C0", linewidth=0.8)
top.set(ylabel="angle", xlim=(0.05, times[-1]), title=f"40 tokens on the circle, beta = {beta:g}")
bottom.semilogx(run.times[1:], run.energies[1:], color="C1")
for merge in run.merges[-3:]:
    bottom.axvline(merge.time, color="0.7", linestyle=":")
    bottom.annotate(
        f"{merge.clusters} left", (merge.time, 0.1), xytext=(-4, 0), textcoords="offset points", rotation=90, ha="right", fontsize=9
    )
    print(f"t = {merge.time:10.2f}: {merge.clusters} clusters left")
bottom.set(xlabel="time", ylabel="energy", xlim=(0.05, 1e9), ylim=(0, 1.05))
figure.tight_layout()
plt.show()
