"""Near the uniform measure the fastest mode decides how many clusters there will be (2410.23228)."""

import numpy as np
from jaxtyping import Float

from ...diagnostics import order_parameters
from ...dynamics import CircleFlow, circle_field, circle_particles, fastest_mode, growth_rate
from .page import Page, Panel, Picture, Series, Settings, Table

# (beta, horizon): the two runs of the paper, in the time of unnormalised attention.
RUNS, SIGMA, MODES = ((5.0, 0.6), (7.0, 0.1)), 0.01, 8
_LEAST = 0.02  # mass of what counts as a cluster


def quiet_start(beta: float, horizon: float, seed: int, *, particles: int = 1024, saves: int = 60) -> CircleFlow:
    """The mean-field flow from 1 + noise: modes up to ``MODES``, equal in size, random in phase, of standard deviation SIGMA."""
    phase = np.random.default_rng(seed).uniform(0, 2 * np.pi, (MODES, 1))
    k = np.arange(1, MODES + 1)[:, None]

    def density(theta):
        return 1 + SIGMA * np.sqrt(2 / MODES) * np.cos(k * theta + phase).sum(0)

    times = np.linspace(0, horizon, saves + 1)
    return circle_particles(density, beta, times, n=particles, law="unnormalised", rtol=1e-9, atol=1e-10)


def iid_run(beta: float, horizon: float, tokens: int, seed: int) -> Float[np.ndarray, " n"]:
    """Angles at the horizon of independent uniform tokens; classical Runge-Kutta steps, 200 of them."""
    theta = np.random.default_rng(seed).uniform(0, 2 * np.pi, tokens)
    h = horizon / 200

    def v(y):
        return circle_field(y, beta, law="unnormalised")

    for _ in range(200):
        k1 = v(theta)
        k2 = v(theta + h / 2 * k1)
        k3 = v(theta + h / 2 * k2)
        theta = theta + h / 6 * (k1 + 2 * k2 + 2 * k3 + v(theta + h * k3))
    return theta


