"""Tokens spread over devices and processes: `python benchmarks/sharded.py`.

For 1, 2 and 4 devices of this processor and for 2 processes (loopback, gloo): the bytes that a device sends for one velocity, read from
the compiled program, beside the formula; processor and wall seconds of a flow of Euler steps, compiled before; and the largest difference
from the flow of one device. Then the time of an all-reduce and of passing tokens on. Last what the model of `docs/scaling.md` predicts.
"""

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SETUPS = {"1 device": (1, 1), "2 processes": (1, 2), "4 devices": (4, 1), "2 devices": (2, 1)}  # devices of a process, processes
KERNELS = ("harmonic", "dense")
STEPS = 20


@dataclass(frozen=True)
class Machine:
    """What the model knows of a device: seconds of a pair and of a token with harmonics (those of this processor's core are measured),
    seconds of a message, bytes a second between devices, and how many there are."""

    name: str
    devices: int
    pair: float
    token: float
    latency: float
    bandwidth: float

    def harmonic(self, n: float, degree: int) -> float:
        """Seconds of an evaluation on S^2: n / P tokens, and two all-reduces (moments; one number) of log_2 P messages there and back."""
        rounds = 2 * np.ceil(np.log2(self.devices))
        return self.token * n / self.devices + rounds * (2 * self.latency + moment_bytes(degree) / self.bandwidth)

    def dense(self, n: float, d: int) -> float:
        """Seconds of an evaluation over all pairs: P - 1 rounds, in each the longer of the sums and of the passing on of n / P tokens."""
        block = n / self.devices
        return self.devices * max(self.pair * block**2, self.latency + 8 * (d + 1) * block / self.bandwidth)


def moment_bytes(degree: int) -> int:
    """Of the all-reduce on S^2 in float64: 2 (L + 1)^2 moments and the mass."""
    return 8 * (2 * (degree + 1) ** 2 + 1)


def tokens(n: int) -> np.ndarray:
    """Uniform on S^2."""
    x = np.random.default_rng(0).normal(size=(n, 3))
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def least(call, rounds: int) -> tuple[float, float]:
    """Processor and wall seconds of this process, the least of some rounds, after one that compiles."""
    call()
    found = []
    for _ in range(rounds):
        cpu, wall = time.process_time(), time.perf_counter()
        call()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(cpu for cpu, _ in found), min(wall for _, wall in found)


def worker(choice: argparse.Namespace) -> None:
    """Measure in this process; its results as JSON."""
    import jax

    jax.config.update("jax_enable_x64", True)
    jax.config.update("jax_num_cpu_devices", choice.devices)
    from measureformer.fields import ParticleField, Softmax
    from measureformer.flows import join, token_mesh

    if choice.processes > 1:
        join(choice.coordinator, choice.process, choice.processes)
    mesh, field = token_mesh(), ParticleField(Softmax(choice.beta))
    found = {kernel: measured(field, kernel, mesh, n, choice) for kernel, n in zip(KERNELS, (choice.n, choice.pairs), strict=True)}
    if mesh.size > 1:
        found["messages"] = messages(mesh, moment_bytes(found["harmonic"]["degree"]), choice.pairs)
    print(json.dumps(found))


def measured(field, kernel: str, mesh, n: int, choice: argparse.Namespace) -> dict:
    """One kernel: traffic, and a flow. Process 0 leaves the tokens at the end in a file."""
    import diffrax

    from measureformer import Empirical, flow
    from measureformer.fields.harmonic import with_kernel
    from measureformer.fields.traffic import traffic

    sent = traffic(with_kernel(field, kernel, n, 3).field, mesh, n, 3).always
    result = []

    def once() -> None:
        result.append(flow(field, Empirical(tokens(n)), 1.0, kernel=kernel, mesh=mesh, step=1 / STEPS, solver=diffrax.Euler()))

    cpu, wall = least(once, choice.rounds)
    if choice.process == 0:
        np.save(f"{choice.into}-{kernel}.npy", result[-1].points[0][-1])
    return {"bytes": sum(size for _, size in sent.values()), "degree": result[-1].kernel.degree, "cpu": cpu, "wall": wall}


