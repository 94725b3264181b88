"""G from a black box: a grain of mass is added at x, and where it lands is G(mu, x)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from .._brief import brief
from ..errors import InputError
from ..measures import Empirical
from .blackbox import Image, MeasureMap
from .masses import subset_sums

# Old atoms up to which all 2^n sums of their masses are listed, to find a grain that landed on an old atom.
MOST_LISTED = 16


@dataclass(frozen=True)
class Recovery:
    """What was recovered of G at one measure.

    Attributes:
        values: G(mu, x_j), shape (q, k); NaN where the grain was not found.
        joined: for each x whether its grain shares the place of its image with other mass (q,).
        bias: the largest distance between the values for the mass eps and for eps/2: the error is of this order (NaN if not asked for).
        eps: mass of the smallest grain; smaller than asked for if an old atom is as light as that.
        halved: the values for the mass eps/2 (None if not asked for).
    """

    values: np.ndarray
    joined: np.ndarray
    bias: float
    eps: float
    halved: np.ndarray | None = None

    __repr__ = brief

    @property
    def found(self) -> bool:
        """Whether all grains were found: support-preserving maps lose none."""
        return bool(np.isfinite(self.values).all())

    @property
    def extrapolated(self) -> np.ndarray:
        """2 z(eps/2) - z(eps): of second order in eps, for black boxes that see no tiny masses.

        Raises:
            InputError: it was recovered with ``halve=False``.
        """
        if self.halved is None:
            raise InputError("there are no values for eps/2 to extrapolate from; recover with halve=True")
        return 2 * self.halved - self.values


def recover(f: MeasureMap, mu: Empirical, x: Float[np.ndarray, "q d"], *, eps: float = 1e-10, halve: bool = True) -> Recovery:
    r"""The regular part of the derivative of f, that is, G with $f = G(\mu, \cdot)_\# \mu$, by tagging masses:

    $$ \mu_\varepsilon = \frac{\mu + \sum_j \varepsilon_j \delta_{x_j}}{1 + \sum_j \varepsilon_j},
       \qquad \varepsilon_j = 2^j \varepsilon, $$
    and G(mu, x_j) is the limit of the place in f(mu_eps) whose mass carries the tag eps_j. Nothing is subtracted, so eps may be tiny; the
    error is about the modulus of continuity of G at sum_j eps_j times the diameter. A grain that lands on an old atom is found by the
    subset of old masses that it comes with (up to 16 old atoms).

    Args:
        f: the black box.
        mu: atoms and masses.
        x: where G is wanted; atoms of mu, or any other points. All of them at once: 2^q eps should stay small.
        eps: mass of the first grain.
        halve: look again with eps/2, to know the bias.

    Raises:
        InputError: eps is not in (0, 1e-2], or 2^q eps exceeds 1e-2.

    References:
        Furuya, de Hoop, Lassas, arXiv:2509.25611, regular part of the derivative.
    """
    if not (0 < eps <= 1e-2 and eps * 2.0 ** len(x) <= 2e-2):
        raise InputError(f"eps = {eps:g} for {len(x)} points: it must be in (0, 1e-2] and 2^q eps at most 2e-2; take a smaller eps")
    eps = _clear(np.asarray(mu.weights, float), eps, len(x))
    values, joined = _tagged(f, mu, x, eps)
    if not halve:
        return Recovery(values, joined, float("nan"), eps)
    halved, _ = _tagged(f, mu, x, eps / 2)
    return Recovery(values, joined, float(np.linalg.norm(values - halved, axis=1).max()), eps, halved)


def recovered_map(f: MeasureMap, *, eps: float = 1e-10) -> Callable[[Empirical, Any], np.ndarray]:
    """(mu, x) -> G(mu, x) for a black box, to be wrapped as ``InContextMap(recovered_map(f))``; one call of f for each point.

    Raises:
        InputError: (when called) a grain is not found: f does not keep supports there.
    """

    def at(mu: Empirical, x: Any) -> np.ndarray:
        mu, x = Empirical(np.asarray(mu.points), np.asarray(mu.weights)), np.asarray(x)
        grain = _clear(mu.weights, eps, 1)
        values = np.concatenate([_tagged(f, mu, row[None], grain)[0] for row in x])
        if not np.isfinite(values).all():
            raise InputError(
                f"the mass put at {x[int(np.argmin(np.isfinite(values).all(axis=1)))]} is not found again: the map splits or loses it"
            )
        return values

    return at


def _clear(a: Float[np.ndarray, " n"], eps: float, count: int) -> float:
    """eps, or less if an old atom could be taken for a grain eps, 2 eps, ... or half of one."""
    while ((a > eps / 8) & (a < 4 * eps * 2.0**count)).any():
        eps /= 64 * 2.0**count
    return eps


def _tagged(f: MeasureMap, mu: Empirical, x: np.ndarray, eps: float) -> tuple[np.ndarray, np.ndarray]:
    tags = eps * 2.0 ** np.arange(len(x))
    a = np.asarray(mu.weights, float)
    image = f(np.concatenate([np.asarray(mu.points, float), x]), np.concatenate([a, tags]) / (1 + tags.sum()))
    return read_tags(image, a, tags)


def read_tags(image: Image, a: Float[np.ndarray, " n"], tags: Float[np.ndarray, " q"]) -> tuple[np.ndarray, np.ndarray]:
    """Where grains of masses tags/(1 + sum) went, given the old masses a: places (q, k), NaN if not found, and whether each is shared.

    First the atoms that are lighter than every old one: their mass must be a sum of tags. Then, for tags that are missing, the others:
    their mass minus the nearest sum of old masses must be a sum of missing tags.
    """
    if len(image.points) == 1:  # all mass is there
        return np.repeat(image.points, len(tags), axis=0), np.ones(len(tags), bool)
    total = 1 + tags.sum()
    b = image.weights * total
    places, joined = np.full((len(tags), image.points.shape[1]), np.nan), np.zeros(len(tags), bool)
    unit, top = tags[0], 2 ** len(tags)

    def assign(mass: float, place: np.ndarray, shared: bool, slack: float) -> bool:
        code = round(mass / unit)
        if not (0 < code < top and abs(mass - code * unit) <= slack):
            return False
        hit = [j for j in range(len(tags)) if code >> j & 1]
        places[hit], joined[hit] = place, shared or len(hit) > 1
        return True

    rest = []
    for k in np.argsort(b):
        light = b[k] <= 1.5 * tags.sum() and b[k] < 0.5 * a.min()
        if not (light and assign(float(b[k]), image.points[k], False, max(10 * image.tolerance * float(b[k]), 1e-3 * unit))):
            rest.append(k)
    missing = np.isnan(places).any(axis=1)
    noise = 2e-16 * len(a) + 0.1 * image.tolerance * 1e-6  # of a sum of masses of order one
    if missing.any() and len(a) <= MOST_LISTED and noise < unit / 4:
        sums = subset_sums(a)[0]
        for k in rest:
            below = sums[np.searchsorted(sums, b[k] - 0.5 * unit, "right") - 1] if b[k] > 0.5 * unit else 0.0
            assign(float(b[k] - below), image.points[k], True, unit / 4)
    return places, joined


def recover_by_copies(
    tokens: Callable[[np.ndarray], np.ndarray], X: Float[np.ndarray, "n d"], x: Float[np.ndarray, " d"], *, copies: int = 16
) -> Float[np.ndarray, " k"]:
    """G at the uniform measure on the rows of X, from a model on lists of tokens: the output at x behind ``copies`` repeats of X.

    x then has the mass 1/(k n + 1), so the bias is of order 1/k; two values, for k and 2k, are extrapolated to order 1/k^2.

    Raises:
        InputError: copies < 1.
    """
    if copies < 1:
        raise InputError(f"copies must be at least 1, got {copies}")
    once, twice = (np.asarray(tokens(np.concatenate([np.tile(X, (k, 1)), x[None]])))[-1] for k in (copies, 2 * copies))
    masses = 1 / (copies * len(X) + 1), 1 / (2 * copies * len(X) + 1)
    return (masses[0] * twice - masses[1] * once) / (masses[0] - masses[1])


def recover_weakly(
    integrate: Callable[[Empirical, Callable], Any],
    mu: Empirical,
    x: Float[np.ndarray, " d"],
    old: Float[np.ndarray, "m k"],
    *,
    eps: float = 1e-5,
    radius: float | None = None,
) -> Float[np.ndarray, " k"]:
    r"""G(mu, x) from integrals alone:

    $$ G_k \approx [(1+\varepsilon) \langle f(\mu_\varepsilon), y_k^{(r)} \rangle - \langle f(\mu), y_k^{(r)} \rangle] / \varepsilon, $$
    where the coordinate y_k is frozen near the old atoms, so that their own motion (of order eps, like the new mass) is not seen.

    Args:
        integrate: (mu, psi) -> <f(mu), psi>; psi takes places (m, k) and returns (m, k), to be integrated column by column.
        mu: the measure, and x the point where mass is added.
        old: the atoms of f(mu).
        eps: mass; errors are of order eps and (error of the integrals)/eps.
        radius: r; within r/2 of an old atom functions are frozen, beyond r they are left alone. By default 0.4 of the least gap.

    Raises:
        InputError: eps or radius is not positive, or G(mu, x) lies within the radius of an old atom, where this method sees nothing.
    """
    if radius is None:
        gaps = np.linalg.norm(old[:, None] - old[None], axis=2) + np.where(np.eye(len(old)) > 0, np.inf, 0)
        radius = 0.4 * float(gaps.min()) if len(old) > 1 else 0.1
    if not (eps > 0 and radius > 0):
        raise InputError(f"eps = {eps} and radius = {radius} must be positive; give a radius below half the least gap of the old atoms")

    def frozen(y):
        gap = np.linalg.norm(y[:, None] - old[None], axis=2)
        near = gap.argmin(axis=1)
        s = np.clip(2 * gap[np.arange(len(y)), near] / radius - 1, 0, 1)[:, None]
        s = s * s * (3 - 2 * s)
        return s * y + (1 - s) * old[near]

    heavier = Empirical(np.concatenate([mu.points, x[None]]), np.append(mu.weights, eps))
    value = ((1 + eps) * np.asarray(integrate(heavier, frozen)) - np.asarray(integrate(mu, frozen))) / eps
    nearest = float(np.linalg.norm(old - value, axis=1).min())
    if nearest < radius:
        raise InputError(
            f"G(mu, x) seems to be {nearest:.3g} from an old atom, within radius = {radius:.3g}; use recover, or a smaller radius"
        )
    return value
