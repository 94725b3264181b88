"""Is this map of measures a Transformer? Four ways to fail, and what is found if it does not."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np

from .._brief import brief
from ..errors import InputError
from ..measures import Empirical
from .ascent import steepest
from .blackbox import MeasureMap, measure_map
from .continuity import moduli_of_f, moduli_of_g, promoted
from .domain import Ball, UnitSphere
from .existence import Course, courses
from .maps import InContextMap
from .recovery import recover, recovered_map
from .support import SupportTest, support_test
from .witness import Modulus, Watched, Witness

_NOISE = 1e-9  # distances of measures below it say little about Lipschitz constants


class Verdict(StrEnum):
    """What a map of measures is."""

    REPRESENTABLE = "representable"
    NOT_SUPPORT_PRESERVING = "not_support_preserving"
    DISCONTINUOUS = "discontinuous"
    NO_REGULAR_PART = "no_regular_part"
    NOT_UNIFORMLY_CONTINUOUS = "not_uniformly_continuous"


_SAYS = {
    Verdict.REPRESENTABLE: "No test found a reason why f should not be mu -> G(mu, .)_# mu with a continuous G. "
    "This is evidence, not a proof.",
    Verdict.NOT_SUPPORT_PRESERVING: "f is no push-forward mu -> G(mu, .)_# mu, with any G: an atom does not go whole to "
    "one place. The witness proves it.",
    Verdict.DISCONTINUOUS: "f is not continuous for weak convergence: measures that cannot be told apart have images that can. "
    "The witness proves that no modulus of continuity is below the one shown.",
    Verdict.NO_REGULAR_PART: "f is continuous and keeps supports as far as was seen, but the place of a light atom has no limit as its "
    "mass vanishes: there is no continuous G. "
    "The witness proves that the place still moves at the masses shown.",
    Verdict.NOT_UNIFORMLY_CONTINUOUS: "f is continuous and keeps supports as far as was seen, and light atoms have limits G(mu, x), but "
    "these jump between measures that come together: there is no continuous G. "
    "The witness proves that G varies so much at the distance shown.",
}  # fmt: skip


@dataclass(frozen=True)
class Classification:
    """The verdict, and what it rests on.

    Attributes:
        verdict: one of five.
        certainty: "evidence" for representable, "proof" for a failure (of the statement that the witness makes, in this arithmetic).
        says: the verdict in words.
        support: the test of supports.
        moduli_f, moduli_g: moduli of continuity of f and of G, where these stages were reached.
        courses: the paths of light atoms, where this stage was reached.
        witness: the measures that show most.
        G: the recovered in-context map, if representable.
        sum_check: largest difference of first and second moments of f(mu) and G(mu, .)_# mu at random mu (NaN if not reached).
        samples: G at some points of random measures, ready for JSON.
        strict: no two atoms ever met.
        lipschitz_f, lipschitz_g: lower bounds of the Lipschitz constants.
        calls: of the function.
    """

    verdict: Verdict
    support: SupportTest
    witness: Witness | None
    calls: int
    moduli_f: list[Modulus] = field(default_factory=list)
    courses: list[Course] = field(default_factory=list)
    moduli_g: list[Modulus] = field(default_factory=list)
    G: InContextMap | None = None
    sum_check: float = float("nan")
    samples: list[dict[str, Any]] = field(default_factory=list)
    __repr__ = brief

    @property
    def certainty(self) -> str:
        """How sure the verdict is."""
        return "evidence" if self.verdict is Verdict.REPRESENTABLE else "proof"

    @property
    def says(self) -> str:
        """The verdict in words."""
        return _SAYS[self.verdict]

    @property
    def strict(self) -> bool:
        """Whether no two atoms were seen to meet."""
        return self.support.strict

    @property
    def lipschitz_f(self) -> float:
        """A lower bound of the Lipschitz constant of f in W_1."""
        return max((m.quotient(_NOISE) for m in self.moduli_f), default=float("nan"))

    @property
    def lipschitz_g(self) -> float:
        """A lower bound of the Lipschitz constant of G in mu."""
        return max((m.quotient(_NOISE) for m in self.moduli_g), default=float("nan"))


def classify(
    f: MeasureMap | InContextMap | Callable[[Any, Any], Any],
    domain: Ball | UnitSphere | None = None,
    *,
    seed: int = 0,
    rounds: int = 2,
    gradients: bool = False,
    progress: Callable[[str], None] = lambda what: None,
) -> Classification:
    r"""Decide, as far as finitely many calls can, whether $f(\mu) = G(\mu, \cdot)_\# \mu$ with a continuous in-context map G.

    By the theorem this holds if and only if f keeps supports and the regular part of its derivative exists and is uniformly
    continuous; the regular part then is G. Stages: supports (``support_test``), continuity of f, limits of light atoms,
    continuity of these limits. The first that fails gives the verdict, and its worst witness is kept.

    Args:
        f: the map, as ``function(points, weights) -> (points, weights)`` or an in-context map.
        domain: where the measures live; the unit ball of R if None.
        seed: of all random measures.
        rounds: random measures of each kind; the number of calls grows in proportion.
        gradients: look for the worst pairs of measures by gradient ascent too (``steepest``); f must be an in-context map in JAX.
        progress: told the stage.

    Raises:
        InputError: rounds < 1; gradients of what is no in-context map; the function returns something else than a measure; or it is
            not defined at some measures and no other failure was found.

    References:
        Furuya, de Hoop, Lassas, arXiv:2509.25611, main characterisation.
    """
    if rounds < 1:
        raise InputError(f"rounds must be at least 1, got {rounds}")
    if gradients and not isinstance(f, InContextMap):
        raise InputError(f"gradients need an InContextMap, which can be traced; f is a {type(f).__name__}: leave gradients=False")
    domain = Ball() if domain is None else domain
    box = measure_map(f) if isinstance(f, InContextMap) else f if isinstance(f, MeasureMap) else MeasureMap(f)
    rng, watched = np.random.default_rng(seed), Watched(box)
    progress("supports")
    support = support_test(watched, domain, seed=seed, rounds=rounds)
    _some_were_defined(support, watched)
    if not support.kept:
        return Classification(Verdict.NOT_SUPPORT_PRESERVING, support, support.witness, box.calls)
    floor = (1e-4 if box(*_one(domain, rng)).tolerance < 1e-8 else 1e-3) * support.size
    progress("continuity of f")
    of_f = moduli_of_f(watched, domain, rng, rounds, floor) + _climbed(f, domain, seed, "f", gradients)
    if (worst := _worst(of_f, floor)) is not None:
        return Classification(Verdict.DISCONTINUOUS, support, worst.witness, box.calls, of_f)
    progress("limits of light atoms")
    paths = courses(watched, domain, rng, rounds, floor)
    if unsettled := [path for path in paths if not path.settles(floor)]:
        last = max(unsettled, key=lambda path: path.witness.numbers["apart"])
        return Classification(Verdict.NO_REGULAR_PART, support, last.witness, box.calls, of_f, paths)
    progress("continuity of G")
    of_g = moduli_of_g(watched, domain, rng, rounds) + _climbed(f, domain, seed, "G", gradients)
    if (worst := _worst(of_g, floor)) is not None:
        heavy = [m for g in of_g if g.plateau(floor) and (m := promoted(watched, g.witness)) is not None]
        if (jump := _worst(heavy, floor)) is not None:
            return Classification(Verdict.DISCONTINUOUS, support, jump.witness, box.calls, [*of_f, jump], paths, of_g)
        return Classification(Verdict.NOT_UNIFORMLY_CONTINUOUS, support, worst.witness, box.calls, of_f, paths, of_g)
    if watched.undefined:
        raise InputError(f"{watched.undefined[0]}; a map of measures must be defined at every measure")
    progress("recovery of G")
    check, samples, shown = _samples(box, domain, rng, rounds)
    G = InContextMap(recovered_map(box), "recovered map")
    return Classification(Verdict.REPRESENTABLE, support, shown, box.calls, of_f, paths, of_g, G, check, samples)


def _climbed(f: Any, domain: Ball | UnitSphere, seed: int, of: str, gradients: bool) -> list[Modulus]:
    return [steepest(f, domain, of=of, seed=seed)] if gradients else []


def _one(domain, rng):
    return domain.sample(rng, 3), np.array([0.2, 0.3, 0.5])


def _some_were_defined(support: SupportTest, f: Watched) -> None:
    if support.tried == 0 or len(f.undefined) > support.tried:
        raise InputError(f"{f.undefined[0]}; a map of measures must be defined at every measure")


def _worst(moduli: Sequence[Modulus], floor: float) -> Modulus | None:
    """The plateau of the largest height."""
    high = [m for m in moduli if m.plateau(floor)]
    return max(high, key=lambda m: m.omega[-1]) if high else None


def _samples(f: MeasureMap, domain, rng, rounds: int) -> tuple[float, list[dict[str, Any]], Witness]:
    """G at random measures, on the support and off it; and how far f(mu) is from G(mu, .)_# mu in first and second moments."""
    worst, rows, shown = 0.0, [], None
    for _ in range(rounds):
        mu = Empirical(domain.sample(rng, 4), np.array([0.13, 0.22, 0.28, 0.37]))
        x = domain.sample(rng, 3)
        off, on = recover(f, mu, x), recover(f, mu, mu.points)
        image = f(mu.points, mu.weights)
        if on.found:
            for power in (1, 2):
                apart = mu.weights @ on.values**power - image.weights @ image.points**power
                worst = max(worst, float(abs(apart).max()))
        rows.append(
            {"points": mu.points.tolist(), "weights": mu.weights.tolist(), "x": x.tolist(), "G": off.values.tolist(),
             "bias": off.bias, "found": off.found and on.found}
        )  # fmt: skip
        says = "a measure, its image, and where new mass at one more point lands"
        numbers = {"sum_check": worst, "bias": off.bias}
        shown = Witness(says, [(mu.points, mu.weights)], [(image.points, image.weights)], x[0], off.values[:1], numbers)
    assert shown is not None
    return worst, rows, shown
