"""The phase diagram of 32 tokens on the circle against the algorithm of the published script: `make bench-phases`.

Prints one Markdown table: seconds for one beta, 2048 samples, 300 layers, 200 checkpoints, float64. The published algorithm, as it is
described (its code is not copied), works on (samples, n, d): scores, softmax, average, normalise; at a checkpoint it makes all cosines
again and counts those above 0.999. Its count of clusters by the rank of a matrix is left out. torch is optional.
``--full`` runs all 90 values of beta too.
"""

import argparse
import time
from collections.abc import Callable

import jax
import numpy as np

from measureformer.dynamics import lane_layers
from measureformer.experiments.literature.phase_diagram import gathered_pairs
from measureformer.geometry import normalize

N, ETA, LAYERS, CHECKPOINTS = 32, 0.1, 300, 200
MARKS = np.unique(np.rint(np.linspace(0, LAYERS, CHECKPOINTS)).astype(int))


def in_numpy(x: np.ndarray, beta: float) -> np.ndarray:
    """The published algorithm: the share of pairs at the checkpoints."""
    found = []
    for k in range(LAYERS + 1):
        if k in MARKS:
            found.append((((x @ x.swapaxes(-1, -2) > 0.999).sum((-1, -2)) - N) / (N * (N - 1))).mean())
        scores = beta * (x @ x.swapaxes(-1, -2))
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        x = x + ETA * (weights / weights.sum(-1, keepdims=True)) @ x
        x = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return np.array(found)


def in_torch(start: np.ndarray, beta: float) -> np.ndarray:
    """The same with torch."""
    import torch

    x, found = torch.from_numpy(start), []
    with torch.no_grad():
        for k in range(LAYERS + 1):
            if k in MARKS:
                met = (x @ x.transpose(-1, -2) > 0.999).double().sum((-1, -2)) - N
                found.append(float((met / (N * (N - 1))).mean()))
            x = x + ETA * torch.softmax(beta * (x @ x.transpose(-1, -2)), -1) @ x
            x = x / x.norm(dim=-1, keepdim=True)
    return np.array(found)


def by_lanes(x: np.ndarray, beta: float) -> np.ndarray:
    """Ours."""
    return lane_layers(x, beta, ETA, LAYERS).met[MARKS].mean(1) / (N * (N - 1) / 2)


def seconds(call: Callable[[], np.ndarray], repeat: int) -> tuple[float, float, np.ndarray]:
    """Wall and CPU seconds, the best of each, and the value."""
    wall, cpu, value = np.inf, np.inf, np.empty(0)
    for _ in range(repeat):
        begin = time.perf_counter(), time.process_time()
        value = call()
        wall, cpu = min(wall, time.perf_counter() - begin[0]), min(cpu, time.process_time() - begin[1])
    return wall, cpu, value


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=2048)
    parser.add_argument("--beta", type=float, default=4.0)
    parser.add_argument("--full", action="store_true", help="all 90 values of beta too")
    choice = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    x = normalize(np.random.default_rng(0).normal(size=(choice.samples, N, 2)))
    begin = time.perf_counter()
    by_lanes(x, choice.beta)
    compiling = time.perf_counter() - begin
    ours = seconds(lambda: by_lanes(x, choice.beta), 2)
    print(f"| {choice.samples} samples, beta = {choice.beta:g} | wall s | CPU s | ratio of CPU | largest difference of shares |")
    print("|---|---|---|---|---|")
    print(f"| lanes (first call {compiling:.1f} s) | {ours[0]:.2f} | {ours[1]:.2f} | 1 | |", flush=True)
    for name, peer in (("published algorithm, NumPy", in_numpy), ("published algorithm, torch", in_torch)):
        try:
            wall, cpu, found = seconds(lambda peer=peer: peer(x, choice.beta), 1)
        except ImportError:
            print(f"| {name} | not installed: skipped | | | |")
            continue
        print(f"| {name} | {wall:.2f} | {cpu:.2f} | {cpu / ours[1]:.1f} | {abs(found - ours[2]).max():.1e} |", flush=True)
    if choice.full:
        betas, times = np.linspace(0.1, 9, 90), np.linspace(0, 30, CHECKPOINTS + 1)
        wall, cpu, _ = seconds(lambda: gathered_pairs(np.random.default_rng(0), 2, betas, times, choice.samples)[0], 1)
        print(f"\n90 values of beta, with clusters: {wall:.0f} s, CPU {cpu:.0f} s.")


if __name__ == "__main__":
    main()
