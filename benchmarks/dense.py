"""Dense attention beside its peers, in one run: `make dense`.

One evaluation of softmax attention, beta = 4, n tokens on the sphere of R^d that see each other. A Markdown table: processor seconds (all
threads together, what counts on a shared machine) and wall seconds, the least of the repeats and the peers in turn; the ratio to
measureformer's processor time; the memory that the call added; and the error against NumPy in long double at 64 of the queries. A peer that
cannot be imported is left out with a message: torch and pykeops are no dependencies.
"""

import argparse
import importlib.util
import resource
import subprocess
import sys
import time

import numpy as np

BETA = 4.0
PEERS = ("measureformer", "JAX naive", "NumPy", "torch SDPA", "KeOps")
NEEDS = {"torch SDPA": ("torch",), "KeOps": ("torch", "pykeops")}
LARGEST = {"JAX naive": 20_000, "NumPy": 20_000}  # tokens; beyond, the matrix of pairs does not fit


def cloud(n: int, d: int, dtype: str):
    """Tokens on the sphere."""
    x = np.random.default_rng(0).normal(size=(n, d))
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(dtype)


def reference(x, rows):
    """Attention at some tokens, in long double."""
    y = x.astype(np.longdouble)
    share = np.exp(BETA * (y[rows] @ y.T) - BETA)
    return share @ y / share.sum(-1, keepdims=True)


def measureformer(x):
    """The dense kernel, compiled."""
    import jax
    import jax.numpy as jnp

    from measureformer import Softmax

    jax.config.update("jax_enable_x64", True)
    points, weights = jnp.asarray(x), jnp.full(len(x), 1 / len(x), x.dtype)
    step = jax.jit(lambda points, weights: Softmax(BETA)(points, points, weights))
    return lambda: np.asarray(step(points, weights))


def jax_naive(x):
    """The formula with its matrix of pairs, compiled."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    points = jnp.asarray(x)
    step = jax.jit(lambda points: jax.nn.softmax(BETA * points @ points.T, -1) @ points)
    return lambda: np.asarray(step(points))


def in_numpy(x):
    """As the simulations in print do it."""

    def step():
        share = np.exp(BETA * x @ x.T)
        return share / share.sum(1)[:, None] @ x

    return step


def torch_sdpa(x):
    """torch.nn.functional.scaled_dot_product_attention."""
    import torch

    points = torch.from_numpy(x)[None, None]
    attend = torch.nn.functional.scaled_dot_product_attention
    return lambda: attend(points, points, points, scale=BETA)[0, 0].numpy()


def keops(x):
    """sumsoftmaxweight of a symbolic matrix."""
    import torch
    from pykeops.torch import LazyTensor

    points = torch.from_numpy(x)
    left, right = LazyTensor(points[:, None, :]), LazyTensor(points[None, :, :])
    return lambda: (BETA * (left | right)).sumsoftmaxweight(right, axis=1).numpy()


MAKERS = dict(zip(PEERS, (measureformer, jax_naive, in_numpy, torch_sdpa, keops), strict=True))


def child(name: str, n: int, d: int, dtype: str, repeats: int) -> None:
    """One peer in a process of its own: prints processor seconds, wall seconds, MB and error."""
    x, rows = cloud(n, d, dtype), np.linspace(0, n - 1, 64).astype(int)
    step = MAKERS[name](x)
    MAKERS[name](x[:256])()  # imports and small compilations are not counted as memory
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    value = step()
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    times = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        step()
        times.append((time.process_time() - cpu, time.perf_counter() - wall))
    exact = reference(x, rows)
    assert value.dtype == x.dtype
    print(*np.min(times, axis=0), memory, float(abs(value[rows] - exact).max() / abs(exact).max()))


def measure(peers: list[str], n: int, d: int, dtype: str, rounds: int, repeats: int) -> dict[str, np.ndarray]:
    """Each peer in turn, so that a busy neighbour disturbs all of them alike; the least of all rounds."""
    found: dict[str, np.ndarray] = {}
    for _ in range(rounds):
        for name in peers:
            if n > LARGEST.get(name, n) or not all(importlib.util.find_spec(module) for module in NEEDS.get(name, ())):
                continue
            command = [sys.executable, __file__, "--child", name, str(n), str(d), dtype, str(repeats)]
            output = subprocess.run(command, capture_output=True, text=True)
            if output.returncode:
                print(f"{name} failed: {output.stderr.strip().splitlines()[-1]}", file=sys.stderr)
                continue
            numbers = np.array([float(word) for word in output.stdout.split()[-4:]])
            found[name] = np.minimum(found.get(name, numbers), numbers)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=["3x16000", "64x16000"], help="dimension x tokens, for instance 3x64000")
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"])
    parser.add_argument("--peers", nargs="+", default=list(PEERS), choices=PEERS)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--child", nargs=5, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        name, n, d, dtype, repeats = args.child
        return child(name, int(n), int(d), dtype, int(repeats))
    for name, modules in NEEDS.items():
        for module in modules:
            if importlib.util.find_spec(module) is None:
                print(f"{name} is left out: {module} is not installed", file=sys.stderr)
    print("| d | n | dtype | | CPU s | wall s | CPU time / ours | MB | error |\n|---|---|---|---|---|---|---|---|---|")
    for case in args.cases:
        d, n = map(int, case.split("x"))
        for dtype in args.dtypes:
            found = measure(args.peers, n, d, dtype, args.rounds, args.repeats)
            for name, (cpu, wall, memory, error) in found.items():
                ratio = cpu / found["measureformer"][0] if "measureformer" in found else np.nan
                print(f"| {d} | {n} | {dtype} | {name} | {cpu:.3f} | {wall:.3f} | {ratio:.2f} | {memory:.0f} | {error:.1e} |", flush=True)


if __name__ == "__main__":
    main()
