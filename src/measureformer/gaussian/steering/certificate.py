"""The certificate of a steering: what the saved schedule does to the saved Gaussians, executed from the files alone."""

import hashlib
from pathlib import Path

import numpy as np

from ..._files import write_tensors
from ...errors import InputError
from ...interpolation.certificate import Verification, read, write
from ...measures import Gaussian
from ...schedule import Schedule, load_schedule, save_schedule
from ...transport import bures_wasserstein
from ..meanfield import TRUST, tilt
from .execution import run, steered, steered_cloud
from .moves import RANK
from .steer import Steering, distances, segments_of

KIND = "gaussian"
SCHEDULE_FILE, DATA_FILE = "schedule.safetensors", "gaussians.safetensors"
_RTOL, _LOOSE = 1e-12, 1e-9
_SAVES = 8


def certify(directory: str | Path, steering: Steering, *, sizes: tuple[int, ...] = (100, 400), seed: int = 0) -> dict:
    """Write the schedule, the Gaussians and ``certificate.json``; the latter is about what an execution of these files finds.

    Args:
        directory: there already.
        steering: any outcome; without a schedule the certificate says why, and has not passed.
        sizes: numbers of tokens of the clouds that follow the schedule too; none for no clouds.
        seed: of the clouds.

    Returns:
        The certificate: ``passed`` (every pair within eps by the adaptive integrator), ``answer``, ``reason``, ``orbit``, ``pairs`` (W_2
        before and after, by Bures and Wasserstein's formula), ``schedule``, ``conditioning``, ``independent_execution``, ``clouds`` (W_2
        between the Gaussian with a cloud's mean and covariance and the goal; a cloud starts with exactly m and S), ``files``.
    """
    directory = Path(directory)
    s, g = steering.start, steering.goal
    write_tensors(directory / DATA_FILE, {"mean": s.mean, "cov": s.cov, "goal_mean": g.mean, "goal_cov": g.cov}, {"format": "1"})
    (directory / SCHEDULE_FILE).unlink(missing_ok=True)
    if steering.schedule is not None:
        save_schedule(directory / SCHEDULE_FILE, steering.schedule)
    found = execute(directory, steering.eps)
    closed = steering.orbit is None
    certificate = {
        "format": 1,
        "kind": KIND,
        "answer": steering.answer,
        "reason": steering.reason,
        "orbit": steering.orbit,
        "strength": steering.strength,
        **found,
        "clouds": _clouds(directory, sizes, seed, found["conditioning"]["largest_tilt"], closed) if found["schedule"] else None,
        "seed": seed,
        "files": _digests(directory),
    }
    certificate["passed"] = certificate["passed"] and steering.reachable
    write(directory, certificate)
    return certificate


def execute(directory: str | Path, eps: float) -> dict:
    """What the files do: ``passed``, ``eps``, ``pairs``, ``schedule``, ``conditioning`` and ``independent_execution`` of a certificate."""
    schedule, start, goal = _load(directory)
    before = distances(start, goal)
    if schedule is None:
        pairs = [{"w2_before": w, "w2_after": w} for w in before]
        return {"passed": False, "eps": eps, "pairs": pairs, "schedule": None, "conditioning": None, "independent_execution": None}
    at, worst, widest, largest = start, 0.0, 0.0, 0.0
    for segment in schedule:
        means, covs, at = run(segment, at, _SAVES, _RTOL)
        A, d = np.asarray(segment.field.B), start.dimension
        for m, S in zip(means.reshape(-1, d), covs.reshape(-1, d, d), strict=True):
            worst = max(worst, tilt(Gaussian(m, S), A))
            widest, largest = max(widest, float(np.linalg.norm(S, 2)) ** 0.5), max(largest, float(np.linalg.norm(m)))
    after = distances(at, goal)
    pairs = [{"w2_before": w, "w2_after": v} for w, v in zip(before, after, strict=True)]
    return {
        "passed": all(w <= eps for w in after),
        "eps": eps,
        "pairs": pairs,
        "schedule": {
            "dimension": schedule.dimension,
            "segments": len(schedule),
            "segments_by_phase": schedule.segments_by_phase(),
            "horizon": schedule.horizon,
            "sup_norm": schedule.sup_norm(),
        },
        "conditioning": {
            "largest_tilt": worst,
            "largest_deviation": widest,
            "largest_mean": largest,
            "condition_start": _condition(start),
            "condition_goal": _condition(goal),
            "w2_between_tolerances": max(distances(steered(schedule, start, rtol=_LOOSE), at), default=0.0),
        },
        "independent_execution": {"method": "Dormand-Prince of order 8 on (m, F), S = F F^T", "rtol": _RTOL, "looser_rtol": _LOOSE},
    }


