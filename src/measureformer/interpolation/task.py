"""The task: N pairs of measures, checked, and for each source atom the place where it should arrive."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import InputError
from ..geometry import enclosing_cap
from ..measures import Empirical
from ..transport import Placement, best_placement

# Supports whose largest empty cap is smaller than this (radians) count as covering the sphere.
SMALLEST_HOLE = 0.1


@dataclass(frozen=True)
class Pair:
    """One source measure, its target (equal atoms merged in both), and where the source atoms should go."""

    label: str | int
    source: Empirical
    target: Empirical
    seed: int = 0

    @cached_property
    def placement(self) -> Placement:
        """``placement.positions`` has a row for each source atom: the best map from source to sphere for W_2 to the target. A flow moves
        atoms and never splits them: with as many target atoms as source atoms of equal weight the best map is a bijection (cost 0)."""
        return best_placement(self.source, self.target, seed=self.seed)

    @property
    def attainable(self) -> Placement:
        """The placement, or a quick one if plans were made without it: how close whole atoms can come."""
        return self.__dict__.get("placement") or best_placement(self.source, self.target, seed=self.seed, quick=True)


def make_task(
    pairs: Sequence[tuple[str | int, Empirical, Empirical]],
    *,
    seed: int = 0,
    smallest_hole: float = SMALLEST_HOLE,
    origins: tuple[str, str] = ("sources", "targets"),
) -> tuple[Pair, ...]:
    """Check that one Transformer can solve the task.

    Args:
        pairs: (label, source, target); all on the same sphere S^{d-1}, d >= 3.
        seed: of the search for the best map where it is not known exactly.
        origins: where sources and targets come from (file names), for messages.
        smallest_hole: the least radius in radians of an empty cap on each side (hypothesis of arXiv:2411.04551, Thm 1.2).

    Raises:
        InputError: no pair; d < 3; different dimensions; two equal sources with different targets; supports that cover the sphere.
    """
    if not pairs:
        raise InputError("there is no pair of measures: give at least one source and one target")
    dimensions = {mu.dimension for _, *measures in pairs for mu in measures}
    if len(dimensions) > 1:
        raise InputError(f"measures of different dimensions {sorted(dimensions)}; all must live on the same sphere")
    (d,) = dimensions
    if d < 3:
        raise InputError(
            f"{origins[0]}: points have dimension d = {d}; interpolation needs d >= 3 (on a circle points cannot pass each other)"
        )
    merged = [(label, source.merged()[0], target.merged()[0]) for label, source, target in pairs]
    _check_distinct(merged, origins[0])
    for side, measures in zip(origins, ([s for _, s, _ in merged], [t for _, _, t in merged]), strict=True):
        hole = enclosing_cap(np.concatenate([mu.points for mu in measures]), seed=seed).complement()
        if hole.radius < smallest_hole:
            center = np.array2string(hole.center, precision=3, separator=", ", threshold=8)
            raise InputError(
                f"{side}: the supports together cover the sphere: the largest empty cap found has radius {hole.radius:.3g} rad "
                f"round {center}, and {smallest_hole:g} rad are needed; leave out the points of some cap of that radius"
            )
    return tuple(Pair(label, s, t, seed) for label, s, t in merged)


def _check_distinct(pairs: Sequence[tuple[str | int, Empirical, Empirical]], origin: str) -> None:
    seen: dict[bytes, tuple[str | int, bytes]] = {}
    for label, source, target in pairs:
        other, image = seen.setdefault(fingerprint(source), (label, fingerprint(target)))
        if image != fingerprint(target):
            raise InputError(
                f"{origin}: measures {other!r} and {label!r} have the same source but different targets; no map of measures can do that: "
                f"change one of the sources or give both the same target"
            )


def distinct_pairs(task: Sequence[Pair]) -> list[Pair]:
    """One pair for each source: equal sources (they have equal targets) go the same way whatever theta, so one of them is planned for."""
    return list({fingerprint(pair.source): pair for pair in reversed(task)}.values())[::-1]


def fingerprint(mu: Empirical) -> bytes:
    """Equal for two measures without repeated atoms exactly when they are equal (weights to 1e-12), whatever the order of the atoms."""
    order = np.lexsort(mu.points.T)
    return (mu.points[order] + 0.0).tobytes() + np.round(mu.weights[order], 12).tobytes()
