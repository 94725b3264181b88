"""Clusters without layer norm: polytopes, hyperplanes, Boolean attention (examples of 2305.05465)."""

import numpy as np
from jaxtyping import Float

from ...fields import ParticleField, Softmax
from ...fields.attention import attention_weights
from ...flows import flow
from ...geometry import Rescaled
from ...measures import Empirical
from .page import Image, Page, Panel, Picture, Series, Settings, Table

N, HORIZON, BOX = 20, 5.0, 5.0

# Eigenvalues of the published examples: a real one, or a pair with its imaginary part.
TRIPLES = {
    "d = 2: 1.348, -0.068": (1.348, -0.068),
    "d = 3: 0.991, -0.055 ± 0.254i": (0.991, (-0.055, 0.254)),
    "d = 3: 1.078, 0.099 ± 0.082i": (1.078, (0.099, 0.082)),
}


def value_matrix(rng: np.random.Generator, spectrum: tuple) -> tuple[Float[np.ndarray, "d d"], Float[np.ndarray, " d"]]:
    """A matrix with these eigenvalues in a random basis, and the dual vector of the first: phi with V^T phi = l_1 phi, |phi| = 1."""
    blocks = [np.array([[v]]) if np.isscalar(v) else np.array([[v[0], -v[1]], [v[1], v[0]]]) for v in spectrum]
    d = sum(len(b) for b in blocks)
    D, place = np.zeros((d, d)), 0
    for b in blocks:
        D[place : place + len(b), place : place + len(b)] = b
        place += len(b)
    S = np.eye(d) + 0.3 * rng.normal(size=(d, d))
    dual = np.linalg.inv(S)[0]
    return S @ D @ np.linalg.inv(S), dual / np.linalg.norm(dual)


def rescaled_run(
    V: Float[np.ndarray, "d d"], start: Float[np.ndarray, "n d"], horizon: float, saves: int = 50
) -> tuple[np.ndarray, np.ndarray]:
    """(times, z) of z = e^{-tV} x under softmax attention with Q = K = I in R^d."""
    run = flow(ParticleField(Softmax(1.0, V=V), Rescaled(V)), Empirical(start), horizon, saveat=saves, rtol=1e-7, atol=1e-8)
    return run.times, np.asarray(run.points[0])


def hull_area(z: Float[np.ndarray, "n 2"]) -> float:
    """The area of the convex hull of points of the plane; 0 if they are on a line."""
    from scipy.spatial import ConvexHull, QhullError

    try:
        return float(ConvexHull(z).volume)
    except QhullError:
        return 0.0


def levels(values: Float[np.ndarray, " n"], gap: float) -> tuple[int, float]:
    """How many groups of numbers there are, further apart than ``gap``; and the largest width of one."""
    ordered = np.sort(values)
    groups = np.split(ordered, np.flatnonzero(np.diff(ordered) > gap) + 1)
    return len(groups), float(max(np.ptp(group) for group in groups))


def boolean_rows(P: Float[np.ndarray, "n n"], tolerance: float = 0.01) -> int:
    """How many rows of an attention matrix have one entry above 1 - tolerance."""
    return int((P.max(1) > 1 - tolerance).sum())


