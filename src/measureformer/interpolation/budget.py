"""The switch budget of the paper's construction, for comparison."""

from collections.abc import Sequence

from .task import Pair


def paper_budget(task: Sequence[Pair]) -> dict[str, int]:
    r"""Segments that the construction of arXiv:2411.04551v3 spends on the task, phase by phase, counted from its proofs.

    * disentangle: 2 (2 + N (2 (d - 1) + 1)): on each side, two segments into the orthant (Lemma 3.2), then for each measure d - 1 attention
      segments there, one perceptron, d - 1 back (Lemma 3.3); Lemma 3.4 is not counted.
    * cluster: sum_i m_i over the pairs with different numbers of source and target atoms, one ball for each target atom (Lemma B.2).
    * match: 6 for each point that is matched (Propositions 4.1 and 4.2).
    """
    d, N = task[0].source.dimension, len(task)
    disentangle = 2 * (2 + N * (2 * (d - 1) + 1))
    clustered = [pair.target.size for pair in task if pair.source.size != pair.target.size]
    cluster = sum(clustered)
    match = 6 * sum(pair.target.size if pair.source.size != pair.target.size else pair.source.size for pair in task)
    return {"disentangle": disentangle, "cluster": cluster, "match": match, "total": disentangle + cluster + match}