def cluster_masses(theta: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"], gap: float = 0.05) -> Float[np.ndarray, " k"]:
    """Masses of the clusters of angles that are further apart than ``gap``, those of at least 2 %."""
    order = np.argsort(theta % (2 * np.pi))
    t, w = (theta % (2 * np.pi))[order], weights[order]
    cut = np.flatnonzero(np.diff(np.append(t, t[0] + 2 * np.pi)) > gap)
    if not cut.size:
        return np.array([1.0])
    label = np.searchsorted(cut, np.arange(len(t)), side="left") % len(cut)
    masses = np.bincount(label, w)
    return masses[masses >= _LEAST]


def predicted_angles(theta: Float[np.ndarray, " n"], weights: Float[np.ndarray, " n"], k: int) -> Float[np.ndarray, " k"]:
    """(2 pi j - arg m_k) / k in [0, 2 pi): where k equispaced clusters will be, from mode k of the start."""
    phase = -np.angle(order_parameters(theta, k, weights)[k])
    return np.sort((2 * np.pi * np.arange(k) + phase) / k % (2 * np.pi))


def reproduce(settings: Settings) -> Page:
    """Lines, growth of the modes against theory, and how often which number of clusters comes from random starts."""
    tokens, seeds = (20_000, 16) if settings.full else (2_000, 6)
    panels, rows, growths, facts = [], [], [], {}
    for color, (beta, horizon) in enumerate(RUNS):
        k = fastest_mode(beta, 2)
        settings.progress("quiet start", color, len(RUNS))
        run = quiet_start(beta, horizon, settings.seed)
        lines = len(cluster_masses(run.theta[-1], run.weights[-1]))
        panels.append(_paths(run, beta, lines, k, color))
        modes = abs(order_parameters(run.theta, MODES, run.weights))
        growths.append(_growth(run, modes, beta))
        early = int(np.searchsorted(run.times, run.times[-1] / 12))
        for j in range(1, MODES + 1):
            measured = np.log(modes[early, j] / modes[0, j]) / run.times[early]
            rows.append([beta, j, float(growth_rate(j, beta, 2, law="unnormalised")), float(measured)])
        counts = []
        for s in range(seeds):
            settings.progress("random starts", color * seeds + s, seeds * len(RUNS))
            counts.append(len(cluster_masses(iid_run(beta, horizon, tokens, settings.seed + s), np.full(tokens, 1 / tokens))))
        facts[f"{beta:g}"] = {
            "fastest_mode": k,
            "quiet_start": lines,
            "random_starts": {str(c): counts.count(c) for c in sorted(set(counts))},
        }
    told = "; ".join(
        f"beta = {b}: " + ", ".join(f"{c} in {times} of {seeds}" for c, times in fact["random_starts"].items()) for b, fact in facts.items()
    )
    return Page(
        "mode-selection",
        "The fastest mode decides",
        "Bruno, Pasqualotto, Agazzi, Emergence of meta-stable clustering in mean-field transformer models, arXiv:2410.23228 (figures)",
        [
            "A mode k of a small perturbation of the uniform measure grows like exp(omega_k t), omega_k = k^2 I_k(beta) / beta. The "
            "largest rate "
            "has k = 3 for beta = 5 and k = 4 for beta = 7; k lines are predicted where the phase of mode k of the start puts them. From "
            "modes "
            f"of equal size {facts['5']['quiet_start']} and {facts['7']['quiet_start']} lines form; dotted is where the mode of that "
            f"number puts them. At "
            "beta = 7 modes 3 and 4 grow nearly alike, so that the winner depends on their sizes at the start.",
            f"Random starts are noisier than the theory: of {tokens:,} independent tokens, clusters of at least 2 % at the end: {told}.",
        ],
        [
            ("law, d", "unnormalised, d = 2, mean field", "the same", ""),
            ("beta, T", "5, 0.6 and 7, 0.1", "the same", ""),
            ("particles", "20,000 iid, Euler steps of 1e-4, seeds 12345 and 1234",
             f"1,024 weighted particles in a quiet start, error control; {tokens:,} iid tokens, {seeds} "
             f"seeds", "no sampling noise of size n^-1/2"),
            ("density", "10^4 nodes, Lax-Friedrichs, white noise "
            "0.01", f"noise 0.01 in modes 1 to {MODES}, equal in size", "no numerical diffusion; the race is fair"),
        ],
        [
            "The published notebook plots k^2 I_k / (pi beta); the rate is pi times that (beta = 5, k = 3: 18.596, not 5.92).",
            "The scheme of Lax and Friedrichs is of first order; its numerical diffusion is visible in the published densities.",
            "One seed each is shown; from independent starts the number of clusters varies, above all for beta = 7, where modes 3 and 4 "
            "grow nearly "
            "alike (109.5 and 116.6).",
        ],
        [Picture("modes", "Left: particles in time, with the predicted places. Right: modes, with the predicted growth dashed.",
                 [panel for pair in zip(panels, growths, strict=True) for panel in pair], columns=2)],
        [Table("rates", "Growth rates, predicted and measured in the first twelfth of the "
        "time", ["beta", "mode", "predicted", "measured"], rows)],
        facts,
    )  # fmt: skip


def _paths(run: CircleFlow, beta: float, lines: int, k: int, color: int) -> Panel:
    shown = slice(None, None, 10)
    paths = [Series(run.times, _broken(path), "", "thin", color) for path in run.theta[:, shown].T]
    ends = run.times[[0, -1]]
    expected = [
        Series(ends, [a, a], "" if i else "predicted", "dotted", -1)
        for i, a in enumerate(predicted_angles(run.theta[0], run.weights[0], lines))
    ]
    return Panel(f"β = {beta:g}: {lines} lines, fastest mode {k}", [*paths, *expected], xlabel="time", ylabel="angle", ylim=(0, 2 * np.pi))


def _broken(path: np.ndarray) -> np.ndarray:
    """Modulo 2 pi, with a gap where it goes round."""
    y = path % (2 * np.pi)
    return np.where(np.abs(np.diff(y, prepend=y[0])) > np.pi, np.nan, y)


def _growth(run: CircleFlow, modes: np.ndarray, beta: float) -> Panel:
    series = []
    for place, k in enumerate((1, 2, 3, 4)):
        rate = float(growth_rate(k, beta, 2, law="unnormalised"))
        line = modes[0, k] * np.exp(rate * run.times)
        series += [
            Series(run.times, modes[:, k], f"k = {k}", "line", place),
            Series(run.times[line < 1.5], line[line < 1.5], "", "dashed", place),
        ]
    return Panel(f"β = {beta:g}: modes", series, xlabel="time", ylabel="|m_k|", log_y=True, ylim=(1e-4, 2))
