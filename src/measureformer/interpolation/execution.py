"""Independent execution: from the files of a run alone, without anything that the planner knows."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import InputError
from ..export import Network, load_network
from ..flows import Integration, integrate
from ..flows.adaptive import METHOD
from ..measures import Empirical, pair_clouds, read_clouds
from ..schedule import Schedule, load_schedule
from ..transport import wasserstein2, wasserstein_inf

TOLERANCES = (1e-12, 1e-10, 1e-8, 1e-6)
# The first of them is for schedules with at most this much work: segments x atoms x d x width.
_CHEAP = 1e6
DATA_FILES = ("sources.parquet", "targets.parquet")
SCHEDULE_FILE = "schedule.safetensors"
NETWORK_FILES = ("network.safetensors", "network.json")


@dataclass(frozen=True)
class Execution:
    """What the files of a run do when they are executed.

    Attributes:
        labels, sources, targets: the data, equal atoms merged.
        schedule, network: as read; network is None where the strategy yields none.
        integration: of the original equation in float64, all measures under the same theta.
        tolerance: rtol = atol of it, see ``integrate_strictly``.
        w2_before, w2_after, winf_after: for each pair, radians; NaN where execution failed.
        network_w2, network_w2_float32: likewise, for the network in float64 and in float32; None without network.
    """

    labels: list
    sources: list[Empirical]
    targets: list[Empirical]
    schedule: Schedule
    network: Network | None
    integration: Integration
    tolerance: float
    w2_before: list[float]
    w2_after: list[float]
    winf_after: list[float]
    network_w2: list[float] | None
    network_w2_float32: list[float] | None

    def method(self) -> dict:
        """How it was done, as the certificate states it."""
        i = self.integration
        return {"method": METHOD, "rtol": self.tolerance, "atol": self.tolerance, "steps": i.steps, "drift": i.drift}

    def within(self, eps: float) -> bool:
        """Whether every pair is within eps, by the integration and by the float64 network."""
        return all(value <= eps for value in [*self.w2_after, *(self.network_w2 or [])])


def execute(directory: str | Path, *, progress: Callable[[int, int], None] | None = None) -> Execution:
    """Read a run directory and execute its schedule and its network.

    (a) The original equation is integrated with error control (``integrate_strictly``); (b) the discrete
    network is run layer by layer in float64 and in float32.

    Args:
        directory: of a run of ``interpolate``.
        progress: called with (segments done, segments in all).

    Raises:
        InputError: a file is missing or damaged.
    """
    directory = Path(directory)
    pairs = pair_clouds(*(read_clouds(directory / name) for name in DATA_FILES))
    labels = [label for label, _, _ in pairs]
    sources = [mu.merged()[0] for _, mu, _ in pairs]
    targets = [nu.merged()[0] for _, _, nu in pairs]
    schedule = load_schedule(directory / SCHEDULE_FILE)
    network = load_network(directory) if (directory / NETWORK_FILES[1]).exists() else None
    if schedule.dimension not in (None, sources[0].dimension):
        raise InputError(
            f"{directory}: the schedule has dimension {schedule.dimension}, the data {sources[0].dimension}; they do not belong together"
        )

    def report(done: int) -> None:
        if progress:
            progress(done, len(schedule))

    integration, tolerance = integrate_strictly(schedule, sources, progress=report)
    final = [mu.points for mu in integration.measures]
    return Execution(
        labels, sources, targets, schedule, network, integration, tolerance,
        w2_before=_distances(sources, [mu.points for mu in sources], targets),
        w2_after=_distances(sources, final, targets),
        winf_after=_distances(sources, final, targets, wasserstein_inf),
        network_w2=None if network is None else _run(network, sources, targets, np.float64),
        network_w2_float32=None if network is None else _run(network, sources, targets, np.float32),
    )  # fmt: skip


def integrate_strictly(
    schedule: Schedule, sources: list[Empirical], *, progress: Callable[[int], None] | None = None
) -> tuple[Integration, float]:
    """Integrate the original equation at the strictest of ``TOLERANCES`` at which no segment fails; at the loosest one if all fail.

    1e-12 is tried for small schedules only: it takes twice as long as 1e-10.

    Returns:
        The integration and its tolerance, rtol = atol.
    """
    work = len(schedule) * sum(mu.size for mu in sources) * (schedule.dimension or 1) * max(schedule.width, 1)
    *tried, last = TOLERANCES[0 if work <= _CHEAP else 1 :]
    for tolerance in tried:
        integration = integrate(schedule, sources, rtol=tolerance, atol=tolerance, progress=progress)
        if integration.failed_segment is None:
            return integration, tolerance
    return integrate(schedule, sources, rtol=last, atol=last, progress=progress), last


def _run(network: Network, sources: list[Empirical], targets: list[Empirical], dtype) -> list[float]:
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # what float32 cannot do is reported, not hidden
        final = [np.asarray(network(mu.points, mu.weights, dtype), np.float64) for mu in sources]
    return _distances(sources, final, targets)


def _distances(sources: list[Empirical], points: list[np.ndarray], targets: list[Empirical], distance=wasserstein2) -> list[float]:
    return [
        distance(Empirical(x, mu.weights), nu).value if np.isfinite(x).all() else float("nan")
        for mu, x, nu in zip(sources, points, targets, strict=True)
    ]


def digests(directory: str | Path) -> dict[str, str]:
    """SHA-256 of the files that a certificate speaks of, by name."""
    directory = Path(directory)
    names = [name for name in (SCHEDULE_FILE, *NETWORK_FILES, *DATA_FILES) if (directory / name).exists()]
    return {name: hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in names}
