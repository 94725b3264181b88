"""
A Gaussian blows up, a cloud does not
=====================================

For V = A = 1 on the line the variance of the Gaussian is infinite at t = 1/2. A finite cloud stays within R eᵗ: its
averages rest on ever fewer tokens, and it leaves the Gaussian the earlier, the smaller it is. The closure is a
statement about infinitely many tokens.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.special import ndtri

import measureformer as mf
from measureformer.fields import ParticleField
from measureformer.gaussian import classify, gaussian_flow
from measureformer.geometry import Euclidean

law = mf.Softmax()
start = mf.Gaussian([0.0], [[1.0]])
print(classify(law, start).answer, "at", classify(law, start).latest)
exact = gaussian_flow(law, start, 0.499, saveat=200)

figure, ax = plt.subplots(figsize=(8, 4.6))
for k, n in enumerate((50, 300, 1800)):
    cloud = ndtri((np.arange(n) + 0.5) / n)[:, None]  # quantiles
    run = mf.flow(ParticleField(law, Euclidean()), mf.Empirical(cloud / cloud.std()), 0.6, saveat=60, rtol=1e-4, atol=1e-6)
    ax.semilogy(run.times, run.points[0].var(axis=1), color=f"C{k}", label=f"cloud of {n} tokens")
ax.semilogy(exact.times, exact.cov[:, 0, 0], color="black", label="Gaussian")
ax.axvline(0.5, color="0.6", linestyle=":", label="blow-up of the Gaussian")
ax.set(xlabel="time", ylabel="variance", ylim=(0.8, 100))
ax.legend()
plt.show()
