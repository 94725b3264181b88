"""Interpolate: from N pairs of measures to one certified Transformer."""

import platform
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from ..diagnostics import stretch
from ..errors import ConditioningError, InputError
from ..export import Network, save_network
from ..measures import Clouds, Empirical, pair_clouds, write_clouds
from ..schedule import Schedule, save_schedule
from . import certificate as certificates
from . import compact
from .cells import plan_cells, quantise_targets
from .circle import plan_circle
from .compact import plan_compact
from .execution import DATA_FILES, NETWORK_FILES, SCHEDULE_FILE, digests, execute
from .paper import PaperPlan, plan_paper
from .plan import Plan
from .refine import check_seconds
from .refine import refine as fewer_segments
from .task import Pair, make_task, refuse_unfit

SIMULATION_FILE = "summary.json"  # what a directory of `simulate` holds
UNFINISHED_FILE = "parts/manifest.json"  # and while it is not finished
SWEEP_FILE = "sweep.json"  # what one of `sweep` holds
VERDICT_FILE = "verdict.json"  # what a directory of `check` holds
STRATEGIES = ("auto", "compact", "cells", "paper")
# So many atoms in all are matched singly, and exactly, if there are as many target atoms.
_FEW_ATOMS = 1000
Progress = Callable[[str, int, int], None]
Measures = Clouds | Mapping[str | int, Empirical] | Sequence[Empirical]


@dataclass(frozen=True)
class Interpolation:
    """A planned interpolation. ``save`` writes it, executes it independently from the files, and certifies it.

    Attributes:
        sources, targets: the data as used.
        task: the pairs, with the place that each atom should reach.
        plan: schedule, network, and how they were found.
        eps, seed: as asked for.
        plan_seconds: time that planning took.
    """

    sources: Clouds
    targets: Clouds
    task: tuple[Pair, ...]
    plan: Plan | PaperPlan
    eps: float
    seed: int
    plan_seconds: float
    strategy: str = "compact"

    def __repr__(self) -> str:
        tokens = f"{self.sources.size} source and {self.targets.size} target atoms in d = {self.sources.dimension}"
        return (
            f"Interpolation of {len(self.task)} measures ({tokens}) by strategy {self.strategy!r}: {len(self.schedule)} segments, "
            f"eps = {self.eps:g}; save(directory) executes and certifies it"
        )

    @property
    def schedule(self) -> Schedule:
        """theta on [0, T]: ``flow(schedule, measures)`` runs it."""
        return self.plan.schedule

    @property
    def network(self) -> Network | None:
        """The discrete post-norm network: ``network(points, weights)`` runs it. None for strategy "paper", which yields none."""
        return self.plan.network

    def save(self, directory: str | Path, *, force: bool = False, progress: Progress | None = None) -> dict:
        """Write the run directory (schedule, network, data), execute it from the files, and write ``certificate.json`` last.

        Args:
            directory: created if need be.
            force: replace a run that it holds.
            progress: called as ``progress(what, done, total)``.

        Returns:
            The certificate (see ``certificate.compose``); its ``passed`` says whether eps was met.

        Raises:
            InputError: the directory holds another run and ``force`` is not set.
        """
        directory = claim(directory, force=force)
        save_schedule(directory / SCHEDULE_FILE, self.schedule)
        if self.network is not None:
            save_network(directory, self.network)
        for name, clouds in zip(DATA_FILES, (self.sources, self.targets), strict=True):
            write_clouds(directory / name, clouds)

        start = time.perf_counter()
        execution = execute(
            directory, progress=(lambda done, total: progress("executing the saved schedule", done, total)) if progress else None
        )
        if progress:
            progress("measuring conditioning", 0, 1)
        stretched = stretch(execution.schedule, execution.sources)
        verify_seconds = time.perf_counter() - start
        certificate = certificates.compose(
            execution,
            {
                "eps": self.eps,
                "strategy": self.strategy,
                "attainable": [{"value": p.value, "method": p.method, "lower": p.lower} for p in (pair.attainable for pair in self.task)],
                "conditioning": {
                    "largest_stretch": stretched.largest,
                    "smallest_stretch": stretched.smallest,
                    "smallest_gap": self.plan.smallest_gap,
                    "tokens": stretched.tokens,
                },
                "notes": list(self.plan.notes),
                **({"paper_bound": self.plan.bound} if isinstance(self.plan, PaperPlan) else {}),
                "timing_s": {"plan": self.plan_seconds, "verify": verify_seconds, "total": self.plan_seconds + verify_seconds},
                "peak_memory_mb": peak_memory_mb(),
                "seed": self.seed,
                "versions": versions(),
                "files": digests(directory),
            },
        )
        certificates.write(directory, certificate)
        return certificate


