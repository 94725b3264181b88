"""Sums over atoms in linear time: `make kernels`.

Prints a Markdown table of one evaluation of the velocity of softmax attention with Q = K = V = I at n uniform tokens on the circle or S^2:
seconds of all processors (user and system) and of the clock, the least of some rounds; the error at random tokens against sums over all
pairs; how much memory the evaluation adds to the data; and the time of the dense kernel, extrapolated as n^2 from a size it can do.
Then both kernels for few atoms: from which number on the harmonics are faster. The constants of ``measureformer.kernels.choose`` are
fitted to these tables.
"""

import argparse
import time
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from measureformer.fields import ParticleField, Softmax
from measureformer.fields.harmonic import expansions, with_kernel

CASES = ("3x1000000x1", "3x1000000x9", "3x1000000x81", "2x10000000x1", "2x1000000x9", "2x1000000x81")
_DENSE = 8000
_QUERIES = 64


def tokens(n: int, d: int) -> np.ndarray:
    """Uniform on the sphere."""
    x = np.random.default_rng(0).normal(size=(n, d))
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    return x


def memory(line: str) -> float:
    """VmRSS or VmHWM, what the process has and the most that it has had, in MB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return float(status.split(line + ":")[1].split()[0]) / 1024


def timed(call, rounds: int) -> tuple[float, float]:
    """CPU and wall seconds, the least of some rounds, after one that compiles."""
    jax.block_until_ready(call())
    found = []
    for _ in range(rounds):
        cpu, wall = time.process_time(), time.perf_counter()
        jax.block_until_ready(call())
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(cpu for cpu, _ in found), min(wall for _, wall in found)


def evaluation(n: int, d: int, beta: float, kernel: str, rtol: float, dtype: type = np.float64):
    """The compiled field at its tokens, and the field."""
    x = jnp.asarray(tokens(n, d).astype(dtype))
    w = jnp.full(n, 1 / n, dtype)
    field = with_kernel(ParticleField(Softmax(beta)), kernel, n, d, rtol=rtol, dtype=dtype).field
    compiled = eqx.filter_jit(lambda field, x, w: field(x, x, w))
    return (lambda: compiled(field, x, w)), field, x, w


def error(velocity, beta: float, x) -> tuple[float, float]:
    """The largest difference at some tokens from sums over all pairs, and that relative to the largest speed among them."""
    rows = np.random.default_rng(1).integers(len(x), size=_QUERIES)
    y = np.asarray(x, float)
    exact = []
    for i in rows:
        share = np.exp(beta * (y @ y[i] - 1))
        mean = share @ y / share.sum()
        exact.append(mean - (mean @ y[i]) * y[i])
    off = abs(np.asarray(velocity)[rows] - exact).max()
    return float(off), float(off / np.linalg.norm(exact, axis=1).max())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=list(CASES), help="dimension x atoms x beta")
    parser.add_argument("--rtol", type=float, default=1e-10)
    parser.add_argument("--rounds", type=int, default=3)
    choice = parser.parse_args()
    jax.config.update("jax_enable_x64", True)
    pair = {d: timed(evaluation(_DENSE, d, 4.0, "dense", choice.rtol)[0], choice.rounds)[0] / _DENSE**2 for d in (2, 3)}
    print(f"dense: {1e9 * pair[3]:.2f} ns a pair (d = 3), {1e9 * pair[2]:.2f} ns (d = 2), n = {_DENSE}, CPU s\n")
    print("| d | n | beta | L | CPU s | wall s | error | relative | MB added | data MB | times dense CPU s |")
    print("|---|---|---|---|---|---|---|---|---|---|---|", flush=True)
    for case in choice.cases:
        d, n, beta = (kind(part) for kind, part in zip((int, int, float), case.split("x"), strict=True))
        small = evaluation(2000, d, beta, "harmonic", choice.rtol)[0]
        jax.block_until_ready(small())  # the compiler's memory is not that of the sums
        call, field, x, w = evaluation(n, d, beta, "harmonic", choice.rtol)
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak
        cpu, wall = timed(call, choice.rounds)
        added = memory("VmHWM") - before
        velocity = call()
        (part,) = expansions(field)
        off, relative = error(velocity, beta, x)
        data = (x.nbytes + w.nbytes) / 2**20
        print(
            f"| {d} | {n} | {beta:g} | {part.kernel.degree} | {cpu:.2f} | {wall:.2f} | {off:.1e} | {relative:.1e} "
            f"| {added:.0f} | {data:.0f} | {pair[d] * n * n / cpu:.0f} |",
            flush=True,
        )
    print("\n| d | beta | n | harmonic CPU ms | dense CPU ms |\n|---|---|---|---|---|", flush=True)
    for d, beta in ((2, 1.0), (3, 1.0), (3, 9.0)):
        for n in (500, 1000, 2000):
            fast, slow = (timed(evaluation(n, d, beta, kernel, choice.rtol)[0], 20)[0] for kernel in ("harmonic", "dense"))
            print(f"| {d} | {beta:g} | {n} | {1e3 * fast:.2f} | {1e3 * slow:.2f} |", flush=True)


if __name__ == "__main__":
    main()
