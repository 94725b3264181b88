"""Does the regular part exist: does a light atom go to a limit as its mass vanishes?"""

from dataclasses import dataclass

import numpy as np

from .domain import Ball, UnitSphere
from .recovery import read_tags
from .witness import Watched, Witness

_SHALLOW = (-2.0, -12.0, 80)  # exponents of ten, and how many masses
_DEEP = (-4.0, -100.0, 48)


@dataclass(frozen=True)
class Course:
    """Where a light atom goes as its mass falls.

    Attributes:
        masses: falling (s,).
        places: z of each mass (s, k).
        variation: length of the path of z in the four quarters of log mass.
        turns: how often a coordinate of z turns round, small swings not counted.
        reads_deep: whether the sequence goes to masses far below rounding.
        witness: the measure, the point, and two masses with places far apart.
    """

    masses: np.ndarray
    places: np.ndarray
    variation: np.ndarray
    turns: int
    reads_deep: bool
    witness: Witness

    def settles(self, floor: float) -> bool:
        """Whether z has a limit as far as can be seen: its path does not go on and on. Going back and forth is asked for as well, except
        over a hundred decades: attention with a high beta makes one move, wherever its threshold lies."""
        goes_on = bool((self.variation[1:] > floor).all() and self.variation[3] > 0.3 * self.variation[1])
        return not (goes_on and (self.reads_deep or self.turns >= 4))


def courses(f: Watched, domain: Ball | UnitSphere, rng: np.random.Generator, rounds: int, floor: float) -> list[Course]:
    """Light atoms beside one, two and three heavy ones; the masses are irregular, so that no oscillation hides behind them."""
    found = []
    centre = domain.centre()
    bases = [] if centre is None else [(centre[None], np.ones(1))]
    for n in (1, 2, 3):
        bases += [(domain.sample(rng, n), rng.dirichlet(np.full(n, 3.0))) for _ in range(rounds)]
    for x, a in bases:
        q = domain.sample(rng, 1)
        for start, stop, count in (_SHALLOW, _DEEP):
            exponents = np.linspace(start, stop, count) + rng.uniform(-0.4, 0.4, count) * (start - stop) / count
            course = _course(f, x, a, q, 10.0 ** np.sort(exponents)[::-1], floor, deep=stop < -20)
            if course is not None:
                found.append(course)
    return found


def _course(f: Watched, x, a, q, masses, floor, *, deep: bool) -> Course | None:
    kept, places = [], []
    for eps in masses:
        image = f(np.concatenate([x, q]), np.append(a, eps) / (1 + eps))
        place = None if image is None else read_tags(image, a, np.array([eps]))[0][0]
        if place is not None and np.isfinite(place).all():
            kept.append(eps)
            places.append(place)
    if len(kept) < 0.8 * len(masses):
        return None
    eps, z = np.array(kept), np.array(places)
    quarter = np.minimum((4 * np.arange(len(z) - 1)) // (len(z) - 1), 3)
    variation = np.bincount(quarter, np.linalg.norm(np.diff(z, axis=0), axis=1), 4)
    late = z[len(z) // 2 :]
    low, high = np.unravel_index(np.linalg.norm(late[:, None] - late[None], axis=2).argmax(), (len(late), len(late)))
    at = eps[len(z) // 2 :][[low, high]]
    apart = float(np.linalg.norm(late[low] - late[high]))
    says = f"an atom of mass {at[0]:.3g} goes to {_shown(late[low])}, one of mass {at[1]:.3g} at the same point to {_shown(late[high])}"
    numbers = {"mass_1": float(at[0]), "mass_2": float(at[1]), "apart": apart}
    pair = [(np.concatenate([x, q]), np.append(a, mass) / (1 + mass)) for mass in at]
    images = [image for atoms in pair if (image := f(*atoms)) is not None]
    witness = Witness(says, pair, [(i.points, i.weights) for i in images], q[0], late[[low, high]], numbers)
    return Course(eps, z, variation, _turns(z, floor), deep, witness)


def _turns(z: np.ndarray, floor: float) -> int:
    """How often the coordinates turn round, swings below the floor left out (the largest count of a coordinate)."""
    most = 0
    for values in z.T:
        count, sense, extreme = 0, 0, values[0]
        for value in values:
            if sense >= 0 and value > extreme or sense <= 0 and value < extreme:
                if sense == 0 and abs(value - extreme) > floor:
                    sense = 1 if value > extreme else -1
                if sense != 0:
                    extreme = value
            elif sense != 0 and abs(value - extreme) > floor:
                count, sense, extreme = count + 1, -sense, value
        most = max(most, count)
    return most


def _shown(z: np.ndarray) -> str:
    return np.array2string(z, precision=5)
