"""Covariances in the disc and in the cone: to zero, to lines, without bound (panels of 2501.18322), as published and as the flow goes."""

import numpy as np

from ...gaussian import Fate, GaussianFlow, ScriptRun, blow_up_direction, gaussian_flow, softmax_blow_up
from ...gaussian.stationary import heads_of
from ...measures import Gaussian
from . import covariance_panels as runs
from .covariance_panels import GROUPS, Case, Group
from .page import Page, Panel, Picture, Series, Settings, Table

_PATHS = 40  # starts whose way is drawn
_LOOKS = ((1e-3, 1, 40), (1, 100, 250), (100, 1e5, 30))  # from, to, number of times: most turns are taken between 1 and 100
_ORDER = {"converged": 0, "diverged": 1, "max_iter": 2}
_WORDS = {
    Fate.CONVERGED: "converges",
    Fate.BLOW_UP: "blows up",
    Fate.OVERFLOW: "grows for ever",
    Fate.HORIZON: "moving at the horizon",
    Fate.STEPS: "stiff, given up",
    Fate.STEP_SIZE: "stiff, given up",
}
_COLORS = {"converges": 0, "blows up": 1, "grows for ever": 4, "moving at the horizon": 2, "stiff, given up": 3}


def reproduce(settings: Settings) -> Page:
    """Each picture three times: where the script ends, where the flow goes, and both in the cone; and tables of the counts."""
    stride = 1 if settings.full else 4
    pictures, rows, truths, facts, place = [], [], [], {}, 0
    for number, group in enumerate(GROUPS):
        starts, panels = group.starts, []
        starts = starts if len(starts) <= 100 else starts[::stride]
        for case in group.cases:
            settings.progress("covariance panels", place, sum(len(g.cases) for g in GROUPS))
            place += 1
            script, true = runs.script_run(group, case, starts), runs.true_flow(group, case, starts)
            found, fates = runs.counts(script), _fates(true)
            said = runs.answers(group, case, starts)
            whole = len(starts) == len(group.starts)
            iterations = float(np.median(script.iterations))
            rows.append([case.file, _law(case), len(starts), _joined(found), _joined(case.counts), iterations, _ranks(script.cov)])
            truths.append([case.file, _law(case), _told(fates), _ranks(true.final.cov), _told(said), float(np.median(true.steps))])
            facts[case.file] = {
                "starts": len(starts), "script": found, "published": case.counts if whole else None, "flow": fates,
                "classify": said, "median_iterations": iterations, "median_steps": float(np.median(true.steps)),
            }  # fmt: skip
            panels += _panels(group, case, starts, script, true)
        caption = f"{group.title.capitalize()}. Left: where the script ends. Middle: the flow. Right: both in the cone."
        pictures.append(Picture(f"panel-{number + 1}", caption, panels))
    explosion = _explosion(runs.GROUPS[3].starts[::stride])
    facts["blow_up"] = explosion
    return Page(
        "gaussian-panels",
        "Covariances under five sets of weights",
        "Castin, Ablin, Carrillo, Peyré, A unified perspective on the dynamics of deep Transformers, arXiv:2501.18322 (covariance panels)",
        _statement(facts, explosion),
        _parameters(stride),
        DEFECTS,
        pictures,
        [
            Table("script", "The published algorithm: converged / diverged / out of steps",
                  ["file", "law", "starts", "here", "published, all starts", "median iterations", "rank (at 1e-3 of the largest)"], rows),
            Table("flow", "The flow itself, and what theorems say beforehand",
                  ["file", "law", "fate", "rank (at 1e-3 of the largest)", "classify", "median steps"], truths),
        ],
        facts,
    )  # fmt: skip


DEFECTS = [
    "The pictures for two lines: the list of the softmax run is overwritten, so that both saved files show L2.",
    "MH_both: the number of heads is left at its default, 1; it is softmax attention again, with another step.",
    "L2: the queries are divided by the square root of d and the keys are not, so that the kernel is not of one scaling.",
    "A trace above a bound counts as divergence. In L2_both that says little: with K invertible L2 attention has no blow-up, and some of "
    "these runs come to rest later.",
    "The projection puts 1e-14 for a negative eigenvalue; here the steps are small enough, in the histograms of ranks they are not.",
    "Stopped at a tolerance for |S'|, a limit that is approached like 1/t is still visibly away: the traces of the runs to zero end near "
    "0.015.",
]


