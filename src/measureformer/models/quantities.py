"""Numbers of one measure of unit tokens: what is followed from layer to layer."""

import numpy as np
from jaxtyping import Float

from ..diagnostics import clusters

BETAS = (1.0, 4.0, 16.0)  # of the energies
BINS = 200
EDGES = np.linspace(-1, 1, BINS + 1)
QUANTITIES = (
    "mean_cosine", "sd_cosine", "cosine_q10", "cosine_q50", "cosine_q90", "order_parameter", "anisotropy", "effective_rank",
    *(f"energy_beta_{beta:g}" for beta in BETAS), "clusters", "largest_cluster",
)  # fmt: skip


def quantities(points: Float[np.ndarray, "n d"], angle: float) -> tuple[np.ndarray, np.ndarray]:
    r"""The values of ``QUANTITIES`` and the histogram of pair cosines (counts, ``EDGES``).

    mean, standard deviation and quantiles of $\langle x_i, x_j \rangle$, i < j; ``order_parameter`` $|\frac1n \sum x_i|$; ``anisotropy``
    the share $\lambda_1 / \sum \lambda$ of the largest eigenvalue of the Gram matrix; ``effective_rank`` $\exp(-\sum p \ln p)$,
    $p = \lambda / \sum \lambda$ (Roy and Vetterli 2007); energies $n^{-2} \sum_{ij} e^{\beta (\langle x_i, x_j \rangle - 1)}$ in (0, 1];
    clusters at ``angle`` (connected components), and the mass of the largest.

    Args:
        points: at least two unit vectors.
        angle: in radians.
    """
    n = len(points)
    gram = np.clip(points @ points.T, -1, 1)
    pairs = gram[np.triu_indices(n, 1)]
    shares = np.clip(np.linalg.eigvalsh(gram), 0, None)
    shares = shares / shares.sum()
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum()
    found = clusters(points, angle)
    values = [
        pairs.mean(), pairs.std(), *np.quantile(pairs, (0.1, 0.5, 0.9)), np.linalg.norm(points.mean(0)), shares[-1], np.exp(entropy),
        *(np.exp(beta * (gram - 1)).mean() for beta in BETAS), found.count, found.masses.max(),
    ]  # fmt: skip
    return np.array(values, float), histogram(pairs)


def histogram(pairs: Float[np.ndarray, " m"]) -> np.ndarray:
    """Counts in the cells of ``EDGES``."""
    return np.histogram(pairs, EDGES)[0].astype(np.int64)
