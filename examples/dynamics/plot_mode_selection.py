"""
How many clusters will there be?
================================

The uniform measure is at rest and unstable. Each Fourier mode grows at its own rate; the fastest one wins, and
decides how many clusters appear first: about the square root of 2 beta on the circle. A formula gives the rates, a
mean-field solver the densities.
"""

import matplotlib.pyplot as plt
import numpy as np

from measureformer.dynamics import circle_density, growth_rate

n = 256
theta = 2 * np.pi * np.arange(n) / n
rng = np.random.default_rng(0)
seed = 1 + 1e-3 * sum(rng.normal() * np.cos(k * theta + rng.uniform(0, 7)) for k in range(1, 12))
modes = np.arange(1, 10)

figure, axes = plt.subplots(2, 2, figsize=(10, 6), gridspec_kw={"width_ratios": [1, 1.6]})
for (left, right), beta, horizon in zip(axes, (2.0, 9.0), (16.0, 12.0), strict=True):
    rates = growth_rate(modes, beta, 2)
    left.bar(modes, rates, color=np.where(rates == rates.max(), "C1", "C0"))
    left.set(ylabel=f"beta = {beta:g}\n\ngrowth rate", xticks=modes)
    times = np.linspace(0, horizon, 120)
    density = circle_density(seed / seed.mean(), beta, times, n=n, kappa=200.0).density
    image = right.pcolormesh(times, theta, density.T, cmap="magma", shading="nearest", vmin=0, vmax=4, rasterized=True)
    right.set(ylabel="angle")
    figure.colorbar(image, ax=right, label="density", extend="max")
axes[1, 0].set_xlabel("mode k")
axes[1, 1].set_xlabel("time")
axes[0, 0].set_title("rates near uniform")
axes[0, 1].set_title("the density, with a little noise")
figure.tight_layout()
plt.show()
