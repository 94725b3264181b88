"""Does f keep supports: does every atom go whole to one place?"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .._brief import brief
from .blackbox import Image
from .defect import decoded, support_defect
from .domain import Ball, UnitSphere
from .masses import digits, doubling_masses
from .recovery import read_tags
from .witness import Watched, Witness

_SHOWN = 3  # failures whose defects are computed


@dataclass(frozen=True)
class SupportTest:
    """Outcome.

    Attributes:
        kept: whether all images were push-forwards.
        strict: whether no two atoms ever met.
        separation: the least |y_i - y_j| / |x_i - x_j| seen of atoms that did not meet: near 0 they almost do.
        tried: number of measures.
        witness: the failure with the largest defect, or a meeting, or None.
        defect: the largest W_2 distance of an image from the push-forwards of its measure (0 if kept).
        size: extent of all images together.
    """

    kept: bool
    strict: bool
    separation: float
    tried: int
    witness: Witness | None
    defect: float
    size: float
    __repr__ = brief


def support_test(f: Watched, domain: Ball | UnitSphere, *, seed: int = 0, rounds: int = 2) -> SupportTest:
    r"""Looks for a measure whose image is no push-forward of it.

    The masses $2^{i-1}/(2^n - 1)$ tell all subsets apart: each mass of the image, times 2^n - 1, must be a whole number, and the binary
    digits of these numbers must share out 1..n. Besides: point masses (the image must be one), random masses, and grains of mass 1e-6 and
    1e-9, which must be found again.

    Args:
        f: the map.
        domain: where the measures live.
        seed: of the random ones.
        rounds: how many of each kind.
    """
    rng = np.random.default_rng(seed)
    failures: list[tuple[np.ndarray, np.ndarray, Image]] = []
    meeting, tried, places, separation = None, 0, [], float("inf")
    for kind, x, a in _measures(domain, rng, rounds):
        image = f(x, a)
        if image is None:
            continue
        tried += 1
        places.append(image.points)
        groups = spectrum(image, len(a)) if kind == "doubling" else _subsets(image, a)
        if kind == "grain" and groups is not None:
            groups = groups if np.isfinite(read_tags(image, a[:-1] / a[:-1].sum(), a[-1:] / a[:-1].sum())[0]).all() else None
        if groups is None:
            failures.append((x, a, image))
            continue
        separation = min(separation, _separation(x, image, groups))
        if len(image.weights) < len(a) and meeting is None:
            met = np.flatnonzero(np.bincount(groups) > 1)[0]
            says = f"atoms {np.flatnonzero(groups == met).tolist()} meet: f keeps supports, but not their number of points"
            meeting = Witness(says, [(x, a)], [(image.points, image.weights)])
    size = float(np.linalg.norm(np.ptp(np.concatenate(places), axis=0))) if places and len({p.shape[1] for p in places}) == 1 else 0.0
    if failures:
        # single atoms first: there the defect is exact
        few = [failure for failure in failures if len(failure[1]) == 1] or failures[:_SHOWN]
        worst = max((_failure(*failure) for failure in few), key=lambda failure: failure[0])
        return SupportTest(False, False, separation, tried, worst[1], worst[0], size)
    return SupportTest(True, meeting is None, separation, tried, meeting, 0.0, size or 1.0)


def spectrum(image: Image, n: int) -> np.ndarray | None:
    """Which atom of the image each of n atoms with ``doubling_masses`` went to, or None if the masses do not say."""
    quanta = image.weights * (2**n - 1)
    codes = np.rint(quanta).astype(int)
    if (abs(quanta - codes) > np.maximum(image.tolerance * quanta, 1e-9 * 2**n)).any() or (codes < 1).any():
        return None
    groups, used = np.full(n, -1), 0
    for k, code in enumerate(codes):
        if code & used or code >= 2**n:
            return None
        used |= int(code)
        groups[digits(int(code), n)] = k
    return groups if (groups >= 0).all() else None


def _separation(x: np.ndarray, image: Image, groups: np.ndarray) -> float:
    """The least |y_i - y_j| / |x_i - x_j| over atoms with different images; infinite if there are none."""
    i, j = np.triu_indices(len(x), 1)
    apart = groups[i] != groups[j]
    i, j = i[apart], j[apart]
    ratios = np.linalg.norm(image.points[groups[i]] - image.points[groups[j]], axis=1) / np.linalg.norm(x[i] - x[j], axis=1)
    return float(ratios.min(initial=np.inf))


def _subsets(image: Image, a: np.ndarray) -> np.ndarray | None:
    return decoded(a / a.sum(), image.weights, tolerance=max(image.tolerance, 1e-12) if image.tolerance > 1e-8 else 1e-11)


def _failure(x: np.ndarray, a: np.ndarray, image: Image) -> tuple[float, Witness]:
    a = a / a.sum()
    few = len(image.weights) <= 64
    y, b = (image.points, image.weights) if few else _thinned(image)
    found = support_defect(a, y, b, p=2, starts=8)
    if len(a) == 1:
        says = f"a single atom is spread out, with standard deviation {found.value:.6g}; a push-forward keeps it whole"
    else:
        says = (
            f"the masses of the image are no sums of the masses {np.array2string(a, precision=4)}; whole atoms, placed at best, "
            f"stay about {found.value:.4g} away in W_2"
        )
    witness = Witness(says, [(x, a)], [(image.points, image.weights)], numbers={"defect_w2": found.value, "atoms_of_image": float(len(b))})
    return found.value, witness


def _thinned(image: Image) -> tuple[np.ndarray, np.ndarray]:
    """At most 64 groups of neighbouring atoms, each at its mean, along the widest direction."""
    spread = image.points - image.weights @ image.points
    order = np.argsort(spread @ np.linalg.svd(spread, full_matrices=False)[2][0])
    groups = np.array_split(order, 64)
    b = np.array([image.weights[g].sum() for g in groups])
    return np.stack([image.weights[g] @ image.points[g] / image.weights[g].sum() for g in groups]), b


def _measures(domain, rng: np.random.Generator, rounds: int) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    centre = domain.centre()
    if centre is not None:
        yield "doubling", centre[None], np.ones(1)
    for _ in range(rounds):
        yield "doubling", domain.sample(rng, 1), np.ones(1)
    for n in (2, 3, 5, 8):
        for _ in range(rounds):
            yield "doubling", domain.sample(rng, n), doubling_masses(n)
    for scale in (1e-2, 1e-5):
        x = domain.near(domain.sample(rng, 1), scale * rng.normal(size=(5, domain.dimension)))
        yield "doubling", x, doubling_masses(5)
    for _ in range(rounds):
        a = rng.dirichlet(np.ones(5))
        yield "random", domain.sample(rng, 5), a
    for grain in (1e-6, 1e-9):
        yield "grain", domain.sample(rng, 4), np.append((1 - grain) * np.array([0.2, 0.31, 0.49]), grain)
