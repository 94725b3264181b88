"""
A sweep
=======

One configuration, many values: the command line runs the grid on the cores of this machine or on a cluster, keeps
every result in a store, and goes on where it stopped when it is killed. Here: how many clusters are left at t = 20,
for 6 values of beta, 4 dimensions and 3 seeds.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

configuration = """
[measure]
n = 32
[field]
law = "softmax"
[flow]
horizon = 20.0
saves = 1
rtol = 1e-5
[grid]
"field.beta" = [0.5, 1.0, 2.0, 4.0, 9.0, 16.0]
"measure.d" = [2, 3, 8, 16]
"measure.seed" = [0, 1, 2]
"""

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "grid.toml"
    path.write_text(configuration)
    command = [sys.executable, "-m", "measureformer", "sweep", str(path), "--out", f"{folder}/run", "--workers", "1"]
    done = subprocess.run(command, capture_output=True, text=True)
    print("exit code", done.returncode)
    table = np.genfromtxt(Path(folder) / "run" / "table.csv", delimiter=",", names=True, deletechars="", encoding="utf-8")

# %%
# Means over the seeds. Small beta: one cluster. Large beta: several that last, and in many dimensions tokens have hardly begun to
# meet.

betas, dimensions = np.unique(table["field.beta"]), np.unique(table["measure.d"])
clusters = [[table["clusters"][(table["field.beta"] == b) & (table["measure.d"] == d)].mean() for b in betas] for d in dimensions]
figure, ax = plt.subplots(figsize=(8, 4))
image = ax.imshow(clusters, cmap="viridis", origin="lower", aspect="auto")
for row, values in enumerate(clusters):
    for column, value in enumerate(values):
        ax.text(column, row, f"{value:.1f}", ha="center", va="center", color="white" if value < 0.6 * np.max(clusters) else "black")
ax.set(xlabel="beta", ylabel="dimension", xticks=range(len(betas)), yticks=range(len(dimensions)))
ax.set_xticklabels([f"{b:g}" for b in betas])
ax.set_yticklabels([f"{d:g}" for d in dimensions])
figure.colorbar(image, label="clusters at t = 20")
plt.show()
