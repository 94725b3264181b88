"""
The network, elsewhere
======================

The discrete post-norm network of an interpolation leaves as ONNX, as PyTorch weights with a readable module, or as
safetensors. Here onnxruntime executes it, in double and in single precision, on the sources: both measures go through
the same file.
"""

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime

import measureformer as mf
from measureformer.export import Network, save_onnx
from measureformer.geometry import distance, normalize

rng = np.random.default_rng(0)
x = normalize(rng.normal(size=(16, 5)) + 2 * np.eye(5)[0])
sources = [mf.Empirical(x), mf.Empirical(x[:8])]
targets = [mf.Empirical(-x), mf.Empirical(normalize(x[:8] + 3 * np.eye(5)[1]))]
network = mf.interpolate(sources, targets, eps=1e-6, width=8).network


def executed(layers, dtype, mu):
    """The first ``layers`` layers as onnxruntime executes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.onnx"
        save_onnx(path, Network(network.layers[:layers]), dtype=dtype)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_inputs()]
    return session.run(None, dict(zip(names, (mu.points.astype(dtype), mu.weights.astype(dtype)), strict=True)))[0]


# %%
# How far onnxruntime is from the library, layer by layer: rounding, and nothing else.

depths = list(range(1, len(network.layers) + 1))
figure, ax = plt.subplots(figsize=(8, 3.6))
for dtype, style in (("float64", "-"), ("float32", "--")):
    for i, mu in enumerate(sources):
        apart = []
        for depth in depths:
            ours = Network(network.layers[:depth])(mu.points, mu.weights)
            apart.append(distance(normalize(executed(depth, dtype, mu).astype(float)), np.asarray(ours)).max())
        ax.semilogy(depths, np.maximum(apart, 1e-17), style, color=f"C{i}", label=f"measure {i + 1}, {dtype}")
        print(dtype, f"measure {i + 1}: {apart[-1]:.1e} rad at the end")
ax.set(xlabel="layers", ylabel="largest distance, radians", title="onnxruntime against the library")
ax.legend(ncols=2, fontsize=8)
plt.show()
