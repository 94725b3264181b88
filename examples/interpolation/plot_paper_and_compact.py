"""
The proof, executed, beside the compact construction
====================================================

Strategy ``paper`` executes the proof of the interpolation theorem lemma by lemma; strategy ``compact`` is the
construction of this library. Both are certified in the same way. The picture shows how many segments each phase
takes, and how often theta switches in all.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.geometry import normalize

rng = np.random.default_rng(3)
x = normalize(rng.normal(size=(5, 3)) + [2, 1, 1])
sources = [mf.Empirical(x[:3]), mf.Empirical(x[2:])]  # one point is shared
targets = [mf.Empirical(normalize(rng.normal(size=(3, 3)) + c)) for c in ([0, 3, 0], [0, 0, 3])]

plans = {name: mf.interpolate(sources, targets, eps=1e-5, strategy=name).schedule for name in ("paper", "compact")}

figure, ax = plt.subplots(figsize=(9, 3.4))
for row, (name, schedule) in enumerate(plans.items()):
    moved = mf.flow(schedule, sources).measures
    left = max(mf.wasserstein2(mu, nu).value for mu, nu in zip(moved, targets, strict=True))
    print(f"{name}: {len(schedule)} segments, largest W2 {left:.1e}")
    phases = list(dict.fromkeys(segment.phase for segment in schedule))
    start = 0
    for k, phase in enumerate(phases):
        count = sum(segment.phase == phase for segment in schedule)
        color = plt.cm.viridis(0.15 + 0.8 * k / len(phases)) if row else plt.cm.magma(0.25 + 0.6 * k / len(phases))
        ax.barh(row, count, left=start, color=color, edgecolor="white", label=f"{name}: {phase}, {count}")
        start += count
    ax.text(start + 0.5, row, f"{start} segments", va="center")
ax.set(yticks=[0, 1], yticklabels=list(plans), xlabel="segments", xlim=(0, 1.2 * max(map(len, plans.values()))))
ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1), fontsize=8)
figure.tight_layout()
plt.show()
