"""How many directions a covariance keeps under K = -Q: the published histograms of ranks (2501.18322), and the ranks of the limits."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from ...gaussian import Fate
from .page import Page, Panel, Picture, Series, Settings, Table
from .rank_runs import DIMENSIONS, RUNS, SCRIPT, Chain, TrueRuns, block, published_chain, true_runs

# Ranks 0, 1, 2, 3 of the runs that converge; runs in all; diverged; out of steps. One more run of softmax with V = GᵀG, d = 3, has rank 3.
PUBLISHED = {
    ("softmax", "I", 3): ((3, 48, 49, 0), 100, 0, 0),
    ("softmax", "I", 4): ((11, 47, 42, 0), 100, 0, 0),
    ("softmax", "I", 5): ((0, 5, 54, 41), 103, 0, 3),
    ("softmax", "GᵀG", 3): ((4, 64, 31, 1), 113, 11, 2),
    ("softmax", "GᵀG", 4): ((21, 68, 11, 0), 592, 488, 4),
    ("softmax", "GᵀG", 5): ((0, 25, 64, 11), 247, 110, 37),
    ("l2", "I", 3): ((0, 32, 68, 0), 100, 0, 0),
    ("l2", "I", 4): ((0, 31, 69, 0), 100, 0, 0),
    ("l2", "I", 5): ((0, 0, 46, 54), 100, 0, 0),
    ("l2", "GᵀG", 3): ((0, 50, 50, 0), 101, 0, 1),
    ("l2", "GᵀG", 4): ((4, 64, 32, 0), 102, 0, 2),
    ("l2", "GᵀG", 5): ((0, 22, 68, 10), 107, 0, 7),
}


def tally(chain: Chain) -> tuple[tuple[int, ...], int, int, int]:
    """A chain in the form of ``PUBLISHED``."""
    outcome = chain.run.outcome
    ranks = tuple(np.bincount(chain.ranks, minlength=4).tolist())
    return ranks, len(outcome), int((outcome == "diverged").sum()), int((outcome == "max_iter").sum())


def reproduce(settings: Settings) -> Page:
    """Twelve histograms: the script, the flow at the script's threshold, the limit."""
    runs, done = RUNS if settings.full else 8, []

    def both(key: tuple[str, str, int]) -> tuple[Chain, TrueRuns]:
        found = published_chain(chosen := block(*key), runs), true_runs(chosen, runs)
        done.append(key)
        settings.progress("histograms of ranks", len(done), len(PUBLISHED))
        return found

    # the longest first, two at a time: most of the time is spent in eigenvalue problems, beside which Python can go on
    order = sorted(PUBLISHED, key=lambda key: (key[1] == "I", -key[2]))
    with ThreadPoolExecutor(2) as pool:
        results = dict(zip(order, pool.map(both, order), strict=True))
    rows, truths, panels, facts = [], [], [], {}
    for key, published in PUBLISHED.items():
        chain, true = results[key]
        found, name = tally(chain), f"{key[0]}, V = {key[1]}, d = {key[2]}"
        rows.append([name, *map(_joined, (found[0], found[1:], published[0], published[1:]))])
        limits = sorted(set(true.limit_ranks.tolist()))
        at_threshold = np.bincount(true.ranks, minlength=4).tolist()
        stopped = int((true.fates != Fate.CONVERGED).sum())
        truths.append([name, _joined(at_threshold), _joined(limits), float(np.median(true.steps)), stopped, _distance(true)])
        panels.append(_panel(name, found[0], at_threshold, true.limit_ranks, key[2]))
        facts[name] = {"script": found, "published": published if settings.full else None, "flow": at_threshold, "limit": limits,
                       "median_steps": float(np.median(true.steps)), "not_converged": stopped}  # fmt: skip
    return Page(
        "rank-histograms",
        "Ranks of limits",
        "Castin, Ablin, Carrillo, Peyré, A unified perspective on the dynamics of deep Transformers, arXiv:2501.18322 (rank histograms)",
        _statement(results, runs),
        _parameters(runs),
        DEFECTS,
        [Picture("ranks", "Numbers of runs by rank: the script, the flow at the script's threshold, and the limit.", panels)],
        [
            Table("script", "The published algorithm",
                  ["block", "ranks 0 / 1 / 2 / 3", "runs / diverged / out of steps", f"published, of {RUNS}", "published runs"], rows),
            Table("flow", "The flow itself, matrices i from covariance i",
                  ["block", "ranks at 0.1", "rank of the limit", "median steps", "given up", "median distance to limit"],
                  truths),
        ],
        facts,
    )  # fmt: skip


