"""Causal attention: first tokens lead, and centers are known from the start (2411.04990)."""

import numpy as np
from jaxtyping import Float

from ...diagnostics import expected_strong_centers, renyi_centers, strong_centers
from ...fields import Causal, ParticleField, Softmax
from ...flows import flow
from ...geometry import distance
from ...measures import Empirical
from ..initial import initial_measure
from .page import Page, Panel, Picture, Series, Settings, Table

N, BETA, DELTA, SNAPSHOTS = 200, 64.0, 0.5, (0.0, 75.0, 150.0)
_PARKING = 0.74759792  # Renyi's constant: the density of cars parked at random

# V of the first figure, diagonal, d = 3: what the spectrum says about the end.
SPECTRA = {
    "V = I": ((1.0, 1.0, 1.0), "all tokens to the first"),
    "top eigenvalue simple": ((1.0, 0.3, -0.5), "each token to plus or minus its eigenvector"),
    "top eigenvalue double": ((1.0, 1.0, -0.5), "all to the first token's share of its eigenspace"),
}


def causal_run(points: Float[np.ndarray, "n d"], beta: float, times: list[float], V: Float[np.ndarray, "d d"] | None = None) -> np.ndarray:
    """Tokens at the times, shape (T, n, d), under softmax attention that sees only j <= i."""
    law = Softmax(beta) if V is None else Softmax(beta, V=V)
    return np.asarray(flow(ParticleField(law, mask=Causal()), Empirical(points), times[-1], saveat=times, rtol=1e-7, atol=1e-8).points[0])


def consumed(x: Float[np.ndarray, "n d"], centers: Float[np.ndarray, "k d"], reach: float = 0.1) -> float:
    """The share of tokens within ``reach`` radians of a center."""
    return float((distance(x[:, None], centers[None]).min(1) < reach).mean())


def reproduce(settings: Settings) -> Page:
    """Snapshots, consumption by centers, counts of centers, and the spectrum of V."""
    runs, samples = (200, 5000) if settings.full else (8, 400)
    mu = initial_measure("uniform", N, 2, seed=settings.seed)
    start = np.asarray(mu.points)
    settings.progress("flow", 0, runs)
    path = causal_run(start, BETA, list(SNAPSHOTS))
    renyi, strong = renyi_centers(start, DELTA), strong_centers(start, DELTA)
    panels = [_snapshot(t, x, start, renyi, strong) for t, x in zip(SNAPSHOTS, path, strict=True)]
    times = [0.0, *np.geomspace(1, 150, 16).tolist()]
    curves: dict[str, list[list[float]]] = {"strong": [], "Rényi": []}
    for r in range(runs):
        settings.progress("flow", r + 1, runs + 1)
        x0 = np.asarray(initial_measure("uniform", N, 2, seed=settings.seed + 1000 + r).points)
        states = causal_run(x0, BETA, times)
        for name, find in (("strong", strong_centers), ("Rényi", renyi_centers)):
            centers = x0[find(x0, DELTA)]
            curves[name].append([consumed(x, centers) for x in states])
    settings.progress("counts", 0, 1)
    counts = np.array([_counts(settings.seed + 10_000 + s) for s in range(samples)])
    theory = expected_strong_centers(N, 2, DELTA), _PARKING * 2 * np.pi / DELTA
    means, errors = counts.mean(0), counts.std(0) / np.sqrt(samples)
    moved = float(distance(path[-1][strong], start[strong]).max())
    ends = _spectra(settings)
    return Page(
        "causal",
        "Causal attention and its centers",
        "Karagodin, Polyanskiy, Rigollet, Clustering in causal attention masking, arXiv:2411.04990",
        [
            f"200 tokens on the circle, beta = 64. Strong centers, further than {DELTA} from all earlier tokens, hardly move: here at most "
            f"{moved:.3f} until t = 150. Rényi centers, further than that from earlier centers, are more and explain more clusters, but "
            f"drift.",
            f"Mean numbers over {samples} samples: {means[0]:.3f} strong centers (expected {theory[0]:.3f}), {means[1]:.3f} Rényi centers "
            f"(parking constant, n to infinity: {theory[1]:.3f}).",
            "With other values V the spectrum decides (n = 32, d = 3, beta = 9): "
            "" + "; ".join(f"{row[0]}: {row[1]}; the median token is {row[3]:.2g} away" for row in ends)
            + f" at t = {_horizon(settings):g}. For V = I the theorem is about t to infinity, and clusters wait for times like e^(2 beta).",
        ],
        [
            ("centers", "n = 200, d = 2, beta = 64, delta = 0.5, snapshots t = 75, 150", "the same", ""),
            ("consumption", "5000 runs, mean and 10/90 % band", f"{runs} runs for the flow, {samples} samples for the counts",
             "" if settings.full else "a minute on two cores"),
            ("consumed", "closer to a center than a threshold (not printed)", "closer than 0.1 radians", "to be stated"),
            ("spectrum of V", "n = 32, sphere, Q = K = I, beta = 9, T = 5000, several "
            "V", f"d = 3, three diagonal V, T = {_horizon(settings):g}",
             "the matrices are not published"),
        ],
        [
            "The mass of a cap of S^2 of radius delta is sin^2(delta / 2); the printed bound is three times that.",
            "The lemma about interactions needs epsilon < 0.1.",
        ],
        [
            Picture("snapshots", "All tokens (blue), Rényi centers of the start (orange, a little outside), strong centers (green, "
            "outside those).", panels),
            Picture("curves", "The share of tokens within 0.1 of a center, mean and 10/90 % band; numbers of "
            "centers.", [_consumption(times, curves), _histogram(counts)], columns=2),
        ],
        [
            Table("counts", "Numbers of centers", ["centers", "mean", "standard error", "theory"],
                  [["strong", means[0], errors[0], theory[0]], ["Rényi", means[1], errors[1], theory[1]]]),
            Table("spectra", "The end for other V", ["V", "prediction", "largest distance", "median distance"], ends),
        ],
        {"strong": float(means[0]), "renyi": float(means[1]), "strong_expected": theory[0], "largest_move_of_strong_centers": moved},
    )  # fmt: skip


