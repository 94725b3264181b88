"""How planning and execution grow with the number of atoms K: `make scaling`.

Prints one Markdown table and, for each dimension, exponents p of time ~ K^p fitted over the larger half of the sizes. Planning should
grow like
K log K + K d; execution like segments x points x d x width, and segments like 2 K / (width // 2): a power of two in K.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np

from instances import overlapping_caps
from measureformer import InputError, flow, integrate, interpolate

EPS = 1e-2
SIZES = {3: (128, 256, 512, 1000, 2000, 4000), 16: (128, 256, 512, 1000, 2000, 4000), 64: (128, 256, 512, 1000, 2000, 4000)}


@dataclass(frozen=True)
class Measurement:
    """Times in seconds, of one size."""

    d: int
    K: int
    segments: int
    width: int
    plan: float
    flow: float
    integrate: float
    steps: int

    @property
    def work(self) -> int:
        """segments x points x d x width."""
        return self.segments * self.K * self.d * self.width


def seconds(call) -> tuple[float, object]:
    """How long a call took, and what it returned."""
    start = time.perf_counter()
    value = call()
    return time.perf_counter() - start, value


def measure(d: int, K: int) -> Measurement:
    """Plan, then run by closed forms, then integrate (once before, on a part, so that compilation is not measured)."""
    sources, targets = overlapping_caps(d, 4, K // 4, seed=0)
    plan_time, result = seconds(lambda: interpolate(sources, targets, eps=EPS))
    schedule = result.schedule
    flow_time, _ = seconds(lambda: flow(schedule, sources))
    integrate(type(schedule)(schedule.segments[:2]), sources)
    integrate_time, execution = seconds(lambda: integrate(schedule, sources))
    return Measurement(d, K, len(schedule), schedule.width, plan_time, flow_time, integrate_time, execution.steps)


def exponent(sizes: list[float], times: list[float]) -> float:
    """p of the least-squares fit time ~ size^p, over the larger half."""
    half = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[half:]), np.log(times[half:]), 1)[0])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dimensions", type=int, nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--most", type=int, default=4000, help="the largest K")
    choice = parser.parse_args()
    print("| d | K | segments | width | plan s | exact flow s | ns a unit of work | integration s | steps |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    fits = []
    for d in choice.dimensions:
        done: list[Measurement] = []
        for K in (size for size in SIZES[d] if size <= choice.most):
            try:
                m = measure(d, K)
            except InputError as error:
                print(f"| {d} | {K} | refused: {error} | | | | | | |", flush=True)
                continue
            done.append(m)
            unit = 1e9 * m.flow / m.work
            print(
                f"| {d} | {K} | {m.segments} | {m.width} | {m.plan:.2f} | {m.flow:.2f} | {unit:.2f} | {m.integrate:.2f} | {m.steps} |",
                flush=True,
            )
        if len(done) >= 4:
            sizes = [m.K for m in done]
            model = [K * np.log(K) + K * d for K in sizes]
            fits.append(
                f"| {d} | {exponent(sizes, [m.plan for m in done]):.2f} | {exponent(sizes, model):.2f} | "
                f"{exponent(sizes, [m.flow for m in done]):.2f} | {exponent(sizes, [m.integrate for m in done]):.2f} | "
                f"{exponent(sizes, [m.work for m in done]):.2f} |"
            )
    if fits:
        print("\n| d | plan | K log K + K d | exact flow | integration | segments x points x d x width |\n|---|---|---|---|---|---|")
        print("\n".join(fits))


if __name__ == "__main__":
    main()