def messages(mesh, size: int, n: int) -> dict:
    """Wall seconds of an all-reduce of so many bytes, and of passing n / P tokens on."""
    import jax
    from jax.sharding import PartitionSpec

    from measureformer.flows.devices import repeated, spread
    from measureformer.kernels import TOKENS

    def compiled(function, layout):
        return jax.jit(jax.shard_map(function, mesh=mesh, in_specs=layout, out_specs=layout, check_vma=False))

    onwards = [(i, (i + 1) % mesh.size) for i in range(mesh.size)]
    add = compiled(lambda a: jax.lax.psum(a, TOKENS), PartitionSpec())
    shift = compiled(lambda a: jax.lax.ppermute(a, TOKENS, onwards), PartitionSpec(None, TOKENS))
    moments, points = repeated(np.ones(size // 8), mesh), spread(np.ones((1, n, 4)), mesh)
    calls = (lambda: jax.block_until_ready(add(moments))), (lambda: jax.block_until_ready(shift(points)))
    return {name: least(call, 50)[1] for name, call in zip(("all-reduce", "pass"), calls, strict=True)}


def run(setup: str, choice: argparse.Namespace, folder: Path) -> list[dict]:
    """The results of all processes of a setup; they are gone afterwards, whatever happens."""
    devices, processes = SETUPS[setup]
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    words = [
        "--devices",
        devices,
        "--processes",
        processes,
        "--coordinator",
        f"127.0.0.1:{port}",
        "--into",
        folder / setup.replace(" ", "-"),
    ]
    words += ["--n", choice.n, "--pairs", choice.pairs, "--beta", choice.beta, "--rounds", choice.rounds]
    started = [
        subprocess.Popen([sys.executable, __file__, "--process", str(i), *map(str, words)], stdout=subprocess.PIPE, text=True)
        for i in range(processes)
    ]
    try:
        said = [process.communicate(timeout=3600)[0] for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    if any(process.returncode for process in started):
        raise SystemExit(f"{setup}: a process failed")
    return [json.loads(out.splitlines()[-1]) for out in said]


def predict(token: float, pair: float, degree: int, choice: argparse.Namespace) -> None:
    """The model, for machines that were not measured. A GPU is taken to do what ``choice.gpu`` cores of this processor do."""
    hosts = Machine("64 hosts of 32 cores, 10 GB/s, 30 us", 64, pair / 32, token / 32, 30e-6, 10e9)
    gpus = Machine("8 GPUs, 200 GB/s, 10 us", 8, pair / choice.gpu, token / choice.gpu, 10e-6, 200e9)
    print(f"\nPredicted, not measured (a GPU as {choice.gpu:g} cores): seconds of an evaluation, d = 3\n")
    print("| machine | n | harmonics | all pairs |\n|---|---|---|---|")
    for machine in (gpus, hosts):
        for n in (1e6, 1e7, 1e8, 1e9):
            print(f"| {machine.name} | {n:.0e} | {machine.harmonic(n, degree):.2g} | {machine.dense(n, 3):.2g} |")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="Tokens spread over devices and processes.")
    parser.add_argument("--n", type=int, default=200_000, help="tokens with harmonics")
    parser.add_argument("--pairs", type=int, default=8192, help="tokens with all pairs")
    parser.add_argument("--beta", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--gpu", type=float, default=100.0, help="cores of this processor that a GPU stands for in the predictions")
    for name, kind in (("process", int), ("processes", int), ("devices", int), ("coordinator", str), ("into", str)):
        parser.add_argument(f"--{name}", type=kind, help=argparse.SUPPRESS)
    choice = parser.parse_args()
    if choice.process is not None:
        worker(choice)
        return
    print("| kernel | n | setup | sent, bytes | formula | CPU s | wall s | difference |\n|---|---|---|---|---|---|---|---|", flush=True)
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for setup, (devices, processes) in SETUPS.items():
            found[setup] = run(setup, choice, Path(folder))
            size = devices * processes
            for kernel, n in zip(KERNELS, (choice.n, choice.pairs), strict=True):
                parts = [result[kernel] for result in found[setup]]
                ends = [np.load(Path(folder) / f"{name}-{kernel}.npy") for name in ("1-device", setup.replace(" ", "-"))]
                formula = moment_bytes(parts[0]["degree"]) + 8 if kernel == "harmonic" else (size - 1) * n // size * 4 * 8
                cpu, wall = sum(part["cpu"] for part in parts), max(part["wall"] for part in parts)
                print(
                    f"| {kernel} | {n} | {setup} | {parts[0]['bytes']} | {formula if size > 1 else 0} | {cpu:.2f} | {wall:.2f} "
                    f"| {abs(ends[1] - ends[0]).max():.1e} |",
                    flush=True,
                )
    print("\n| setup | all-reduce of the moments, us | passing n / P tokens on, us |\n|---|---|---|")
    for setup, results in found.items():
        if "messages" in results[0]:
            print(f"| {setup} | {1e6 * results[0]['messages']['all-reduce']:.0f} | {1e6 * results[0]['messages']['pass']:.0f} |")
    one = found["1 device"][0]
    token, pair = one["harmonic"]["cpu"] / STEPS / choice.n, one["dense"]["cpu"] / STEPS / choice.pairs**2
    print(f"\nOne core: {1e9 * token:.0f} ns a token (L = {one['harmonic']['degree']}), {1e9 * pair:.2f} ns a pair", flush=True)
    predict(token, pair, one["harmonic"]["degree"], choice)


if __name__ == "__main__":
    main()
