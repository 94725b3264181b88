"""The energy of five tokens as beta grows: a staircase (2410.06833)."""

import numpy as np
from jaxtyping import Float

from ...dynamics import coarsen
from ...measures import Empirical
from .page import Page, Panel, Picture, Series, Settings, Table

BETAS, PLATEAUS, LEVELS = (500.0, 1000.0, 1500.0, 2000.0, 3000.0, 4000.0), (0.2, 0.28, 0.44, 0.52, 1.0), (0.24, 0.36, 0.48, 0.76)
_SCALE = np.log(2000.0) / np.sqrt(2000.0)


def angles() -> Float[np.ndarray, " n"]:
    """The start: (0, 1/2, 2, 4, 7) log(b) / (2 sqrt(b)) with b = 2000."""
    return 0.5 * np.array([0, 0.5, 2, 4, 7]) * _SCALE


def staircase(beta: float) -> tuple[Float[np.ndarray, " T"], Float[np.ndarray, " T"]]:
    r"""(tau, energy) in the clock in which the tokens move at speed log(beta), $d\theta/d\tau = \log(\beta) \, g / |g|$, g the gradient.

    The path is that of unnormalised attention, so tau is its length in R^n over log(beta): no step size, and no glue.
    """
    theta = angles()
    run = coarsen(Empirical(np.stack([np.cos(theta), np.sin(theta)], axis=1)), beta, np.inf, law="peak")
    return np.sqrt(5) * run.lengths / np.log(beta), run.energies


def jump_times(tau: Float[np.ndarray, " T"], energies: Float[np.ndarray, " T"]) -> list[float]:
    """When the energy passes half the way between two plateaus; and the end."""
    rises = np.maximum.accumulate(energies)
    return [float(np.interp(level, rises, tau)) for level in LEVELS] + [float(tau[-1])]


def published_scheme(beta: float, rate: float = 1e-5, glue: float = 1e-3, rest: float = 1e-5) -> tuple[np.ndarray, np.ndarray]:
    """(tau, energy) of the published script: steps of length rate * log(beta), tokens glued when closer than ``glue`` where |g| < rest."""
    theta, group = angles(), np.arange(5)
    taus, energies = [], []
    for k in range(round(0.2 / rate)):  # all is over by tau = 0.13
        gap = theta[:, None] - theta
        kernel = np.exp(beta * (np.cos(gap) - 1))
        if k % 20 == 0:
            taus.append(k * rate)
            energies.append(kernel.mean())
        g = -(kernel * np.sin(gap)).sum(1) / 25
        g = np.array([g[group == c].mean() for c in group])  # what is glued moves as one
        size = float(np.linalg.norm(g))
        touching = (abs(gap) < glue) & (group[:, None] != group)
        if size < rest and touching.any():
            for i, j in zip(*np.nonzero(touching), strict=True):
                theta[group == group[j]] = theta[i]
                group = np.where(group == group[j], group[i], group)
            continue  # the gradient is that of the tokens before
        if size == 0:
            break
        theta = theta + rate * np.log(beta) * g / size
    return np.array(taus), np.array(energies)


def reproduce(settings: Settings) -> Page:
    """Staircases for six beta, their plateaus and jump times."""
    curves, rows = [], []
    for color, beta in enumerate(BETAS):
        settings.progress("staircase", color, len(BETAS))
        tau, energies = staircase(beta)
        rows.append([beta, *jump_times(tau, energies)])
        curves.append(Series(tau, energies, f"β = {beta:g}", "line", color))
    steps = [Series([0, 0.13], [level, level], "" if k else "Σ (m/5)²", "dotted", -1) for k, level in enumerate(PLATEAUS)]
    theirs = []
    for color, beta in enumerate((500.0, 4000.0) if settings.full else (2000.0,)):
        tau, energies = published_scheme(beta)
        theirs += [
            Series(*staircase(beta), f"exact, β = {beta:g}", "line", 2 * color),
            Series(tau, energies, f"published scheme, β = {beta:g}", "dashed", 2 * color + 1),
        ]
    return Page(
        "staircase",
        "The staircase of the energy",
        "Geshkovski, Koubbi, Polyanskiy, Rigollet, Dynamic metastability in the self-attention model, arXiv:2410.06833 (staircase figure)",
        [
            "Five tokens that meet one after the other. In the clock in which they move at speed log(beta) the energy, normalised to 1, "
            "tends to "
            "a step function with the values 0.2, 0.28, 0.44, 0.52, 1: the sums of squared masses of the clusters.",
            "The path does not depend on the clock, so the clock is the length of the path over log(beta): it is computed exactly, "
            "without the "
            f"step 1e-5 and the glue of the script (which agrees, see the right panel). The last token arrives at tau = "
            f"{rows[0][-1]:.4f} (beta = 500), {rows[-1][-1]:.4f} "
            f"(beta = 4000).",
        ],
        [
            ("law, n, start", "unnormalised, n = 5, angles (0, 1/2, 2, 4, 7) log(b)/(2 sqrt b), b = 2000", "the same", ""),
            ("beta", ", ".join(f"{b:g}" for b in BETAS), "the same", ""),
            ("step", "tau-step 1e-5; pairs closer than 1e-3 are glued where |g| < 1e-5", "error control; atoms closer than 1e-6 are one",
             "exact; the published scheme is drawn beside it"),
        ],
        [
            "With the printed energy, at most 1/(2 beta), every plateau tends to 0; the figure needs the one normalised to 1.",
            "The printed time change takes a maximum over pairs that are far apart; the closest such pair sets the pace, so it has to be "
            "a minimum.",
        ],
        [
            Picture(
                "staircase", "Left: the energy in the clock of the gradient. Right: the published scheme.",
                [Panel("exact", [*steps, *curves], xlabel="τ", ylabel="energy / maximum", ylim=(0.15, 1.05)),
                 Panel("published scheme", [*steps, *theirs], xlabel="τ", ylabel="energy / maximum", ylim=(0.15, 1.05))],
                columns=2,
            )
        ],
        [Table("jumps", "Jump times: the energy passes a level; the end", ["beta", *(f"level {level}" for level in LEVELS), "end"], rows)],
        {"jumps": {f"{row[0]:g}": row[1:] for row in rows}},
    )  # fmt: skip
