"""
The phase diagram, and where theory puts its edge
=================================================

Which pairs of 32 uniform tokens have met at time t, for each beta? In the plane there is a wide green zone of
clusters that last; in dimension 512 the edge is as sharp as theory says: orthogonal tokens stay equiangular, and a
formula in Ei and E₁ tells when they meet. The engine works with inner products only, so the dimension costs
nothing.
"""

import matplotlib.pyplot as plt
import numpy as np

from measureformer.diagnostics import gram_cosines
from measureformer.dynamics import gamma_curve, gram_layers, sample_gram

n, eta, layers, samples = 32, 0.1, 300, 16
betas = np.linspace(0.1, 9.0, 18)
share = {}
for d in (2, 512):
    rng = np.random.default_rng(d)
    table = np.zeros((len(betas), layers + 1))
    for row, beta in enumerate(betas):

        def observe(k, gram, row=row, table=table):
            table[row, k] = gram_cosines(gram).close.mean()

        gram_layers(sample_gram(rng, n, d, (samples,)), beta, eta, layers, observe=observe)
    share[d] = table

# %%
# Dark: nothing has met; yellow: everything. The line is theory for orthogonal tokens.

times = eta * np.arange(layers + 1)
figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
for ax, (d, table) in zip(axes, share.items(), strict=True):
    image = ax.pcolormesh(times, betas, table, cmap="viridis", vmin=0, vmax=1, shading="nearest", rasterized=True)
    t = np.linspace(5.2, 30, 200)
    ax.plot(t, gamma_curve(t, n), color="white", linewidth=1.8)
    ax.set(title=f"d = {d}", xlabel="time", ylim=(betas[0], betas[-1]))
axes[0].set_ylabel("beta")
figure.colorbar(image, ax=axes, label="share of pairs that have met")
plt.show()
