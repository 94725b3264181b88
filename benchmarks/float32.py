"""How many atoms single precision can carry: `make float32`.

For each dimension, the largest K for which the network, executed in float32 throughout, still takes every measure to within eps of its
target: four sources in overlapping caps, K/4 atoms each. K is doubled while that holds, then bisected; it is not quite monotone in K, so
the table shows the largest K that passed and the smallest larger one that was seen to fail, with their errors.
"""

import argparse
from dataclasses import dataclass

import numpy as np

from instances import overlapping_caps
from measureformer import Empirical, InputError, interpolate, wasserstein2

MEASURES = 4


@dataclass(frozen=True)
class Outcome:
    """The largest W_2 after the float32 network of K atoms, and the network's size; infinite and 0 where planning was refused."""

    K: int
    error: float
    layers: int


def measure(d: int, K: int, eps: float, seed: int, refine: float | None) -> Outcome:
    """Plan atom by atom, and run the network in float32."""
    sources, targets = overlapping_caps(d, MEASURES, K // MEASURES, seed)
    try:
        network = interpolate(sources, targets, eps=eps, strategy="compact", seed=seed, refine=refine).network
    except InputError:
        return Outcome(K, np.inf, 0)
    assert network is not None  # strategy compact has one
    worst = 0.0
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        for mu, nu in zip(sources, targets, strict=True):
            moved = network(mu.points, mu.weights, np.float32).astype(float)
            finite = bool(np.isfinite(moved).all())
            worst = max(worst, wasserstein2(Empirical(moved, mu.weights), nu).value if finite else np.inf)
    return Outcome(K, worst, len(network.layers))


def largest(d: int, eps: float, seed: int, *, least: int, most: int, refine: float | None) -> tuple[Outcome | None, Outcome | None]:
    """(largest that passed, smallest that failed) by doubling from ``least`` and bisection to an eighth of K."""
    passed = failed = None
    K = least
    while True:
        outcome = measure(d, K, eps, seed, refine)
        if outcome.error <= eps:
            passed = outcome
        else:
            failed = outcome
        if failed is None:
            if K >= most:
                return passed, None
            K = min(2 * K, most)
            continue
        if passed is None or failed.K - passed.K <= max(MEASURES, passed.K // 8):
            return passed, failed
        K = (passed.K + failed.K) // (2 * MEASURES) * MEASURES


def cell(outcome: Outcome | None) -> str:
    """An outcome for the table."""
    return "-" if outcome is None else f"{outcome.K} ({outcome.error:.1e}, {outcome.layers} layers)"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[3, 16, 64])
    parser.add_argument("--eps", type=float, default=1e-2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--least", type=int, default=32, help="the smallest K")
    parser.add_argument("--most", type=int, default=1024, help="the largest K")
    parser.add_argument("--refine", type=float, metavar="SECONDS", help="refine each plan")
    choice = parser.parse_args()
    print(f"float32, eps = {choice.eps:g}\n\n| d | seed | largest K that passed | smallest K that failed |\n|---|---|---|---|", flush=True)
    for d in choice.dimensions:
        for seed in choice.seeds:
            passed, failed = largest(d, choice.eps, seed, least=choice.least, most=choice.most, refine=choice.refine)
            print(f"| {d} | {seed} | {cell(passed)} | {cell(failed)} |", flush=True)


if __name__ == "__main__":
    main()
