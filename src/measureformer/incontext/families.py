"""Measures that come together weakly while mass hides: where a discontinuity of f or of its regular part shows."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from .domain import Ball, UnitSphere
from .witness import Atoms

_PLACES = 10.0 ** -np.array([1, 2, 3, 4, 6, 8, 10, 12])
_PLACES_AT_ORIGIN = np.concatenate([_PLACES, 10.0 ** -np.array([20, 40, 60])])
_MASSES = 10.0 ** -np.array([1, 2, 3, 4, 6, 8, 12, 20, 30, 45, 60])


@dataclass(frozen=True)
class Family:
    """A sequence of groups of measures; within a group all are close, and closer from scale to scale.

    Attributes:
        name: what happens in it.
        scales: falling; a length or a mass.
        group: the measures at a scale.
        grain: the mass of a tag that is small even against the third moments at that scale.
    """

    name: str
    scales: np.ndarray
    group: Callable[[float], list[Atoms]]
    grain: Callable[[float], float]


def families(domain: Ball | UnitSphere, rng: np.random.Generator, rounds: int) -> Iterator[Family]:
    """Collapse of several shapes to a point, splitting of an atom, motion of all atoms, change of masses, and light atoms."""
    centre = domain.centre()
    starts = ([] if centre is None else [centre]) + list(domain.sample(rng, rounds))
    for k, start in enumerate(starts):
        deep = centre is not None and k == 0
        yield _collapse(domain, rng, start, _PLACES_AT_ORIGIN if deep else _PLACES)
    for _ in range(rounds):
        for name, change in (("an atom splits in two", _split), ("all atoms move", _jitter), ("masses change", _reweighted)):
            yield _of_places(name, change(domain, rng))
    for n in (1, 2, 3):
        for _ in range(rounds):
            yield _light(domain, rng, n)


def _of_places(name: str, group) -> Family:
    return Family(name, _PLACES, group, lambda s: 1e-10 * s**4)


def _collapse(domain, rng, start, scales) -> Family:
    """delta_a, pairs of equal and unequal masses round a, three atoms round a."""
    u = rng.normal(size=(2, domain.dimension))
    u[0] /= np.linalg.norm(u[0])
    u[1] /= np.linalg.norm(u[1])

    def group(s):
        def at(*steps):
            return domain.near(start, s * np.array([c[0] * u[0] + c[1] * u[1] for c in steps]))

        return [
            (start[None], np.ones(1)),
            (at((-1, 0), (1, 0)), np.array([0.5, 0.5])),
            (at((-0.5, 0), (1, 0)), np.array([0.75, 0.25])),
            (at((0.4, 0), (-0.9, 0)), np.array([0.85, 0.15])),
            (at((0.8, 0), (-0.3, 0.5), (0.1, -1)), np.array([0.2, 0.3, 0.5])),
        ]

    return Family("measures of several shapes shrink to a point", scales, group, lambda s: 1e-10 * s**4)


def _split(domain, rng):
    x, a = domain.sample(rng, 3), rng.dirichlet(np.full(3, 3.0))
    u = rng.normal(size=domain.dimension)
    u /= np.linalg.norm(u)

    def group(s):
        halves = [(x, a)]
        for share in (0.5, 0.2):
            y = np.concatenate([domain.near(x[:1], -s * (1 - share) * u), domain.near(x[:1], s * share * u), x[1:]])
            halves.append((y, np.concatenate([[a[0] * share, a[0] * (1 - share)], a[1:]])))
        return halves

    return group


def _jitter(domain, rng):
    x, a = domain.sample(rng, 4), rng.dirichlet(np.full(4, 3.0))
    steps = rng.normal(size=(2, *x.shape))

    def group(s):
        return [(x, a), *((domain.near(x, s * step), a) for step in steps)]

    return group


def _reweighted(domain, rng):
    x, a = domain.sample(rng, 4), rng.dirichlet(np.full(4, 3.0))
    steps = rng.normal(size=(2, 4))

    def group(s):
        return [(x, a), *((x, (b := a * np.exp(s * step)) / b.sum()) for step in steps)]

    return group


def _light(domain, rng, n) -> Family:
    """mu, and mu with one or two atoms of vanishing mass."""
    x, a = domain.sample(rng, n), rng.dirichlet(np.full(n, 3.0))
    q = np.concatenate([domain.sample(rng, 1), domain.rim(rng, 1)])

    def group(s):
        return [
            (x, a),
            (np.concatenate([x, q[:1]]), np.append(a * (1 - s), s)),
            (np.concatenate([x, q[1:]]), np.append(a * (1 - s), s)),
            (np.concatenate([x, q]), np.append(a * (1 - s), [0.3 * s, 0.7 * s])),
        ]

    return Family(f"light atoms are added to {n}", _MASSES, group, lambda s: 1e-20 * s)