def interpolate(
    sources: Measures,
    targets: Measures,
    *,
    eps: float,
    strategy: str = "auto",
    width: int | None = None,
    horizon: float = 1.0,
    seed: int = 0,
    refine: float | None = None,
    progress: Progress | None = None,
) -> Interpolation:
    r"""Plan one Transformer theta = (V, B, W, U, b)(t), piecewise constant, that carries every source to its target:
    $W_2(\mu^i(T), \mu_1^i) \le \varepsilon$ for all i at once.

    Args:
        sources, targets: ``Clouds``, or {label: Empirical}, or a list of Empirical (labels 0, 1, ...); paired by label.
        eps: the distance allowed, W_2 with geodesic cost, radians.
        strategy: "compact" matches atom by atom (attention, boosts, two stages of shears). "cells" quantises the targets and cuts the
            sources into slabs, one for each cell: for sources of many atoms, or samples of densities. "auto" chooses: up to 1000 atoms
            with as many target atoms are matched singly; otherwise cells are taken if half as many of them as there are source atoms
            suffice for eps. "paper" follows the proof of the theorem phase by phase: for few points only, and without a network. On a
            circle, d = 2, all but it mean boosts and ramps, which need no attention and solve what keeps the cyclic order.
        width: neurons of a segment; d if None.
        horizon: T.
        seed: of all random choices; the same seed gives the same schedule.
        refine: seconds to spend, after planning, on fewer segments (see ``refine``); None for no refinement. Plans that match atom by atom
            only: slabs are left as they are, strategy "paper" refuses it.
        progress: called as ``progress(what, done, total)`` while it refines.

    Returns:
        The plan; nothing is certified before ``.save(directory)``.

    Raises:
        InputError: the task or an argument is unusable; ConditioningError: float64 cannot execute the schedule to within eps.

    References:
        Geshkovski, Rigollet, Ruiz-Balet, arXiv:2411.04551v3, Theorem 1.2; the construction is our own.

    Example:
        >>> import numpy as np
        >>> sources = [Empirical(np.eye(3)), Empirical(np.eye(3)[:2])]
        >>> targets = [Empirical(-np.eye(3)), Empirical(np.eye(3)[1:])]
        >>> bool(max(interpolate(sources, targets, eps=1e-6).plan.matching.errors) < 1e-9)
        True
    """
    if strategy not in STRATEGIES:
        raise InputError(f"strategy must be one of {', '.join(STRATEGIES)}, got {strategy!r}")
    if not (np.isfinite(eps) and eps > 0):
        raise InputError(f"eps must be positive and finite, got {eps}")
    check_seconds(refine)
    if strategy == "paper" and (width is not None or refine is not None):
        name, value = ("width", width) if width is not None else ("refine", refine)
        raise InputError(f"strategy 'paper' follows the proof with the paper's square matrices: leave {name} out, got {value}")
    start = time.perf_counter()
    sources, targets = _clouds(sources, "sources"), _clouds(targets, "targets")
    pairs = pair_clouds(sources, targets)
    task = make_task(pairs, eps=eps, seed=seed, origins=(sources.origin or "sources", targets.origin or "targets"))
    if strategy == "paper":
        refuse_unfit(task)
        proof = plan_paper(task, eps=eps, horizon=horizon, seed=seed)
        return Interpolation(sources, targets, task, proof, float(eps), seed, time.perf_counter() - start, "paper")
    options = {"eps": eps, "width": width, "horizon": horizon, "seed": seed}
    plan, strategy = _plan(task, strategy, options)
    if refine is not None:
        if (reason := _not_refined(task, strategy)) is None:
            plan = fewer_segments(plan, task, eps=eps, seconds=refine, horizon=horizon, seed=seed, progress=progress)
        else:
            plan = replace(plan, notes=(*plan.notes, f"not refined: {reason}"))
    return Interpolation(sources, targets, task, plan, float(eps), seed, time.perf_counter() - start, strategy)


