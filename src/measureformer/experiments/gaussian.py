"""A Gaussian under a law, what theorems say of it, what clouds do beside it, and the page about it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._brief import brief
from ..fields import Linear
from ..gaussian import (
    Fate,
    GaussianFlow,
    MeanFieldCheck,
    classify,
    conditional_cov,
    gaussian_flow,
    keeps_gaussians,
    meanfield_check,
    stationary_check,
)
from ..gaussian.stationary import heads_of, kind_of, rank_of
from ..measures import Gaussian
from .literature.page import Page, Panel, Picture, Series, Table

RANK = 1e-3  # of the largest eigenvalue at the start or at the end: what is below does not count
_NOTABLE = (Fate.HORIZON, Fate.CONVERGED, Fate.BLOW_UP)


@dataclass(frozen=True)
class GaussianRun:
    """What to run.

    Attributes:
        law: one that keeps Gaussians.
        gaussian: one measure.
        horizon: T.
        saves: number of intervals between saved times; they are spread over the time that the flow lasts.
        options: further keywords of ``gaussian_flow``.
        sizes, seeds: of clouds of tokens to compare with; none if ``sizes`` is empty.
    """

    law: Any
    gaussian: Gaussian
    horizon: float
    saves: int = 50
    options: dict[str, Any] = field(default_factory=dict)
    sizes: Sequence[int] = ()
    seeds: Sequence[int] = (0,)


@dataclass(frozen=True)
class GaussianResult:
    """The flow, saved over the time that it lasts, and the clouds beside it if there are any."""

    flow: GaussianFlow
    clouds: MeanFieldCheck | None
    summary: dict[str, Any]
    __repr__ = brief


def run_gaussian(run: GaussianRun, progress: Callable[[str, int, int], None] = lambda what, done, total: None) -> GaussianResult:
    """Run it.

    Returns:
        The result; its summary is ready for JSON: ``status`` ("converged", "blow_up", "horizon"; else what stopped it), ``time`` (the
        estimate of a blow-up's time, else the last one), ``mean``, ``cov`` (where the integration ended; None for infinity), ``rank``
        (eigenvalues above 1e-3 of the largest of S(0) and S), ``eigenvalues``, ``classification``, ``conserved``, ``mean_field`` and more.

    Raises:
        InputError: a law that does not keep Gaussians.
    """
    start = time.perf_counter()
    progress("flow", 0, 0)
    first = gaussian_flow(run.law, run.gaussian, run.horizon, **run.options)
    times = picture_times(first, run.saves)
    found = gaussian_flow(run.law, run.gaussian, run.horizon, saveat=times, **run.options) if len(times) else first
    clouds = None
    if run.sizes:
        clouds = meanfield_check(
            run.law, run.gaussian, run.horizon, run.sizes, seeds=run.seeds, progress=lambda done, total: progress("clouds", done, total)
        )
    end, cov = found.final, np.asarray(found.final.cov)
    values = np.linalg.eigvalsh(cov)
    scale = max(float(values[-1]), float(np.linalg.eigvalsh(np.asarray(run.gaussian.cov))[-1]))
    summary = {
        "status": found.fate.name.lower(),
        "time": float(found.time),
        "mean": _numbers(end.mean),
        "cov": _numbers(cov),
        "rank": int((values > RANK * scale).sum()) if scale > 0 else 0,
        "reason": found.fate.value,
        "eigenvalues": _numbers(values),
        "rate": _numbers(found.rate),
        "steps": int(found.steps),
        "rejected": int(found.rejected),
        "clouds_blow_up_too": kind_of(run.law) is Linear,
        "wall_s": time.perf_counter() - start,
        **_statements(run, found),
        "warning": "" if clouds is None else clouds.warning,
        "mean_field": None if clouds is None else _compared(clouds),
    }
    return GaussianResult(found, clouds, summary)


def picture_times(flow: GaussianFlow, saves: int) -> np.ndarray:
    """Times at which something is to be seen: evenly spread to the horizon, closer and closer to a blow-up, and in ratios to a limit."""
    end = float(flow.time)
    even = np.linspace(0, 1, saves + 1)
    if flow.fate is Fate.BLOW_UP:
        return end * (1 - np.append(np.geomspace(1, 1e-4, saves), 1e-5))
    if flow.fate is Fate.CONVERGED or (flow.fate is Fate.HORIZON and end > 100):
        return np.concatenate([[0], np.geomspace(1e-3, 1, saves)]) * end * (1 - 1e-12) if end > 0 else np.zeros(0)
    return np.minimum(even * end, flow.times[-1])


def _statements(run: GaussianRun, found: GaussianFlow) -> dict[str, Any]:
    """What theorems say, and whether what is conserved was."""
    if any(callable(leaf) for leaf in _leaves(run.law)) or not keeps_gaussians(run.law):
        return {"classification": None, "conserved": None}
    said, rest = classify(run.law, run.gaussian), stationary_check(run.law, run.gaussian)
    kept, now = conditional_cov(run.law, run.gaussian), conditional_cov(run.law, found.final)
    size = float(np.linalg.norm(kept))
    return {
        "classification": {
            "answer": said.answer,
            "reason": said.reason,
            "rank": said.rank,
            "blow_up_latest": _numbers(said.latest),
            "blow_up_earliest": _numbers(said.earliest),
            "limit": None if said.limit is None else _numbers(said.limit),
        },
        "conserved": {
            "conditional_cov": _numbers(kept),
            "rank": rest.lowest,
            "relative_change": float(np.linalg.norm(now - kept)) / size if size > 0 and found.fate is not Fate.BLOW_UP else None,
        },
        "strength": _numbers(max(float(np.linalg.norm(A @ np.asarray(run.gaussian.cov), 2)) for _, A in heads_of(run.law, len(kept)))),
        "rank_at_start": rank_of(np.asarray(run.gaussian.cov)),
    }


def _compared(clouds: MeanFieldCheck) -> dict[str, Any]:
    return {
        "n": [int(n) for n in clouds.sizes],
        "mean": _numbers(clouds.mean),
        "cov": _numbers(clouds.cov),
        "relative_error": _numbers(clouds.error),
        "rate": clouds.rate,
        "strength": _numbers(clouds.strength),
        "effective_sample_size": clouds.effective,
        "trusted": clouds.trusted,
    }


def page_of_gaussian(result: GaussianResult, formula: str) -> Page:
    """Ellipses (the first two coordinates), the disc of normalised covariances (in the plane), trace and eigenvalues against time."""
    flow, summary = result.flow, result.summary
    shown = np.isfinite(flow.cov).all((1, 2))
    times, means, covs = flow.times[shown], flow.mean[shown], flow.cov[shown]
    d = covs.shape[-1]
    panels = [_ellipses(times, means, covs)] if d > 1 else []
    if d == 2:
        panels.append(_disc(covs))
    values = np.maximum(np.linalg.eigvalsh(covs)[:, ::-1], 0)
    positive = bool((values > 0).any())
    lines = [Series(times[v > 0], v[v > 0], f"eigenvalue {k + 1}", color=k) for k, v in enumerate(values.T[:8])]
    lines.insert(0, Series(times, np.trace(covs, axis1=1, axis2=2), "trace", color=-1))
    panels.append(Panel("Covariance", lines, xlabel="time", ylabel="eigenvalues of S", log_y=positive))
    rows = [(key, str(summary[key])) for key in ("status", "time", "rank", "eigenvalues", "mean", "cov", "steps")]
    tables = [Table("outcome", "Outcome", ("what", "value"), rows)]
    said = [f"A[μ](x) = {formula}", f"t = {summary['time']:.6g}: {summary['reason']}."]
    if (theorem := summary["classification"]) is not None:
        said.append(f"Theorems say: {theorem['answer']}. {theorem['reason'][:1].upper()}{theorem['reason'][1:]}.")
    if (check := result.clouds) is not None:
        said += [check.warning[:1].upper() + check.warning[1:] + "."] if check.warning else []
        cells = [(int(n), float(e), float(np.trace(S))) for n, e, S in zip(check.sizes, check.error, check.cov, strict=True)]
        tables.append(Table("clouds", "Clouds of n tokens against the Gaussian", ("n", "relative error of the covariance", "trace"), cells))
    pictures = [Picture("gaussian", "The Gaussian at growing times, and its covariance.", panels)]
    return Page(
        "gaussian", "Gaussian closure", "Mean and covariance under an attention law in R^d", said, (), (), pictures, tables, summary
    )


def _ellipses(times: np.ndarray, means: np.ndarray, covs: np.ndarray) -> Panel:
    """One standard deviation round the mean, at five times. A picture of a blow-up ends where it is five times as large as at the start."""
    size = np.sqrt(np.trace(covs, axis1=1, axis2=2)) + np.linalg.norm(means, axis=1)
    near = np.flatnonzero(size <= 5 * max(float(size[0]), 1e-12))
    angle = np.linspace(0, 2 * np.pi, 120)
    series = []
    for color, k in enumerate(np.unique(np.linspace(0, len(near) - 1, 5).round().astype(int))):
        i = near[k]
        ring = Gaussian(means[i, :2], covs[i, :2, :2]).root() @ np.stack([np.cos(angle), np.sin(angle)])
        series.append(Series(means[i, 0] + ring[0], means[i, 1] + ring[1], f"t = {times[i]:.3g}", color=color))
    return Panel("One standard deviation", series, kind="plane", xlabel="x0", ylabel="x1")


def _disc(covs: np.ndarray) -> Panel:
    """(u, w) / v with u = s11 - s22, w = 2 s12, v = s11 + s22: the circle is rank one."""
    v = np.maximum(covs[:, 0, 0] + covs[:, 1, 1], 1e-300)
    u, w = (covs[:, 0, 0] - covs[:, 1, 1]) / v, 2 * covs[:, 0, 1] / v
    ends = Series(u[[0, -1]], w[[0, -1]], look="dots", color=1)
    return Panel("S / tr S in the disc (circle: rank one)", [Series(u, w), ends], kind="circle")


def _leaves(law: Any) -> list:
    import jax

    return jax.tree.leaves(law)


def _numbers(value: Any) -> Any:
    """Lists of numbers for JSON, with None for what is not finite."""
    array = np.asarray(value, float)
    if array.ndim:
        return [_numbers(part) for part in array]
    return float(array) if np.isfinite(array) else None
