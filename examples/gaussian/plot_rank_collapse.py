"""
Covariances that lose their rank
================================

Under softmax attention a Gaussian stays Gaussian. With K = -Q and V = I its covariance shrinks to a limit of rank d -
rank Q, which is known before anything runs: here a line in the plane. Each covariance is drawn as an ellipse, and as
a point of the disc whose rim is rank one.
"""

import matplotlib.pyplot as plt
import numpy as np

import measureformer as mf
from measureformer.gaussian import disc_grid, gaussian_flow, softmax_limit

q = np.array([[0.6, 0.8]])
law = mf.Softmax(Q=q, K=-q)
starts = disc_grid(7, 0.85)
run = gaussian_flow(law, mf.Gaussian(np.zeros((len(starts), 2)), starts), 4e3, saveat=np.geomspace(0.01, 4e3, 60))
limits = np.array([softmax_limit(S, -q.T @ q) for S in starts])
print("largest distance to the limit:", np.abs(run.cov[:, -1] - limits).max())

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.8))
turn = np.linspace(0, 2 * np.pi, 100)
circle = np.stack([np.cos(turn), np.sin(turn)])
chosen = len(starts) // 3
for k in (0, 18, 28, 38, 59):
    values, vectors = np.linalg.eigh(run.cov[chosen, k])
    ellipse = vectors @ (np.sqrt(np.maximum(values, 0))[:, None] * circle)
    left.plot(*ellipse, color=plt.cm.viridis(k / 59), label=f"t = {run.times[k]:.2g}")
left.plot(*np.outer([-0.8, 0.6], [-1.2, 1.2]), color="0.6", linestyle=":", label="ker Q")
left.set(aspect="equal", title="one covariance over time")
left.legend(loc="lower left", fontsize=8)

trace = np.trace(run.cov, axis1=2, axis2=3)
across, up = (run.cov[..., 0, 0] - run.cov[..., 1, 1]) / trace, 2 * run.cov[..., 0, 1] / trace
right.plot(*circle, color="0.6")
right.plot(across.T, up.T, color="C0", linewidth=0.8)
right.plot(across[:, 0], up[:, 0], "o", color="C0", markersize=3, label="starts")
right.plot(across[:, -1], up[:, -1], "o", color="C1", markersize=7, label="limit: rank one")
right.set(aspect="equal", title="shape S / tr S of all of them")
right.legend(loc="lower left", fontsize=8)
plt.show()
