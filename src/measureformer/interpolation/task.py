"""The task: N pairs of measures, checked, and for each source atom the place where it should arrive."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .._brief import brief
from ..errors import InputError
from ..geometry import Cap, distance, enclosing_cap
from ..measures import Empirical
from ..transport import Placement, best_placement
from .give_up import SOURCE_SHARE, TARGET_SHARE, cheapest_cap, source_price, target_price, to_rim

# Supports whose largest empty cap is smaller than this (radians) count as covering the sphere.
SMALLEST_HOLE = 0.1
# pi sqrt(eta) for a quarter of the mass: more is never given up, however large eps.
MOST_GIVEN_UP = np.pi / 2


@dataclass(frozen=True)
class Pair:
    """One source measure and its target (equal atoms merged in both), and where the source atoms should go.

    Attributes:
        label, source, target: as given.
        hole: a cap whose source atoms are given up, the same for all pairs; None if none are.
        rim: a cap that no place may lie in, the same for all pairs; None if there is none.
        seed: of the search for the best map where it is not known exactly.
    """

    label: str | int
    source: Empirical
    target: Empirical
    hole: Cap | None = None
    rim: Cap | None = None
    seed: int = 0
    __repr__ = brief

    @cached_property
    def _best(self) -> Placement:
        return best_placement(self.source, self.target, seed=self.seed)

    @property
    def placement(self) -> Placement:
        """``placement.positions`` has a row for each source atom: the best map from source to sphere for W_2 to the target, moved out of
        the cap ``rim``. A flow moves atoms and never splits them: with as many target atoms as source atoms of equal weight the best map
        is a bijection (cost 0)."""
        return self._best if self.rim is None else replace(self._best, positions=to_rim(self._best.positions, self.rim))

    @property
    def attainable(self) -> Placement:
        """How close whole atoms can come: the best map, or a quick search for one if the plan was made without it."""
        return self.__dict__.get("_best") or best_placement(self.source, self.target, seed=self.seed, quick=True)

    @property
    def kept(self) -> np.ndarray:
        """Which source atoms are planned for, shape (n,): all but those in the hole."""
        if self.hole is None:
            return np.ones(self.source.size, bool)
        return np.asarray(distance(self.source.points, self.hole.center) >= self.hole.radius)

    @property
    def within_reach(self) -> Empirical:
        """The target, its atoms in the cap ``rim`` moved to the rim."""
        return self.target if self.rim is None else self.target.moved(to_rim(self.target.points, self.rim))

    def price(self, *, placed: bool = True) -> float:
        """The part of W_2 that is spent on clearing caps (``give_up``) of source atoms and of places, radians; with ``placed`` false, of
        source atoms and of target atoms."""
        paid = 0.0 if self.hole is None else source_price(self.source, self.hole)
        if self.rim is not None:
            paid += target_price(self.source.moved(self._best.positions) if placed else self.target, self.rim)
        return paid


def make_task(
    pairs: Sequence[tuple[str | int, Empirical, Empirical]],
    *,
    eps: float = 0.0,
    seed: int = 0,
    smallest_hole: float = SMALLEST_HOLE,
    origins: tuple[str, str] = ("sources", "targets"),
) -> tuple[Pair, ...]:
    """Check that one Transformer can solve the task. Where the supports of a side fill the sphere, a cap is cleared that is cheap enough
    for eps (``give_up``).

    Args:
        pairs: (label, source, target); all on the same sphere S^{d-1}, d >= 2.
        eps: the W_2 allowed in the end; three quarters of it at most are spent on clearing caps. 0: nothing is given up.
        seed: of the search for the best map where it is not known exactly.
        origins: where sources and targets come from (file names), for messages.
        smallest_hole: the least radius in radians of an empty cap on each side (hypothesis of arXiv:2411.04551, Thm 1.2).

    Raises:
        InputError: no pair; d < 2; different dimensions; two equal sources with different targets; supports that cover the sphere.
    """
    if not pairs:
        raise InputError("there is no pair of measures: give at least one source and one target")
    dimensions = {mu.dimension for _, *measures in pairs for mu in measures}
    if len(dimensions) > 1:
        raise InputError(f"measures of different dimensions {sorted(dimensions)}; all must live on the same sphere")
    if dimensions == {1}:
        raise InputError(f"{origins[0]}: points have dimension d = 1; interpolation needs d >= 2 (a sphere of two points has no paths)")
    merged = [(label, source.merged()[0], target.merged()[0]) for label, source, target in pairs]
    _check_distinct(merged, origins[0])
    labels, sources, targets = zip(*merged, strict=True)
    if dimensions == {2}:  # finitely many points leave gaps, and a gap is enough on a circle
        return tuple(Pair(label, s, t, seed=seed) for label, s, t in merged)
    allowed = min(SOURCE_SHARE * eps, MOST_GIVEN_UP), TARGET_SHARE * eps
    hole = _free_cap(labels, sources, smallest_hole, source_price, allowed[0], eps, seed, origins[0])
    rim = _free_cap(labels, targets, smallest_hole, target_price, allowed[1], eps, seed, origins[1])
    return tuple(Pair(label, s, t, hole, rim, seed) for label, s, t in merged)


def left_of(eps: float, pairs: Sequence[Pair], *, placed: bool = True) -> float:
    """What clearing caps leaves of eps.

    Raises:
        InputError: too little; places between target atoms may weigh more in the cap than these do.
    """
    prices = [pair.price(placed=placed) for pair in pairs]
    worst = int(np.argmax(prices))
    if prices[worst] > (SOURCE_SHARE + TARGET_SHARE) * eps:
        raise InputError(
            f"the targets together cover the sphere: to move the places of measure {pairs[worst].label!r} out of a cap costs "
            f"W_2 = {prices[worst]:.2g} rad: raise eps from {eps:g} to {_rounded_up(prices[worst] / (SOURCE_SHARE + TARGET_SHARE))}"
        )
    return eps - prices[worst]


def _free_cap(
    labels: Sequence[str | int], measures: Sequence[Empirical], radius: float, price, allowed: float, eps: float, seed: int, side: str
) -> Cap | None:
    """None if the supports miss a cap of that radius; otherwise a cap whose price is allowed in every measure."""
    empty = enclosing_cap(np.concatenate([mu.points for mu in measures]), seed=seed).complement()
    if empty.radius >= radius:
        return None
    cap = cheapest_cap(measures, radius, price, seed=seed)
    prices = [price(mu, cap) for mu in measures]
    worst = int(np.argmax(prices))
    if prices[worst] <= allowed:
        return cap
    center = np.array2string(empty.center, precision=3, separator=", ", threshold=8)
    mass = measures[worst].weights @ (distance(measures[worst].points, cap.center) < radius)
    share = SOURCE_SHARE if price is source_price else TARGET_SHARE
    raise InputError(
        f"{side}: the supports together cover the sphere: the largest empty cap found has radius {empty.radius:.3g} rad "
        f"round {center}, and {radius:g} rad are needed. The lightest cap found of that radius holds a fraction {mass:.2g} of "
        f"measure {labels[worst]!r}; to clear it costs W_2 = {prices[worst]:.2g} rad: leave out the points of some cap of that radius, or "
        f"raise eps from {eps:g} to {_rounded_up(prices[worst] / share)}"
    )


def refuse_unfit(task: Sequence[Pair]) -> None:
    """For strategy "paper".

    Raises:
        InputError: d = 2, which the theorem excludes; or a cap had to be cleared, and the strategy gives nothing up.
    """
    if task[0].source.dimension == 2:
        raise InputError("d = 2: the theorem needs d >= 3; strategies 'auto' and 'compact' try the circle")
    if any(pair.rim is not None or pair.hole is not None for pair in task):
        raise InputError(
            f"strategy 'paper' needs supports that miss a cap of {SMALLEST_HOLE:g} rad, and these cover the sphere: use strategy 'compact'"
        )


def clearing_notes(task: Sequence[Pair], *, placed: bool = True) -> tuple[str, ...]:
    """How much mass is given up, for the certificate; nothing where no cap had to be cleared. ``placed`` as for ``Pair.price``."""
    notes = []
    for pair in task:
        given = ~pair.kept
        if given.any():
            notes.append(
                f"measure {pair.label!r}: the sources cover the sphere; the {given.sum()} atoms in a small cap, a fraction "
                f"{pair.source.weights[given].sum():.2g} of the mass, are given up"
            )
        if (price := pair.price(placed=placed)) > 0:
            notes.append(f"measure {pair.label!r}: clearing caps of atoms and of places costs at most {price:.2g} rad of W_2")
    return tuple(notes)


def _rounded_up(value: float) -> str:
    """Two digits, rounded up."""
    unit = 10.0 ** (np.floor(np.log10(value)) - 1)
    return f"{np.ceil(value / unit) * unit:.2g}"


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