DEFECTS = [
    "A rank is the number of eigenvalues above 0.1, an absolute threshold. Limits have smaller ones: the rank of every limit is d − ⌊d/2⌋.",
    "Euler steps of constant length are stiff at the start, where h |S QᵀQ| is large. The projection then puts 1e-14 for a direction, and "
    "destroys Cov(X | QX), which the flow keeps: ranks that are too low, above all under softmax.",
    "The runs that diverge are artefacts: tr(V⁻¹S) never grows.",
    "A run that fails keeps its matrices and takes the next covariance, so that the steps choose which covariances are counted.",
]


def _parameters(runs: int) -> list[tuple[str, str, str, str]]:
    less = "" if runs == RUNS else "a minute on two cores; --full for all"
    listed = "; ".join(f"{law}, V = {value}: {', '.join(map(str, h))}" for (law, value), (h, _, _) in SCRIPT.items())
    return [
        ("d, pairs of Q and S(0)", f"{', '.join(map(str, DIMENSIONS))}; {RUNS} each", f"the same; {runs} each", less),
        ("seeds", "Q 40, S(0) 41 in each d, V 26 (softmax) and 27 (l2)", "the same", ""),
        ("steps of the script", listed, "the same", ""),
        ("|S'| at the end", "1e-4 (V = I), 5e-5 (V = GᵀG)", "the same, of the flow too", ""),
        ("most steps", "6e4 and 9e4 (softmax), 6e4 and 5e4 (l2)", "the same; of the flow 1,000", "stiff where V is nearly singular"),
    ]


def _statement(results: dict, runs: int) -> list[str]:
    same = sum(tally(chain) == PUBLISHED[key] for key, (chain, _) in results.items())
    right = sum(int((true.limit_ranks == key[2] - key[2] // 2).sum()) for key, (_, true) in results.items())
    told = f"Of the twelve blocks {same} have exactly the published counts. " if runs == RUNS else ""
    steps = [float(np.median(true.steps)) for key, (_, true) in results.items() if key[1] == "I"]
    stiff = [float(np.median(true.steps)) for key, (_, true) in results.items() if key[1] != "I"]
    return [
        "K = −Q with ⌊d/2⌋ rows, V = I or V = GᵀG, S(0) = G Gᵀ. The published algorithm stops when |S'| is small and counts eigenvalues "
        f"above 0.1. {told}The flow beside it keeps Cov(X | QX), of rank ⌈d/2⌉, and tr(V⁻¹S) falls until QS = 0: the limit has rank ⌈d/2⌉ "
        f"whatever the start. The runs agree: Cov(X | QX) has that rank where they end in {right} of {runs * len(results)}.",
        f"Median steps of the flow: {min(steps):g} to {max(steps):g} with V = I, {min(stiff):g} to {max(stiff):g} with V = GᵀG, which is "
        "stiff where it is nearly singular.",
    ]


def _distance(true: TrueRuns) -> float | None:
    """The median of the relative distance to the exact limit."""
    if true.exact is None:
        return None
    return float(np.median(np.linalg.norm(true.cov - true.exact, axis=(1, 2)) / np.linalg.norm(true.exact, axis=(1, 2))))


def _panel(name: str, script: tuple[int, ...], flow: list[int], limits: np.ndarray, d: int) -> Panel:
    """Three staircases of bars, side by side."""
    limit = np.bincount(limits[limits >= 0], minlength=d + 1)
    series = []
    for place, (label, counts) in enumerate((("script", script), ("flow, above 0.1", flow), ("limit", limit.tolist()))):
        for rank, count in enumerate(counts):
            x = rank + 0.27 * (place - 1) + np.array([-0.12, 0.12])
            series.append(Series(x, [0, 0], label if rank == 0 else "", "band", place, top=[count, count]))
    return Panel(name, series, xlabel="rank", ylabel="runs", xlim=(-0.5, d + 0.5))


def _joined(numbers) -> str:
    return " / ".join(map(str, numbers))
