"""The page about a steering: the Gaussians on their way, how far each is from its goal, and the certificate."""

from typing import Any

import numpy as np

from ..gaussian.steering import Steering
from ..gaussian.steering.execution import run
from ..measures import Gaussian
from ..transport import bures_wasserstein
from .literature.page import Page, Panel, Picture, Series, Table

_SHOWN = 6  # measures that have a picture of their own
_SAVES = 24  # intervals in which a segment is drawn
_RINGS = 7  # ellipses of a measure on its way
_RTOL = 1e-9


def page_of_steering(steering: Steering, certificate: dict[str, Any]) -> Page:
    """One standard deviation of each measure at several times (the first two coordinates), W_2 to the goals, and what was certified."""
    times, means, covs = _way(steering)
    d, N = steering.start.dimension, len(steering.start.mean)
    shown = min(N, _SHOWN)
    draw = _ellipses if d > 1 else _interval
    panels = [draw(steering, i, times, means[:, i], covs[:, i]) for i in range(shown)]
    panels.append(_distances(steering, times, means, covs))
    more = "" if shown == N else f" The first {shown} of {N}."
    caption = f"One standard deviation on the way from the start to the goal (dashed).{more} And W₂ of each measure to its goal."
    pairs = [(k, pair["w2_before"], pair["w2_after"]) for k, pair in enumerate(certificate["pairs"])]
    tables = [Table("pairs", "Each measure and its goal", ("measure", "W₂ before", "W₂ after"), pairs)]
    if steering.schedule is not None:
        rows = [
            (k, segment.phase, segment.duration, _rows(segment.field.V), _rows(segment.field.B))
            for k, segment in enumerate(steering.schedule)
        ]
        tables.append(Table("schedule", "The schedule", ("segment", "phase", "duration", "V", "A"), rows, shown=len(rows) <= 12))
    if (clouds := certificate["clouds"]) is not None:
        rows = [(n, max(row)) for n, row in zip(clouds["n"], clouds["w2_after"], strict=True)]
        caption_of = "Clouds of n tokens under the same schedule: W₂ of their mean and covariance to the goal, the worst pair"
        tables.append(Table("clouds", caption_of, ("n", "W₂"), rows))
    return Page(
        "steering", "Gaussians steered by attention", "Piecewise-constant (V, A) of softmax attention in R^d", _said(certificate), (), (),
        [Picture("steering", caption, panels)], tables, certificate,
    )  # fmt: skip


def _said(certificate: dict[str, Any]) -> list[str]:
    reason = certificate["reason"]
    said = [f"{certificate['answer'].capitalize()}: {reason}."]
    method = certificate["independent_execution"]
    if method is not None:
        verdict = "passed" if certificate["passed"] else "did not pass"
        worst = max(pair["w2_after"] for pair in certificate["pairs"])
        said.append(
            f"The certificate {verdict}: executed from the saved files by another integrator ({method['method']}, relative tolerance "
            f"{method['rtol']:g}), every measure ends within {worst:.2g} of its goal; {certificate['eps']:g} was asked for."
        )
    if certificate["orbit"] is not None:
        said.append(f"What these measures can reach together has dimension {certificate['orbit']}.")
    if certificate["clouds"] is not None and certificate["clouds"]["warning"]:
        said.append(f"Clouds: {certificate['clouds']['warning']}.")
    return said


def _way(steering: Steering) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Times (T,), means (T, N, d) and covariances (T, N, d, d); the start alone if there is no schedule."""
    at = steering.start
    times, means, covs, t = [np.zeros(1)], [np.asarray(at.mean)[None]], [np.asarray(at.cov)[None]], 0.0
    for segment in steering.schedule or ():
        m, S, at = run(segment, at, _SAVES, _RTOL)
        times.append(t + segment.duration * np.linspace(0, 1, _SAVES + 1)[1:])
        means.append(np.moveaxis(m, 1, 0)[1:])
        covs.append(np.moveaxis(S, 1, 0)[1:])
        t += segment.duration
    return np.concatenate(times), np.concatenate(means), np.concatenate(covs)


def _ellipses(steering: Steering, i: int, times: np.ndarray, means: np.ndarray, covs: np.ndarray) -> Panel:
    chosen = np.unique(np.linspace(0, len(times) - 1, _RINGS).round().astype(int))
    series = [Series(means[:, 0], means[:, 1], "the mean", "thin", -1)]
    for k in chosen[1:-1]:
        series.append(_ring(means[k], covs[k], "", "thin", 2))
    series.append(_ring(means[0], covs[0], "start", "line", 0))
    series.append(_ring(steering.goal.mean[i], steering.goal.cov[i], "goal", "dashed", 1))
    if len(chosen) > 1:
        series.insert(-1, _ring(means[-1], covs[-1], "end", "line", 2))
    return Panel(f"measure {i}", series, kind="plane", xlabel="x0", ylabel="x1")


def _interval(steering: Steering, i: int, times: np.ndarray, means: np.ndarray, covs: np.ndarray) -> Panel:
    """On the line: mean and deviation against time."""
    wide = np.sqrt(covs[:, 0, 0])
    goal, reach = float(steering.goal.mean[i, 0]), float(np.sqrt(steering.goal.cov[i, 0, 0]))
    ends = np.array([times[0], times[-1]])
    series = [
        Series(times, means[:, 0] - wide, "one standard deviation", "band", 0, top=means[:, 0] + wide),
        Series(times, means[:, 0], "the mean", "line", 0),
        *(Series(ends, np.full(2, y), "goal" if k == 0 else "", "dashed", 1) for k, y in enumerate((goal - reach, goal, goal + reach))),
    ]
    return Panel(f"measure {i}", series, xlabel="time", ylabel="x0")


def _distances(steering: Steering, times: np.ndarray, means: np.ndarray, covs: np.ndarray) -> Panel:
    """W_2 to the goals against time, one line for each measure."""
    lines = []
    for i, (mean, cov) in enumerate(zip(steering.goal.mean, steering.goal.cov, strict=True)):
        goal = Gaussian(mean, cov)
        left = [bures_wasserstein(Gaussian(m, S), goal) for m, S in zip(means[:, i], covs[:, i], strict=True)]
        lines.append(Series(times, left, f"measure {i}" if i < _SHOWN else "", "line" if len(times) > 1 else "dots", i))
    return Panel("W₂ to the goal", lines, xlabel="time", ylabel="W₂")


def _ring(mean: np.ndarray, cov: np.ndarray, label: str, look: str, color: int) -> Series:
    angle = np.linspace(0, 2 * np.pi, 120)
    x, y = np.asarray(mean)[:2, None] + Gaussian(np.zeros(2), np.asarray(cov)[:2, :2]).root() @ np.stack([np.cos(angle), np.sin(angle)])
    return Series(x, y, label, look, color)


def _rows(M: Any) -> str:
    return "; ".join(" ".join(f"{v:.4g}" for v in row) for row in np.asarray(M))
