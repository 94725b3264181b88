"""What a test keeps: the measures that show most, what became of them, and how the numbers went with the scale."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .._brief import brief
from .blackbox import Image, MeasureMap, Undefined

Atoms = tuple[np.ndarray, np.ndarray]  # points (n, d) and weights (n,)


@dataclass(frozen=True)
class Witness:
    """One or two measures with their images, and perhaps a point whose image is in question.

    Attributes:
        says: a sentence.
        measures, images: (points, weights) each.
        query: the point, or None.
        answers: where it went, one row for each measure.
        numbers: what was measured, by name.
    """

    says: str
    measures: list[Atoms]
    images: list[Atoms]
    query: np.ndarray | None = None
    answers: np.ndarray | None = None
    numbers: dict[str, float] = field(default_factory=dict)
    __repr__ = brief

    def described(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {
            "says": self.says,
            "measures": [_listed(m) for m in self.measures],
            "images": [_listed(m) for m in self.images],
            "query": None if self.query is None else self.query.tolist(),
            "answers": None if self.answers is None else self.answers.tolist(),
            "numbers": self.numbers,
        }


@dataclass(frozen=True)
class Modulus:
    """How much f, or G, varies among measures that are close.

    Attributes:
        family: which measures.
        delta: the largest W_1 among the measures (and distance of points), for each scale, falling (s,).
        omega: the largest distance of what becomes of them, for each scale or a smaller one (s,).
        witness: at the smallest scale.
    """

    family: str
    delta: np.ndarray
    omega: np.ndarray
    witness: Witness
    __repr__ = brief

    @property
    def slope(self) -> float:
        """Of log omega over log delta between the middle scale and the last: 1 for a Lipschitz map, 0 on a plateau, inf if omega is 0."""
        middle = len(self.delta) // 2
        if self.delta[middle] == self.delta[-1] or self.delta[-1] == 0:
            return 0.0 if self.omega[-1] > 0 else float("inf")
        if self.omega[-1] == 0 or self.omega[middle] == 0:
            return float("inf")
        return float(np.log(self.omega[middle] / self.omega[-1]) / np.log(self.delta[middle] / self.delta[-1]))

    def plateau(self, floor: float) -> bool:
        """Whether omega stays: at the last scale above the floor and above 0.7 of its value at the middle scale."""
        return bool(self.omega[-1] > floor and self.omega[-1] >= 0.7 * self.omega[len(self.omega) // 2])

    def quotient(self, least: float) -> float:
        """max omega/delta over scales with delta above the least: a lower bound of the Lipschitz constant."""
        use = self.delta > least
        return float((self.omega[use] / self.delta[use]).max()) if use.any() else 0.0


class Watched:
    """f with a memory of where it was not defined; there it returns None."""

    def __init__(self, f: MeasureMap):
        self.f = f
        self.undefined: list[str] = []

    def __call__(self, points: np.ndarray, weights: np.ndarray) -> Image | None:
        try:
            return self.f(points, weights / weights.sum())
        except Undefined as error:
            self.undefined.append(str(error))
            return None


def _listed(atoms: Atoms) -> dict[str, list]:
    return {"points": np.asarray(atoms[0]).tolist(), "weights": np.asarray(atoms[1]).tolist()}
