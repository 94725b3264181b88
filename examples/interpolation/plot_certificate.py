"""
What a certificate says
=======================

A plan is a promise. The certificate is written by other code, from the saved files alone: it integrates the original
equation, runs the discrete network in double and in single precision, and measures how far each measure ended from
its target.
"""

import tempfile

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.diagnostics import record
from measureformer.geometry import normalize

rng = np.random.default_rng(1)
x = normalize(rng.normal(size=(24, 3)) + [2, 0, 0])
sources = [mf.Empirical(x), mf.Empirical(x[:12]), mf.Empirical(x[6:18])]  # they share points
targets = [
    mf.Empirical(normalize(rng.normal(size=(mu.size, 3)) * 0.4 + c))
    for mu, c in zip(sources, np.eye(3)[[1, 2, 1]] * [1, 1, -1], strict=True)
]

result = mf.interpolate(sources, targets, eps=1e-6)
with tempfile.TemporaryDirectory() as folder:
    certificate = result.save(folder, force=True)
print("passed:", certificate["passed"])
for pair in certificate["pairs"]:
    print({key: pair[key] for key in ("w2_before", "w2_after")})

# %%
# Left: W₂ to the targets along the schedule, phase by phase; the measures are parted, matched in a
# hemisphere, and led home by the last segment. Right: what the certificate holds.

history = record(result.schedule, sources, targets)
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), gridspec_kw={"width_ratios": [1.4, 1]})
for i, curve in enumerate(history.curve.T):
    left.plot(history.curve_segments, curve, label=f"measure {i + 1}, {sources[i].size} atoms")
for k, (start, end) in enumerate(zip(history.segments[:-1], history.segments[1:], strict=True)):
    left.axvspan(start, end, color="0.93" if k % 2 else "0.98", zorder=0)
    if end - start > 5:
        left.text((start + end) / 2, 1.85, history.phases[k + 1], ha="center", fontsize=9, color="0.35")
left.set(xlabel="segments executed", ylabel="W₂ to the target, radians", ylim=(0, 2))
left.legend(loc="lower left")

network = certificate["network"]
columns = {
    "before": [pair["w2_before"] for pair in certificate["pairs"]],
    "adaptive\nintegration": [pair["w2_after"] for pair in certificate["pairs"]],
    "network,\nfloat64": network["w2_after"],
    "network,\nfloat32": network["w2_after_float32"],
}
for k, values in enumerate(columns.values()):
    right.semilogy(np.full(3, k) + [-0.1, 0, 0.1], values, "o", color="C3")
right.axhline(certificate["eps"], color="0.4", linestyle=":")
right.text(3.4, certificate["eps"], "eps", va="bottom", ha="right")
right.set(xticks=range(4), xticklabels=list(columns), xlim=(-0.5, 3.5), ylabel="W₂ of the three pairs, radians")
figure.tight_layout()
plt.show()