def verify_steering(directory: str | Path) -> Verification:
    """Execute the saved files again and compare with the certificate: the same files (SHA-256), distances within eps and eps/10 as stated.

    Raises:
        InputError: the directory holds no certificate.
    """
    stated = read(directory)
    try:
        problems = [f"{name} is not the file that was certified" for name in _changed(stated["files"], directory)]
        found = execute(directory, float(stated["eps"]))
        for k, (claim, pair) in enumerate(zip(stated["pairs"], found["pairs"], strict=True)):
            off = [key for key in pair if not abs(pair[key] - claim[key]) <= found["eps"] / 10]
            problems += [f"pairs[{k}].{key} is stated as {claim[key]!r} and found to be {pair[key]!r}" for key in off]
        if not found["passed"]:
            problems.append(f"not every Gaussian arrives within eps = {found['eps']:g}: {stated['answer']} ({stated['reason']})")
        elif stated.get("passed") is not True:
            problems.append("the certificate itself says that the run did not pass")
    except InputError as error:
        return Verification([str(error)], None)
    except (KeyError, TypeError, ValueError) as error:
        return Verification([f"the certificate is damaged: {error!r}"], None)
    return Verification(problems, found)


def _load(directory: str | Path) -> tuple[Schedule | None, Gaussian, Gaussian]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = Path(directory) / DATA_FILE
    try:
        data = load_file(path)
        start, goal = Gaussian(data["mean"], data["cov"]), Gaussian(data["goal_mean"], data["goal_cov"])
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(f"{path} cannot be read ({error}); run `measureformer gaussian` again") from None
    file = Path(directory) / SCHEDULE_FILE
    schedule = load_schedule(file) if file.exists() else None
    if schedule is not None:
        segments_of(schedule)
    return schedule, start, goal


def _clouds(directory: Path, sizes: tuple[int, ...], seed: int, worst: float, closed: bool) -> dict | None:
    """W_2 from the goal of each pair, for clouds that start with exactly its mean and covariance; ``closed``: a strength would help."""
    schedule, start, goal = _load(directory)
    sizes = tuple(n for n in sizes if n > start.dimension)
    if not sizes or schedule is None:
        return None
    rows = []
    for n in sizes:
        row = []
        for m, S, a, T in zip(start.mean, start.cov, goal.mean, goal.cov, strict=True):
            x = np.asarray(steered_cloud(schedule, Gaussian(m, S).sample(n, seed=seed, whitened=True)).points)
            cov = np.cov(x.T, bias=True).reshape(T.shape)
            row.append(bures_wasserstein(Gaussian(x.mean(0), cov), Gaussian(a, T)))
        rows.append(row)
    warning = "" if worst <= TRUST else (
        f"the tilt reaches {worst:.3g}, above {TRUST}: averages rest on few tokens, and clouds follow the Gaussians badly"
        + ("; give a strength (0.3, say)" if closed else "")
    )  # fmt: skip
    return {"n": list(sizes), "w2_after": rows, "trusted": not warning, "warning": warning}


def _condition(gaussian: Gaussian) -> float:
    """The largest ratio of two eigenvalues of a covariance, zeros left out."""
    values = np.linalg.eigvalsh(gaussian.cov)
    low = np.where(values > RANK * values[:, -1:], values, np.inf).min(1)
    return float(max([1.0, *(values[:, -1] / low)[np.isfinite(low)]]))


def _digests(directory: str | Path) -> dict[str, str]:
    paths = [Path(directory) / name for name in (SCHEDULE_FILE, DATA_FILE)]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths if path.exists()}


def _changed(stated: dict[str, str], directory: str | Path) -> list[str]:
    now = _digests(directory)
    return sorted(name for name in {*stated, *now} if stated.get(name) != now.get(name))
