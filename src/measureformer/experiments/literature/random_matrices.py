"""Phase diagrams with random Q, K, V (Figure 5 of 2312.10794)."""

import numpy as np
from jaxtyping import Float

from ...diagnostics import gram_cosines
from ...fields import Softmax
from ...fields.layers import PostLN
from ...geometry import normalize
from .page import Image, Page, Panel, Picture, Settings, Table

N, D, ETA, DELTA, HORIZON = 32, 128, 0.1, 1e-3, 30.0

# What is random in each panel, and what the published panel shows.
ENSEMBLES = {
    "a": ("Q, K, V Ginibre", "a near-vertical front at t = 7 to 8"),
    "b": ("QᵀK Wigner, V ≥ 0", "a front at t = 1 to 2, and 0.7 to 0.9 beyond beta = 2"),
    "c": ("Q, K Ginibre, V = QᵀK", "full clustering only for beta below about 1, t > 6"),
    "c′": ("Q, K Ginibre, V = KᵀQ", "not published: (c) with V transposed"),
    "d": ("QᵀK Wigner, V = QᵀK", "full clustering only for beta below about 0.5, t > 4"),
}


def draw_matrices(rng: np.random.Generator, kind: str, d: int) -> tuple[Float[np.ndarray, "d d"], Float[np.ndarray, "d d"]]:
    r"""(B, V) with scores beta <B x, y>. With G of independent standard normal entries:

    Ginibre $B = G_1^\top G_2 / \sqrt d$; Wigner $B = (G + G^\top)/\sqrt 2$; (a) $V = G / \sqrt d$; (b) $V = G G^\top / \sqrt d$;
    (c), (d) $V = Q^\top K / \sqrt d = B^\top / \sqrt d$; (c′) $V = B / \sqrt d$.
    """
    G, H, W = rng.normal(size=(3, d, d))
    B = G.T @ H / np.sqrt(d) if kind[0] in "ac" else (G + G.T) / np.sqrt(2)
    V = {"a": W, "b": W @ W.T, "c": B.T, "c′": B, "d": B}[kind] / np.sqrt(d)
    return B, V


def gathered(
    rng: np.random.Generator,
    kind: str,
    betas: Float[np.ndarray, " b"],
    times: Float[np.ndarray, " T"],
    samples: int,
    *,
    n: int = N,
    d: int = D,
) -> Float[np.ndarray, "T b"]:
    """The mean fraction of pairs with cosine above 1 - delta, fresh matrices and tokens for each sample, the same for all beta."""
    marks = {int(k): row for row, k in enumerate(np.rint(times / ETA).astype(int).tolist())}
    share, w = np.zeros((len(times), len(betas))), np.full((len(betas), n), 1 / n)
    for _ in range(samples):
        B, V = draw_matrices(rng, kind, d)
        x = np.broadcast_to(normalize(rng.normal(size=(n, d))), (len(betas), n, d))
        law = Softmax(betas[:, None, None], Q=B, V=V)
        for k in range(max(marks) + 1):
            if k in marks:
                share[marks[k]] += gram_cosines(x @ x.swapaxes(-1, -2), DELTA).close
            if k < max(marks):
                x = PostLN(ETA).step(x, lambda y, law=law: law(y, y, w), k)
    return share / samples


def reproduce(settings: Settings) -> Page:
    """The four panels, and one with V transposed."""
    samples = 1024 if settings.full else 8
    betas = np.linspace(0.1, 9, 90) if settings.full else np.array([0.1, 0.5, 1, 1.5, 2, 3, 4.5, 6, 7.5, 9])
    times = np.round(np.linspace(0, HORIZON, 101 if settings.full else 31) / ETA) * ETA
    panels, rows, found = [], [], []
    for place, (kind, (name, seen)) in enumerate(ENSEMBLES.items()):
        settings.progress("random matrices", place, len(ENSEMBLES))
        share = gathered(np.random.default_rng([settings.seed, place]), kind, betas, times, samples)
        grid = np.linspace(float(betas[0]), 9, 90)
        image = np.stack([np.interp(grid, betas, row) for row in share])
        panels.append(Panel(f"({kind}) {name}", (), Image(times, grid, image.T, "gathered pairs"), xlabel="time", ylabel="β"))
        rows += [[kind, b, t, share[i, j]] for i, t in enumerate(times.tolist()) for j, b in enumerate(betas.tolist())]
        full = betas[share[-1] > 0.95]
        found.append(
            [f"({kind}) {name}", seen, _front(times, share, betas, 1.0), float(share[-1].min()), float(full.max()) if full.size else None]
        )
    return Page(
        "random-matrices",
        "Phase diagrams with random matrices",
        "Geshkovski, Letrouit, Polyanskiy, Rigollet, A mathematical perspective on Transformers, arXiv:2312.10794, Figure 5",
        [
            "n = 32 uniform tokens in d = 128 under softmax attention with one draw of Q, K, V for all layers of a sample. There is no "
            "curve of "
            "theory to lay over: the phase curve for random matrices is Problem 2 of the paper, open.",
            "Beside each observation of the published panel stands what was measured here, with the scalings of the published script "
            "where they are known. Panel (c) depends on whether V is QᵀK or its transposed: beyond beta = 2 "
            f"at t = 30, {_later(rows, 'c'):.2f} of the pairs have met with the one and {_later(rows, 'c′'):.2f} with the other.",
        ],
        [
            ("n, d, step, t", "32, 128, 0.1, [0, 30]", "the same", ""),
            ("beta", "90 values in [0.1, 9]", f"{len(betas)} values in [0.1, 9]", "" if settings.full else "a minute on two cores"),
            ("samples", "2^10 (2^11 in the script), fresh matrices for each", str(samples), "" if settings.full else "the same"),
            ("V of (a)", "Ginibre (caption); G Gᵀ/√d (script as it is now)", "G/√d", "the caption"),
            ("V of (b)", "GOE, V ≥ 0 (caption); G Gᵀ/√d (script)", "G Gᵀ/√d", "the script; positive semidefinite as in the caption"),
            ("V of (c), (d)", "QᵀK (caption); B/√d, B/√(d+1) for the GOE (script)", "B/√d", "a difference of 0.4 % in time for (d)"),
        ],
        [
            "The published script as it stands takes V = G Gᵀ/√d, positive semidefinite, not the Ginibre matrix of panel (a).",
            "It has no seed.",
        ],
        [Picture("random-matrices", "Share of pairs of tokens with a cosine above 0.999.", panels)],
        [
            Table(
                "found",
                "Published and found",
                ["panel", "published", "front at beta = 1 (half of the pairs)", "least at t = 30", "95 % at t = 30 up to beta"],
                found,
            ),
            Table("fractions", "Fractions", ["panel", "beta", "t", "fraction"], rows, shown=False),
        ],
        {row[0]: {"front": row[2], "least": row[3], "full_up_to": row[4]} for row in found},
    )


def _later(rows: list[list], kind: str) -> float:
    """The mean fraction of a panel at the end, beta above 2."""
    return float(np.mean([share for name, beta, t, share in rows if name == kind and beta > 2 and t > HORIZON - 1e-6]))


def _front(times: np.ndarray, share: np.ndarray, betas: np.ndarray, beta: float) -> float | None:
    """When half of the pairs have met, at the beta nearest to the one given."""
    column = share[:, int(abs(betas - beta).argmin())]
    late = np.flatnonzero(column > 0.5)
    return float(times[late[0]]) if late.size else None