def _not_refined(task: tuple[Pair, ...], strategy: str) -> str | None:
    if strategy != "compact":
        return "only plans that match atom by atom (strategy compact) can be"
    if task[0].source.dimension == 2:
        return "on a circle every point has a ramp of its own"
    if any(pair.hole is not None or pair.rim is not None for pair in task):
        return "supports cover the sphere, and a cap had to be cleared"
    return None


def _plan(task: tuple[Pair, ...], strategy: str, options: dict) -> tuple[Plan, str]:
    """Strategies "auto", "compact" and "cells": the plan and the strategy that made it."""
    if task[0].source.dimension == 2:
        return plan_circle(task, **options), "compact"
    atoms = sum(p.source.size for p in task)
    too_many = (
        f"the sources have {atoms} atoms: at most {compact.MOST_ATOMS} in all can be matched singly; thin the clouds, or use strategy "
    )
    if strategy == "compact":
        if atoms > compact.MOST_ATOMS:
            raise InputError(f"{too_many}'auto' or 'cells'")
        return plan_compact(task, **options), "compact"
    singly = strategy == "auto" and atoms <= compact.MOST_ATOMS
    if singly and atoms <= _FEW_ATOMS and all(p.source.size == p.target.size for p in task):
        return plan_compact(task, **options), "compact"
    cells = quantise_targets(task, options["eps"], options["seed"])
    worth = 2 * sum(q.measure.size for q in cells) <= atoms and max(q.error for q in cells) <= options["eps"]
    plan = plan_cells(task, cells=cells, **options) if worth or not singly else None
    if plan is not None:
        return plan, "cells"
    if not singly:
        raise ConditioningError(
            "phase cluster: attention cannot bring the sources apart, or slabs of them lie too close for float64 (are two means equal, or "
            "many atoms nearly so?)" + (f"; {too_many}'compact'" if strategy == "auto" else "; use strategy 'compact'")
        )
    return plan_compact(task, **options), "compact"


def check_free(directory: str | Path, *, force: bool) -> None:
    """Whether a run may be written there; nothing is created yet.

    Raises:
        InputError: it holds a run and ``force`` is false; or it is a file.
    """
    directory = Path(directory)
    there = next(path for path in (directory, *directory.absolute().parents) if path.exists())
    if not there.is_dir():
        raise InputError(f"{there} is a file; give --out a directory")
    holds = (certificates.FILE, SIMULATION_FILE, SWEEP_FILE, VERDICT_FILE, UNFINISHED_FILE)
    if any((directory / name).exists() for name in holds) and not force:
        raise InputError(f"{directory} holds another run; give another --out, or --force to replace it")


def claim(directory: str | Path, *, force: bool) -> Path:
    """Create the directory, or take it over: no file of another run stays."""
    check_free(directory, force=force)
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    own = (certificates.FILE, SIMULATION_FILE, SWEEP_FILE, VERDICT_FILE, "report.html", SCHEDULE_FILE)
    for name in (*own, *NETWORK_FILES, *DATA_FILES):
        (directory / name).unlink(missing_ok=True)
    if (directory / UNFINISHED_FILE).exists():
        shutil.rmtree((directory / UNFINISHED_FILE).parent)
    return directory


def _clouds(measures: Measures, name: str) -> Clouds:
    if isinstance(measures, Clouds):
        return measures
    if not isinstance(measures, Mapping):
        measures = dict(enumerate(measures))
    return Clouds.from_measures(measures, origin=name)


def versions() -> dict[str, str]:
    """Versions of what the numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in ("measureformer", "jax", "diffrax", "numpy", "scipy")}}


def peak_memory_mb() -> float:
    """The largest resident size of this process so far, in MB."""
    import resource
    import sys

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)
