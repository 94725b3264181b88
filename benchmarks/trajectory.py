"""Memory of long trajectories: `python benchmarks/trajectory.py --tokens 1000000 --states 10 100 1000`.

Tokens on S^2 under linear attention, one step of Euler's method between two saved states, written into `trajectory.zarr`. A row for
each number of states, each in a process of its own: peak memory of the process before the flow and at its end, and again after the last
state and one token through all times were read back (and compared); processor seconds of the flow; size on disk. The store is deleted.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def peak() -> float:
    """The largest resident size so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def one(tokens: int, states: int, dtype: str) -> str:
    """A row of the table."""
    import diffrax

    from measureformer import Empirical, flow
    from measureformer.experiments import TrajectoryStore, open_trajectory
    from measureformer.fields import Linear, ParticleField
    from measureformer.geometry import normalize

    mu = Empirical(normalize(np.random.default_rng(0).normal(size=(tokens, 3))))
    folder = Path(tempfile.mkdtemp())
    try:
        before = peak()
        store = TrajectoryStore(folder, {0: mu}, states, identity="benchmark", dtype=dtype)
        how = {"saveat": states - 1, "step": 1.0, "solver": diffrax.Euler(), "kernel": "dense"}
        result = flow(ParticleField(Linear()), mu, 1.0, into=store, keep=store.keep, **how)
        store.finish()
        end, spent = peak(), time.process_time()
        disk = sum(p.stat().st_size for p in folder.rglob("*.zarr/**/*") if p.is_file()) / 1e6
        found = open_trajectory(folder)
        assert (found.points[0][-1] == result.measures[0].points.astype(dtype)).all()
        assert found.points[0][:, 5].shape == (states, 3)
        return f"| {tokens} | {states} | {dtype} | {before:.0f} | {end:.0f} | {peak():.0f} | {spent:.0f} | {disk:.0f} |"
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--states", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--alone", action="store_true", help="in this process: the row only")
    asked = parser.parse_args()
    if asked.alone:
        print(one(asked.tokens, asked.states[0], asked.dtype))
        return
    head = ("tokens", "states", "dtype", "MB before", "MB written", "MB read", "CPU s", "MB on disk")
    print(f"| {' | '.join(head)} |\n|{'---|' * len(head)}", flush=True)
    for states in asked.states:
        words = ["--tokens", asked.tokens, "--states", states, "--dtype", asked.dtype, "--alone"]
        subprocess.run([sys.executable, __file__, *map(str, words)], check=True)


if __name__ == "__main__":
    main()