def _snapshot(t: float, x: np.ndarray, start: np.ndarray, renyi: np.ndarray, strong: np.ndarray) -> Panel:
    outer = [(start[renyi] * 1.06, 1), (start[strong] * 1.12, 2)]
    marks = [Series(c[:, 0], c[:, 1], "", "dots", color) for c, color in outer]
    return Panel(f"t = {t:g}", [Series(x[:, 0], x[:, 1], "", "dots", 0), *marks], kind="circle", xlim=(-1.18, 1.18), ylim=(-1.18, 1.18))


def _consumption(times: list[float], curves: dict[str, list[list[float]]]) -> Panel:
    series = []
    for color, (name, rows) in enumerate(curves.items()):
        values = np.array(rows)[:, 1:]
        low, high = np.quantile(values, [0.1, 0.9], axis=0)
        series += [Series(times[1:], low, "", "band", color, high), Series(times[1:], values.mean(0), f"{name} centers", "line", color)]
    return Panel("consumed tokens", series, xlabel="time", ylabel="share", log_x=True, ylim=(0, 1.02))


def _histogram(counts: np.ndarray) -> Panel:
    k = np.arange(counts.min() - 1, counts.max() + 2)
    shares = [[(row == j).mean() for j in k] for row in counts.T]
    return Panel(
        "numbers of centers",
        [Series(k, share, f"{name} centers", "line", c) for c, (name, share) in enumerate(zip(("strong", "Rényi"), shares, strict=True))],
        xlabel="number",
        ylabel="share of samples",
    )


def _counts(seed: int) -> tuple[int, int]:
    x = np.asarray(initial_measure("uniform", N, 2, seed=seed).points)
    return len(strong_centers(x, DELTA)), len(renyi_centers(x, DELTA))


def _horizon(settings: Settings) -> float:
    return 5000.0 if settings.full else 500.0


def _spectra(settings: Settings) -> list[list]:
    """For each V: the prediction, and the largest and the median distance of a token from it at the end."""
    x0 = np.asarray(initial_measure("uniform", 32, 3, seed=settings.seed).points)
    rows = []
    for name, (spectrum, said) in SPECTRA.items():
        end = causal_run(x0, 9.0, [_horizon(settings)], np.diag(spectrum))[-1]
        share = np.where(np.array(spectrum) == max(spectrum), x0[0], 0)
        goal = share / np.linalg.norm(share)
        far = distance(end, np.broadcast_to(goal, end.shape))
        far = np.minimum(far, np.pi - far) if spectrum.count(max(spectrum)) == 1 else far
        rows.append([name, said, float(far.max()), float(np.median(far))])
    return rows
