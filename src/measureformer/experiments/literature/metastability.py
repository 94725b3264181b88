"""Clusters that seem to last: tokens on the circle at beta = 4 and 9 (Figure 4 of 2312.10794)."""

import numpy as np

from ...diagnostics import clusters
from ...dynamics import coarsen, polygon_rates
from ...fields import ParticleField, Softmax
from ...flows import flow
from ...measures import Empirical
from ..initial import initial_measure
from ..simulate import CLUSTER_ANGLE
from .page import Page, Panel, Picture, Series, Settings, Table
from .phase_diagram import gathered_pairs

N, BETAS, TIMES = 32, (4.0, 9.0), (0.0, 2.5, 18.0, 30.0)


def reproduce(settings: Settings) -> Page:
    """Figure 4, with how often which number of clusters is seen, and how long it lasts."""
    samples = 2048 if settings.full else 256
    mu = initial_measure("uniform", N, 2, seed=settings.seed)
    panels, energies, seen = [], [], {}
    for color, beta in enumerate(BETAS):
        settings.progress("flow", color, len(BETAS))
        path = flow(ParticleField(Softmax(beta)), mu, TIMES[-1], saveat=TIMES).points[0]
        counts = [clusters(x, CLUSTER_ANGLE).count for x in path]
        seen[f"{beta:g}"] = counts
        panels += [
            Panel(f"β = {beta:g}, t = {t:g}: {count} clusters", [Series(x[:, 0], x[:, 1], "", "dots", color)], kind="circle")
            for t, x, count in zip(TIMES, path, counts, strict=True)
        ]
        energies.append(_long_run(mu, beta, color))
    settings.progress("samples", 0, 1)
    t = np.array([TIMES[-1]])
    _, _, counts = gathered_pairs(
        np.random.default_rng(settings.seed + 1), 2, np.array(BETAS), t, samples, progress=lambda k, m: settings.progress("samples", k, m)
    )
    k = np.arange(1, 9)
    shares = np.array([[(row == j).mean() for j in k] for row in counts])
    rates = np.array([[_lifetime(int(j), beta) for j in k] for beta in BETAS])
    histogram = Panel(
        f"clusters at t = 30, {samples} samples",
        [Series(k, row, f"β = {beta:g}", "line", c) for c, (beta, row) in enumerate(zip(BETAS, shares, strict=True))],
        xlabel="number of clusters",
        ylabel="share of samples",
    )
    lifetimes = Panel(
        "lifetime of a regular k-gon",
        [Series(k[1:], 1 / row[1:], f"β = {beta:g}", "line", c) for c, (beta, row) in enumerate(zip(BETAS, rates, strict=True))]
        + [Series([2, 8], [30, 30], "t = 30", "dotted", -1)],
        xlabel="k",
        ylabel="1 / largest growth rate",
        log_y=True,
    )
    most = {f"{beta:g}": int(np.median(row)) for beta, row in zip(BETAS, counts, strict=True)}
    return Page(
        "metastability",
        "Metastable clusters on the circle",
        "Geshkovski, Letrouit, Polyanskiy, Rigollet, A mathematical perspective on Transformers, arXiv:2312.10794, Figure 4",
        [
            f"Tokens gather in a few clusters which hardly move until t = 30, though in the end all meet. Of {samples} samples the "
            f"median number "
            f"of clusters at t = 30 is {most['4']} for beta = 4 and {most['9']} for beta = 9 (published: 2 and 3).",
            "Why so many: a regular k-gon of equal clusters falls apart at the largest of its exact growth rates. At beta = 4 the 2-gon "
            "lasts "
            f"{1 / rates[0, 1]:.0f}, the 3-gon {1 / rates[0, 2]:.0f}; at beta = 9 the 3-gon {1 / rates[1, 2]:.2g}, the 4-gon "
            f"{1 / rates[1, 3]:.0f}.",
            "The last panel follows the flow, adaptively and with merged tokens as one atom, until one cluster is left (or to t = 10^8).",
        ],
        [
            ("law, d, beta", "softmax, Q = K = V = I, d = 2, beta = 4 and 9", "the same", ""),
            ("n, start", "not in the caption; one uniform "
            "sample", f"n = {N} as in Figure 3, seed {settings.seed}", "the sample is not published"),
            ("times", "2.5, 18, 30 in the caption; 0, 18, 30 in the panels", "0, 2.5, 18, 30", "both"),
            ("method", "layers of step 0.1", "flow with error control; histogram with layers of step 0.1", "exact times"),
        ],
        ["Caption and panels of the published figure disagree about the first time (2.5 and 0)."],
        [
            Picture("snapshots", "The tokens at four times.", panels, columns=4),
            Picture("why", "How many clusters are left at t = 30, how long regular polygons last, and the whole "
            "story.", [histogram, lifetimes, *_join(energies)]),
        ],
        [
            Table(
                "clusters", f"Clusters at t = 30 in {samples} samples (share)", ["beta", *(f"k = {j}" for j in k)],
                [[beta, *row.tolist()] for beta, row in zip(BETAS, shares, strict=True)],
            ),
            Table(
                "lifetimes", "Largest growth rate of the regular k-gon", ["beta", *(f"k = {j}" for j in k[1:])],
                [[beta, *row[1:].tolist()] for beta, row in zip(BETAS, rates, strict=True)],
            ),
        ],
        {"clusters_shown": seen, "median_clusters": most},
    )  # fmt: skip


def _lifetime(k: int, beta: float) -> float:
    return float(polygon_rates(k, beta).max())


def _long_run(mu: Empirical, beta: float, color: int) -> Series:
    run = coarsen(mu, beta, 1e8)
    later = run.times > 1e-2
    return Series(run.times[later], run.energies[later], f"β = {beta:g}", "line", color)


def _join(series: list[Series]) -> list[Panel]:
    return [Panel("interaction energy, until all have met", series, xlabel="time", ylabel="energy / maximum", log_x=True)]
