"""
A certificate of metastability
==============================

Tokens that sit in separated caps will collapse within each cap by a time T₁, and stay in their caps until
T₂, which is exponentially larger. Both times are read off the tokens at the start. What happens keeps the
promise, with much room.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.diagnostics import metastability
from measureformer.fields import ParticleField, Softmax

beta, eps = 24.0, 0.005
rng = np.random.default_rng(0)
angle = np.concatenate([center + rng.uniform(-0.09, 0.09, 2) for center in (0.0, np.pi / 2)])
tokens = np.stack([np.cos(angle), np.sin(angle)], axis=1)
promise = metastability(tokens, beta, eps)
print(f"T1 = {promise.collapsed:.1f}, T2 = {promise.kept:.0f}, holds: {promise.holds}")

# %%
# The spread within a cap, and the distance between the caps.

times = np.geomspace(0.1, promise.kept, 150)
x = mf.flow(ParticleField(Softmax(beta)), mf.Empirical(tokens), times[-1], saveat=times, rtol=1e-9, atol=1e-13).points[0]
within = np.maximum(np.linalg.norm(x[:, 0] - x[:, 1], axis=1), np.linalg.norm(x[:, 2] - x[:, 3], axis=1))
between = np.linalg.norm(x[:, 0] - x[:, 2], axis=1)

figure, ax = plt.subplots(figsize=(8, 4.2))
ax.loglog(times, within, label="largest distance within a cap")
ax.loglog(times, between, label="distance of the caps")
promised = np.sqrt(2) * np.exp(-promise.rate * beta / 2)
ax.plot([promise.collapsed, promise.kept], [promised, promised], color="C0", linestyle="--", label="promised within a cap")
for time, name in ((promise.collapsed, "T₁"), (promise.kept, "T₂")):
    ax.axvline(time, color="0.6", linestyle=":")
    ax.text(time, 4, name, ha="center")
ax.set(xlabel="time", ylabel="distance", ylim=(1e-6, 3))
ax.legend(loc="center right")
plt.show()
