"""The switch budget of the paper's construction, for comparison."""

from collections.abc import Sequence

from ..measures import Empirical


def paper_budget(sources: Sequence[Empirical], targets: Sequence[Empirical]) -> dict[str, int] | dict[str, None]:
    r"""Segments that the construction of arXiv:2411.04551v3 spends on the task, phase by phase, counted from its proofs.

    * disentangle: 2 (2 + N (2 (d - 1) + 1)): on each side, two segments into the orthant (Lemma 3.2), then for each measure d - 1 attention
      segments there, one perceptron, d - 1 back (Lemma 3.3); Lemma 3.4 is not counted.
    * cluster: sum_i m_i over the pairs with different numbers of source and target atoms, one ball for each target atom (Lemma B.2).
    * match: 6 for each point that is matched (Propositions 4.1 and 4.2).

    All are None for d = 2, which the theorem excludes.
    """
    d, N = sources[0].dimension, len(sources)
    if d == 2:
        return dict.fromkeys(("disentangle", "cluster", "match", "total"))
    sizes = [(mu.size, nu.size) for mu, nu in zip(sources, targets, strict=True)]
    disentangle = 2 * (2 + N * (2 * (d - 1) + 1))
    cluster = sum(m for n, m in sizes if n != m)
    match = 6 * sum(m for _, m in sizes)
    return {"disentangle": disentangle, "cluster": cluster, "match": match, "total": disentangle + cluster + match}