def _parameters(stride: int) -> list[tuple[str, str, str, str]]:
    less = "" if stride == 1 else "a minute on two cores; --full for all"
    listed = "; ".join(f"{case.file} {case.h:g}" for group in GROUPS for case in group.cases)
    return [
        ("starts", "100, 100, 276, 1184, 648", "the same" if stride == 1 else "100, 100, and every fourth of the others", less),
        ("seeds", "35; 36; 36 and 32; 33; 36 and 35", "the same", ""),
        ("steps of the script", listed, "the same", ""),
        (
            "|S'| at the end",
            "1e-5, 1e-4, 1e-7, none, 1e-4",
            "the same; of the flow 1e-7",
            "error control, implicit steps, to the time 1e5 (there: 1e-7 of the trace); explicit, to 20 and 8, in L2_ and sink_divergence",
        ),
        ("trace at the end", "1e3; 1e4 for L2 and Sinkhorn in the panel of growth", "the same", ""),
    ]


def _statement(facts: dict, explosion: dict) -> list[str]:
    agree = [name for name, fact in facts.items() if name != "blow_up" and fact["published"] is not None]
    same = [name for name in agree if tuple(facts[name]["script"]) == tuple(facts[name]["published"])]
    return [
        "A covariance [[a, c], [c, b]] is drawn as (u, w) = (a − b, 2c) / (a + b) in the unit disc, whose circle is rank one, and as "
        "(√((a − b)² + 4c²), a + b) in the cone. Each start is run twice: by the published algorithm, projected Euler steps of constant "
        f"length, and by the flow with error control. Of the {len(agree)} pictures that were run from all their starts, {len(same)} have "
        "exactly the published counts.",
        "With V = I softmax attention blows up at T* = 1 / λ_max(S₀^½ (A + Aᵀ) S₀^½), in the direction of the eigenvector. Here T* is "
        f"between {explosion['earliest']:.3f} and {explosion['latest']:.3f}; the flow finds it to {explosion['time_error']:.1e} of its "
        f"size, and its covariance has at least {explosion['alignment']:.5f} of its trace in that direction. Under L2 (K invertible) and "
        "Sinkhorn attention covariances grow without bound but never blow up.",
        f"In L2_both the script lets {facts['L2_both']['script'][1]} of {facts['L2_both']['starts']} runs diverge; the flow: "
        f"{_told(facts['L2_both']['flow'])}.",
    ]


def _explosion(starts: np.ndarray) -> dict[str, float]:
    """The flow of the growing panel under softmax against the closed form."""
    group, case = GROUPS[3], GROUPS[3].cases[0]
    A = heads_of(runs.law_of(group, case), 2)[0][1]
    exact, flow = np.array([softmax_blow_up(S, A) for S in starts]), runs.true_flow(group, case, starts)
    w = np.stack([blow_up_direction(S, A) for S in starts])
    aligned = np.einsum("ni,nij,nj->n", w, flow.final.cov, w) / np.trace(flow.final.cov, axis1=1, axis2=2)
    error = float(abs(flow.time / exact - 1).max())
    return {"earliest": float(exact.min()), "latest": float(exact.max()), "time_error": error, "alignment": float(aligned.min())}


