"""
Six places for the layer norm
=============================

Where the norm stands decides how fast tokens gather: exponentially in depth for Post-LN and nGPT, like a power of
depth for Pre-, Peri- and Mix-LN, in between for branches scaled by the square root of the layer. Solid: tokens with
equal angles, integrated; dotted: what theory says of the end.
"""

import matplotlib.pyplot as plt
import numpy as np

from measureformer.dynamics import contraction_clock, equiangular_scheme

times = np.geomspace(0.05, 200, 300)
names = {"post": "Post-LN", "ngpt": "nGPT", "sqrt": "scaled by √layer", "pre": "Pre-LN", "mix": "Mix-LN", "peri": "Peri-LN"}

figure, ax = plt.subplots(figsize=(8, 4.6))
for k, (scheme, name) in enumerate(names.items()):
    left, _ = equiangular_scheme(times, 1.0, 32, scheme)
    ax.loglog(times, left, color=f"C{k}", label=name)
    late = times > 20 if scheme not in ("post", "ngpt") else (times > 5) & (left > 1e-12)
    law = np.exp(-2 * contraction_clock(times, scheme))
    anchor = np.flatnonzero(late)[-1]
    ax.loglog(times[late], law[late] * left[anchor] / law[anchor], color=f"C{k}", linestyle=":", linewidth=2.5)
ax.set(xlabel="depth (time)", ylabel="1 − cosine of two tokens", ylim=(1e-12, 1.5), title="32 orthogonal tokens, beta = 1")
ax.legend()
plt.show()