def reproduce(settings: Settings) -> Page:
    """A polytope, hyperplanes, a polytope times a line, and an attention matrix of rank two."""
    rng = np.random.default_rng(settings.seed)
    settings.progress("polytope", 0, 6)
    polytope, facts = _polytope(rng)
    panels, rows = [], []
    for step, (name, spectrum) in enumerate(TRIPLES.items(), 1):
        settings.progress("hyperplanes", step, 6)
        V, dual = value_matrix(rng, spectrum)
        t, z = rescaled_run(V, rng.uniform(-BOX, BOX, (N, len(V))), HORIZON)
        heights = z @ dual
        count, width = levels(heights[-1], 0.15 * float(np.ptp(heights[0])))
        rows.append([name, count, width / float(np.ptp(heights[0]))])
        panels.append(Panel(name, [Series(t, h, "", "thin", step) for h in heights.T], xlabel="time", ylabel="height over ker φ"))
    settings.progress("polytope times a line", 4, 6)
    t, z = rescaled_run(np.diag([1.0, 1.0, -0.5]), rng.uniform(-BOX, BOX, (N, 3)), HORIZON)
    prism = _plane("V = diag(1, 1, -1/2): first two coordinates", z[..., :2], 4)
    settings.progress("Boolean attention", 5, 6)
    boolean, count, rank = _boolean(rng, 10.0)
    facts |= {"hyperplanes": {row[0]: row[1] for row in rows}, "boolean_rows": count, "rank": rank}
    return Page(
        "no-layer-norm",
        "Clusters without layer norm",
        "Geshkovski, Letrouit, Polyanskiy, Rigollet, The emergence of clusters in self-attention dynamics, arXiv:2305.05465",
        [
            "Tokens run away like e^{tV}; in the coordinates z = e^{-tV} x they gather. With V = I the convex hulls are nested and tend "
            "to a polytope; "
            f"the hull has {100 * facts['area']:.0f} % of its area left at t = 5 and never grew by more than "
            f"{facts['largest_growth']:.1e} of the first one. "
            f"{facts['at_limit_points']} of {N} tokens are at points with |z|^2 = max_j <z, v_j> (v_j vertices), within 2 %.",
            "If the leading eigenvalue of V is real, positive and simple, at most three parallel hyperplanes attract the tokens: here "
            + ", ".join(f"{row[1]} ({row[0]})" for row in rows) + ".",
            f"In d = 1, V > 0, the attention matrix becomes Boolean except for at most one row: {count} of {N} rows at t = 10, numerical "
            f"rank {rank}.",
        ],
        [
            ("n, start, T", "20, uniform in [-5, 5]^d, 5", "the same", ""),
            ("method", "steps of 0.1, order 4 in name", "error control 1e-7", "see below"),
            ("V", "random matrices with the printed "
            "eigenvalues", f"the same eigenvalues in a random basis, seed {settings.seed}", "the matrices are not published"),
            ("d = 1", "T not printed", "T = 10, V = 1", ""),
        ],
        [
            "The published integrator, Runge-Kutta in name, freezes the attention matrix over its four stages: it is of order 1. It "
            "computes "
            "matrix exponentials in every step.",
            "The script on low-rank attention integrates x' = V x; attention is only displayed. Another builds its symmetric matrix as "
            "Phi D Phi where Phi D Phi^T is meant.",
        ],
        [
            Picture("planes", "Tokens in rescaled coordinates, from the start (open ends) to the dots; hulls at t = 0 and 5 "
            "dashed.", [polytope, prism], columns=2),
            Picture("hyperplanes", "The height of each token along the dual eigenvector: at most three levels.", panels),
            Picture("boolean", "The attention matrix in d = 1 at the start and at the end; tokens in order of their "
            "place.", boolean, columns=2),
        ],
        [Table("levels", "Levels at t = 5", ["V", "levels", "largest width of one / width at the start"], rows)],
        facts,
    )  # fmt: skip


def _polytope(rng: np.random.Generator) -> tuple[Panel, dict]:
    _, z = rescaled_run(np.eye(2), rng.uniform(-BOX, BOX, (N, 2)), HORIZON)
    areas = np.array([hull_area(x) for x in z])
    end = z[-1]
    own, best = (end * end).sum(1), (end @ end.T).max(1)
    facts = {
        "area": float(areas[-1] / areas[0]),
        "largest_growth": float(max(0.0, np.diff(areas).max()) / areas[0]),
        "at_limit_points": int((best - own <= 0.02 * best.max()).sum()),
    }
    return _plane("V = I: a polytope", z, 0), facts


def _plane(title: str, z: Float[np.ndarray, "T n 2"], color: int) -> Panel:
    from scipy.spatial import ConvexHull

    series = [Series(path[:, 0], path[:, 1], "", "thin", color) for path in z.swapaxes(0, 1)]
    for cloud, style in ((z[0], "dotted"), (z[-1], "dashed")):
        corner = cloud[np.append(ConvexHull(cloud).vertices, ConvexHull(cloud).vertices[0])]
        series.append(Series(corner[:, 0], corner[:, 1], "", style, -1))
    return Panel(title, [*series, Series(z[-1, :, 0], z[-1, :, 1], "", "dots", color)], kind="plane")


def _boolean(rng: np.random.Generator, horizon: float) -> tuple[list[Panel], int, int]:
    start = np.sort(rng.uniform(-BOX, BOX, (N, 1)), axis=0)
    _, z = rescaled_run(np.eye(1), start, horizon)
    w, panels, P = np.full(N, 1 / N), [], np.eye(N)
    for t, place in ((0.0, z[0]), (horizon, z[-1])):
        x = np.exp(t) * place
        P = attention_weights(x, x, w, np.eye(1))
        panels.append(Panel(f"t = {t:g}", (), Image(np.arange(N), np.arange(N), P, "attention"), xlabel="key", ylabel="query"))
    return panels, boolean_rows(P), int((np.linalg.svd(P, compute_uv=False) > 1e-2).sum())