def _panels(group: Group, case: Case, starts: np.ndarray, script: ScriptRun, true: GaussianFlow) -> list[Panel]:
    circle = Series(np.cos(turn := np.linspace(0, 2 * np.pi, 181)), np.sin(turn), "", "thin", -1)
    outcomes = np.array(_outcomes(true))
    names = {"converged": "converged", "diverged": "diverged", "max_iter": "out of steps"}
    published = [
        _points(runs.in_disc(script.cov[script.outcome == word]), names[word], "dots", color)
        for word, color in _ORDER.items() if (script.outcome == word).any()
    ]  # fmt: skip
    some = np.linspace(0, len(starts) - 1, min(_PATHS, len(starts))).round().astype(int)
    times = np.unique(np.concatenate([[0], *(np.geomspace(*span) for span in _LOOKS), [case.horizon]]))
    times = times[times <= case.horizon]
    way = gaussian_flow(runs.law_of(group, case), Gaussian(np.zeros((len(some), 2)), starts[some]), case.horizon, saveat=times,
                        method=case.method, rtol=1e-6, converged=runs.REST, max_steps=2_000)  # fmt: skip
    drawn, lines = set(), []
    for cov, end, outcome in zip(way.cov, true.final.cov[some], outcomes[some], strict=True):
        path = np.concatenate([cov[np.isfinite(cov[:, 0, 0])], end[None]])
        lines.append(_points(runs.in_disc(path), "" if outcome in drawn else outcome, "thin", _COLORS[outcome]))
        drawn.add(outcome)
    ends = [_points(runs.in_disc(true.final.cov[outcomes == word]), "", "dots", color) for word, color in _COLORS.items()
            if (outcomes == word).any()]  # fmt: skip
    name = f"{case.file}, {_law(case)}"
    return [
        Panel(f"{name}: script", [circle, _points(runs.in_disc(starts), "", "dots", 6), *published], kind="plane", xlabel="u", ylabel="w"),
        Panel("the flow", [circle, *lines, *ends], kind="plane", xlabel="u", ylabel="w"),
        _cone(starts, script, true),
    ]


def _cone(starts: np.ndarray, script: ScriptRun, true: GaussianFlow) -> Panel:
    """Logarithmic scales where ends are far from the starts."""
    clouds = [("starts", starts, 6), ("script", script.cov, 0), ("flow", true.final.cov, 1)]
    points = [(name, runs.in_cone(S), color) for name, S, color in clouds]
    heights = np.concatenate([xy[1] for _, xy, _ in points])
    far = bool(heights.max() > 20 or heights.min() < 0.05)
    shown = [(name, xy[:, xy[0] > 1e-9] if far else xy, color) for name, xy, color in points]
    shown = [(name, xy[:, xy[1] < 1e8], color) for name, xy, color in shown]
    values = np.concatenate([xy.ravel() for _, xy, _ in shown])
    edge = np.array([values.min() if far else 0.0, values.max()])
    series = [_points(xy, name, "dots", color) for name, xy, color in shown if xy.size]
    return Panel("the cone", [Series(edge, edge, "rank one", "thin", -1), *series], xlabel="√(u² + w²)", ylabel="v = tr S",
                 log_x=far, log_y=far)  # fmt: skip


def _points(xy: np.ndarray, label: str, look: str, color: int) -> Series:
    return Series(xy[0], xy[1], label, look, color)


def _law(case: Case) -> str:
    return f"{case.law}, {case.heads} heads" if case.heads > 1 else case.law


def _outcomes(flow: GaussianFlow) -> list[str]:
    """Of each measure. Where a trace is large, |S'| is never smaller than its rounding: at the horizon it is measured against the trace."""
    rest = flow.rate < runs.REST * np.trace(flow.final.cov, axis1=1, axis2=2)
    return [_WORDS[Fate.CONVERGED if fate is Fate.HORIZON and still else fate] for fate, still in zip(flow.fates, rest, strict=True)]


def _fates(flow: GaussianFlow) -> dict[str, int]:
    words = _outcomes(flow)
    return {word: words.count(word) for word in _COLORS if word in words}


def _ranks(S: np.ndarray) -> str:
    """How many have rank one, and two."""
    values = np.linalg.eigvalsh(S / np.trace(S, axis1=1, axis2=2)[:, None, None])
    two = int((values[:, 0] > 1e-3 * values[:, 1]).sum())
    return f"1: {len(S) - two}, 2: {two}"


def _joined(numbers: tuple[int, ...]) -> str:
    return " / ".join(map(str, numbers))


def _told(counted: dict[str, int]) -> str:
    return "; ".join(f"{word}: {count}" for word, count in counted.items())
