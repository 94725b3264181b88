"""Cells: sources of many atoms, or of a density that is known by samples. Targets are quantised, sources are spun into a thread and cut."""

from collections.abc import Sequence

from ..export import AttentionLayer, Network, as_residual_block
from ..schedule import Schedule, Segment, balance
from ..transport import Quantisation, coarsest_quantisation
from .plan import Plan, check_options
from .task import Pair, clearing_notes, distinct_pairs, left_of
from .thread import DOUBT, Thread, spin

# Cells of all targets together; a schedule has about 2/(width // 2) segments a cell.
MOST_CELLS = 4000
# The part of eps that quantisation of the targets may take; the rest is for errors of sampling and rounding.
_SHARE = 0.5
# Targets of so few atoms are not quantised.
_FEW = 32


def quantise_targets(pairs: Sequence[Pair], eps: float, seed: int = 0) -> list[Quantisation]:
    """The cells of each target: the target itself if it has at most half as many atoms as the source, otherwise as few cells as err by at
    most eps/2 (or as many as there may be)."""
    most = max(1, MOST_CELLS // len(pairs))
    return [coarsest_quantisation(p.target, 0.0 if 2 * p.target.size <= p.source.size else _SHARE * eps, most, seed=seed) for p in pairs]


def plan_cells(
    task: Sequence[Pair],
    *,
    eps: float,
    width: int | None = None,
    horizon: float = 1.0,
    seed: int = 0,
    cells: Sequence[Quantisation] | None = None,
) -> Plan | None:
    r"""One theta for sources of many atoms: about (2 M + N + d)/(width // 2) + 8 segments for M cells of the N targets in all, however many
    atoms the sources have.

    1. Boosts into the standard cap of a hemisphere. *Cluster*, one attention segment V = I: the measures come apart along a direction a.
       *Recentre*, one attention segment V = -c c^T: all their means come to the hyperplane <c, x> = 0, with c orthogonal to a.
    2. *Unroll*: gates on the heights along a shift each measure by its own amount along c, so that they follow each other. *Flatten*: all
       directions but c are contracted. What is left is a thread, measure after measure.
    3. *Match 1*: gates on the heights along c, narrow as knives, cut the thread into slabs, one for each cell of the targets, and give each
       slab the coordinates of its place, except the one along c. *Flatten* along c makes points of the slabs. *Match 2*: gates on the
       heights along e, orthogonal to c, give the coordinate along c. Boosts out to the targets.

    Atoms are never looked at one by one, so that fresh samples of the same measures take the same way: attention sees a sample's mean,
    whose error clustering magnifies, and ``recentre`` makes the result independent of that error to first order. Where every target has
    one atom, a measure is a slab, and step 2 falls away (arXiv:2411.04551, Theorem 1.1).

    Args:
        task: from ``make_task``.
        eps, width, horizon, seed: as in ``plan_compact``.
        cells: of each pair's target; ``quantise_targets`` makes them if None.

    Returns:
        The plan; None if the sources cannot be gathered (equal means), or some cut would be too narrow for float64.
    """
    width = check_options(task[0].source.dimension, eps=eps, width=width, horizon=horizon)
    pairs = distinct_pairs(task)
    if cells is None:
        chosen = quantise_targets(pairs, eps, seed)
    else:
        chosen = [cells[next(i for i, p in enumerate(task) if p is pair)] for pair in pairs]
    left = left_of(eps, pairs, placed=False)
    flowing, layered = (spin(pairs, chosen, eps=left, width=width, layers=layers, seed=seed) for layers in (False, True))
    if flowing is None or layered is None:
        return None
    segments = [step for step in flowing.steps if isinstance(step, Segment)]
    layers = (step if isinstance(step, AttentionLayer) else as_residual_block(step) for step in layered.steps)
    return Plan(
        balance(Schedule(segments), horizon),
        Network(tuple(layers)),
        flowing.attention, flowing.matching, layered.attention, layered.matching,
        _notes(flowing, chosen, left) + clearing_notes(pairs, placed=False),
    )  # fmt: skip


def _notes(thread: Thread, cells: Sequence[Quantisation], eps: float) -> tuple[str, ...]:
    slabs, floor = sum(len(s.rows) for s in thread.slabs), max(q.error for q in cells)
    spun = f"sources were spun into a thread and cut into {slabs} slabs"
    sizes = [q.measure.size for q in cells]
    quantised = f"targets were quantised to {' + '.join(map(str, sizes))} cells (largest W_2 error {floor:.2g}), {spun}"
    notes = [quantised if floor else f"{spun}, one for each atom of the targets"]
    if floor > eps:
        needed = max(q.measure.size * (q.error / eps) ** (q.measure.dimension - 1) for q in cells)
        notes.append(
            f"eps = {eps:g} is out of reach: {max(sizes)} cells leave {floor:.2g}; about {needed:.0f} cells a target would be needed, and "
            f"{MOST_CELLS} in all are allowed"
        )
    if floor > 0 and thread.doubt > DOUBT:
        notes.append(
            f"the means of the sources are known to {thread.doubt:.0%} of their distance only: fresh samples of the same densities may be "
            f"taken for each other; use more samples"
        )
    return tuple(notes)
