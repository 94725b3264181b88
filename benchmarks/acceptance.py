"""The table of what the interpolation has to reach, through the command line: `make acceptance`.

Each row is written to disk, given to a fresh `measureformer interpolate`, and measured from outside (wall time, largest resident size).
The output is
one Markdown table. Exit code 1 if a row was not reached.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from instances import normal_densities, overlapping_caps, subset, three_caps
from measureformer import Clouds, Empirical, interpolate, wasserstein2, write_clouds
from measureformer.transport import coarsest_quantisation

Measures = tuple[list[Empirical], list[Empirical]]


@dataclass(frozen=True)
class Run:
    """A finished command: its JSON, what it cost, and W_2 of fresh samples pushed by `apply`, where the row has any."""

    certificate: dict
    seconds: float
    megabytes: float
    fresh: tuple[float, ...] = ()


@dataclass(frozen=True)
class Row:
    """A case, what it must reach, and how to check it.

    Attributes:
        case, must: as the table shows them.
        measures: makes the instance from a seed; None for the demo.
        eps: W_2 allowed.
        segments: the most segments allowed, if there is a limit.
        limits: more conditions, by name.
        options: more words of the command.
        fresh: the most W_2 that fresh samples (another seed of the instance) may have, by `apply --targets`; None: none are pushed.
    """

    case: str
    must: str
    measures: Callable[[int], Measures] | None
    eps: float
    segments: float = float("inf")
    limits: dict[str, Callable[[Run], bool]] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    fresh: float | None = None

    def failures(self, run: Run) -> list[str]:
        """The names of the conditions that do not hold."""
        c = run.certificate
        checks = {
            "passed": c["passed"] and c["eps"] <= self.eps,
            "w2_after": max(p["w2_after"] for p in c["pairs"]) <= self.eps,
            "segments": c["schedule"]["segments"] <= self.segments,
            "fresh samples": self.fresh is None or max(run.fresh) <= self.fresh,
            **{name: check(run) for name, check in self.limits.items()},
        }
        return [name for name, good in checks.items() if not good]


def _segments(measures: Measures) -> int:
    return len(interpolate(*measures, eps=1e-2).schedule)


def _floor(eps: float) -> float:
    """What the cells of the planner leave, at best, on fresh samples of the densities of row d8."""
    targets, fresh = normal_densities(8, 4, 2000, 0)[1], normal_densities(8, 4, 2000, 1000)[1]
    cells = [coarsest_quantisation(nu, eps / 2, 1000).measure for nu in targets]
    return max(wasserstein2(q, nu).value for q, nu in zip(cells, fresh, strict=True))


ROWS = {
    "1": Row(
        "d=3, N=4, n=32, overlapping caps of radius 0.9",
        "w2_after <= 1e-6; segments <= 2K/(d-2) + 8 = 264",
        lambda seed: overlapping_caps(3, 4, 32, seed),
        eps=1e-6,
        segments=2 * 128 + 8,
    ),
    "2": Row(
        "d=3, N=2, n=64, second source half of the first, targets disjoint",
        "w2_after <= 1e-6; segments <= 2K/(d-2) + 8 = 200",
        lambda seed: subset(3, 64, seed),
        eps=1e-6,
        segments=2 * 96 + 8,
    ),
    "3": Row(
        "d=16, N=8, n=64",
        "w2_after <= 1e-7; segments <= 4K/(d-2) + 10 = 156",
        lambda seed: overlapping_caps(16, 8, 64, seed),
        eps=1e-7,
        segments=4 * 512 / 14 + 10,
    ),
    "4": Row(
        "d=64, N=10, n=100",
        "w2_after <= 1e-6; <= 90 segments; plan + verify <= 60 s, <= 2 GB",
        lambda seed: overlapping_caps(64, 10, 100, seed),
        eps=1e-6,
        segments=90,
        limits={"time": lambda run: run.certificate["timing_s"]["total"] <= 60, "memory": lambda run: run.megabytes <= 2000},
    ),
    "5": Row(
        "60 source atoms to 20 target atoms each, d=3, N=2",
        "w2_after <= 1e-2 (three atoms a target)",
        lambda seed: overlapping_caps(3, 2, 60, seed, m=20),
        eps=1e-2,
    ),
    "6": Row(
        "d=3, N=4, n=500 (K = 2000)",
        "plan <= 30 s; w2_after <= 1e-2; conditioning and float32 reported",
        lambda seed: overlapping_caps(3, 4, 500, seed),
        eps=1e-2,
        limits={
            "plan time": lambda run: run.certificate["timing_s"]["plan"] <= 30,
            "conditioning": lambda run: all(v is not None for v in run.certificate["conditioning"].values()),
            "float32": lambda run: len(run.certificate["network"]["w2_after_float32"]) == 4,
        },
    ),
    "densities": Row(
        "d=3, three overlapping densities to three densities, 3000 samples each, eps = 0.09",
        "W_2 on fresh samples <= 0.09; <= 1200 segments at width 3",
        lambda seed: three_caps(3000, seed),
        eps=0.09,
        segments=1200,
        limits={"width": lambda run: run.certificate["schedule"]["width"] == 3},
        fresh=0.09,
    ),
    "finer": Row(
        "the same, eps = 0.05",
        "W_2 on fresh samples <= 0.05, with more cells",
        lambda seed: three_caps(3000, seed),
        eps=0.05,
        fresh=0.05,
    ),
    "many": Row(
        "d=3, N=3, 100,000 samples to 8 atoms each",
        "segments as for 1000 samples; plan <= 60 s",
        lambda seed: overlapping_caps(3, 3, 100_000, seed, m=8),
        eps=1e-2,
        limits={
            "plan time": lambda run: run.certificate["timing_s"]["plan"] <= 60,
            "as many segments": lambda run: run.certificate["schedule"]["segments"] == _segments(overlapping_caps(3, 3, 1000, 0, m=8)),
        },
    ),
    "d8": Row(
        "d=8, N=4, normal densities, 2000 samples each, eps = 0.4",
        "W_2 on fresh samples <= 1.5 x what as many cells of the targets leave",
        lambda seed: normal_densities(8, 4, 2000, seed),
        eps=0.4,
        limits={"1.5 x the floor": lambda run: max(run.fresh) <= 1.5 * _floor(0.4)},
        fresh=0.4,
    ),
    "one": Row(
        "Theorem 1.1: d=4, N=3, 500 samples to one atom each",
        "w2_after <= 1e-3; <= 40 segments",
        lambda seed: overlapping_caps(4, 3, 500, seed, m=1),
        eps=1e-3,
        segments=40,
    ),
    "paper": Row(
        "strategy paper, d=3, N=2, 3 atoms each",
        "w2_after <= 1e-4; segments within the bound of the statements",
        lambda seed: overlapping_caps(3, 2, 3, seed),
        eps=1e-4,
        limits={"bound": lambda run: run.certificate["schedule"]["segments"] <= sum(run.certificate["paper_bound"].values())},
        options=("--strategy", "paper"),
    ),
    "refined": Row(
        "d=3, N=4, n=24, --refine 20",
        "w2_after <= 1e-6; segments <= half of 2K/(d-2) = 96",
        lambda seed: overlapping_caps(3, 4, 24, seed),
        eps=1e-6,
        segments=96,
        options=("--refine", "20"),
    ),
    "float32": Row(
        "float32: d=16, N=4, n=64 (K = 256)",
        "float32 network <= 1e-2",
        lambda seed: overlapping_caps(16, 4, 64, seed),
        eps=1e-2,
        limits={"float32": lambda run: max(run.certificate["network"]["w2_after_float32"]) <= 1e-2},
    ),
    "demo": Row(
        "demo: 200 cities of Europe to South America, 100 of them to Africa",
        "certified; report; <= 10 min (here without installation)",
        None,
        eps=1e-6,
        limits={"time": lambda run: run.seconds <= 600, "report": lambda run: Path(run.certificate["report"]).stat().st_size > 10_000},
    ),
}


def write(folder: Path, kind: str, measures: Measures) -> list[Path]:
    """Two files, sources and targets."""
    paths = [folder / f"{kind}{name}.parquet" for name in ("sources", "targets")]
    for path, side in zip(paths, measures, strict=True):
        write_clouds(path, Clouds.from_measures(dict(enumerate(side))))
    return paths


def execute(row: Row, folder: Path, seed: int) -> Run:
    """Run the command of a row in a fresh process and wait for it; then push fresh samples, if the row has any."""
    out = folder / "run"
    if row.measures is None:
        words = ["demo", "--out", out, "--json"]
    else:
        sources, targets = write(folder, "", row.measures(seed))
        words = ["interpolate", "--sources", sources, "--targets", targets, "--eps", row.eps, "--out", out, "--json", *row.options]
    run = measure(words, folder)
    if row.measures is None or row.fresh is None:
        return run
    sources, targets = write(folder, "fresh-", row.measures(seed + 1000))
    pushed = measure(["apply", out, "--input", sources, "--output", folder / "moved.parquet", "--targets", targets, "--json"], folder)
    return replace(run, fresh=tuple(p["w2_after"] for p in pushed.certificate["pairs"]))


def measure(words: list, folder: Path) -> Run:
    """Run a command in a fresh process: its JSON, wall time and largest resident size."""
    start = time.perf_counter()
    with (folder / "stdout").open("wb") as stdout:
        process = subprocess.Popen([sys.executable, "-m", "measureformer", *map(str, words)], stdout=stdout)
        _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)  # Popen need not wait again
    if process.returncode not in (0, 3):
        raise SystemExit(f"{' '.join(map(str, words))}: exit code {process.returncode}")
    megabytes = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return Run(json.loads((folder / "stdout").read_text(encoding="utf-8")), seconds, megabytes)


def measured(run: Run) -> str:
    """One cell: what the certificate says and what it cost."""
    c = run.certificate
    worst = max(p["w2_after"] for p in c["pairs"])
    network, conditioning, timing = c["network"], c["conditioning"], c["timing_s"]
    cells = [f"w2_after {worst:.1e}"]
    if run.fresh:
        cells.append(f"on fresh samples {max(run.fresh):.3f}")
    if network is not None:
        float32 = "not finite" if None in network["w2_after_float32"] else f"{max(network['w2_after_float32']):.1e}"
        cells.append(f"network of {network['layers']} layers {max(network['w2_after']):.1e}, in float32 {float32}")
    bound = f", by the statements {sum(c['paper_bound'].values())}" if "paper_bound" in c else ""
    cells += [
        f"{c['schedule']['segments']} segments (paper {c['paper_budget']['total']}{bound})",
        f"stretch {conditioning['smallest_stretch']:.1e} to {conditioning['largest_stretch']:.1e}, gap {conditioning['smallest_gap']:.1e}",
        f"plan {timing['plan']:.1f} s, verify {timing['verify']:.1f} s, whole command {run.seconds:.1f} s, {run.megabytes:.0f} MB",
    ]
    return "; ".join(cells)


def main() -> int:
    """Print the table; 1 if something was not reached."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="ROW", help=f"which of {', '.join(ROWS)}; all by default"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the instances")
    choice = parser.parse_args()
    print("| row | case | must | measured | reached |\n|---|---|---|---|---|", flush=True)
    all_reached = True
    for name in choice.rows:
        with tempfile.TemporaryDirectory() as folder:
            run = execute(ROWS[name], Path(folder), choice.seed)
            failures = ROWS[name].failures(run)
        all_reached &= not failures
        verdict = "yes" if not failures else f"**no**: {', '.join(failures)}"
        print(f"| {name} | {ROWS[name].case} | {ROWS[name].must} | {measured(run)} | {verdict} |", flush=True)
    return 0 if all_reached else 1


if __name__ == "__main__":
    sys.exit(main())
