"""Into one hemisphere: boosts that carry the cap of the sources and the cap of the targets onto the same cap."""

from dataclasses import dataclass

import numpy as np

from ..fields import TransformerField
from ..flows import boost, boost_between_caps
from ..geometry import Cap, distance, enclosing_cap, exp, log, normalize, tangent
from ..schedule import Segment

# The standard cap: its gnomonic image is the ball of radius tan(60 deg) = 1.73, about as wide as the chart can be without squeezing the
# rim.
RADIUS = np.pi / 3
# Caps smaller than this are not blown up to the standard one: it would magnify errors of the data.
_SMALLEST = 0.2
# Caps are moved at this radius, by at most so much at a time.
_SMALL, _FARTHEST = 0.15, 1.8
_DETOURS = (np.pi / 6, np.pi / 9)
# Points this close to the pole need no boost: the chart holds them in a ball of radius tan(70 deg) = 2.7. Points this close to the
# antipode of a pole rule it out.
_CLOSE, _OPPOSITE = np.deg2rad(70), 0.15
_POLES = 4096


@dataclass(frozen=True)
class Route:
    """A pole, boosts that bring the sources into the standard cap round it, and boosts that carry that cap to the targets.

    Attributes:
        pole: centre of the standard cap, of radius ``RADIUS``.
        inward: rapidity vectors w, to be applied to the sources one after the other.
        outward: likewise, from the standard cap to the targets.
    """

    pole: np.ndarray
    inward: list[np.ndarray]
    outward: list[np.ndarray]

    def enter(self, x: np.ndarray) -> np.ndarray:
        """Source points after the inward boosts."""
        for w in self.inward:
            x = boost(x, w)
        return x

    def leave_inverse(self, y: np.ndarray) -> np.ndarray:
        """Where target points must be before the outward boosts."""
        for w in reversed(self.outward):
            y = boost(y, -w)
        return y


def route(sources: np.ndarray, targets: np.ndarray, *, seed: int = 0) -> Route:
    """The route of least total rapidity: poles on the arc between the two enclosing caps, one boost on a side, or two where one cannot do
    it.

    Args:
        sources: points, shape (n, d), that together miss some cap.
        targets: likewise, shape (m, d).
        seed: see ``enclosing_cap``.
    """
    return route_between(enclosing_cap(sources, seed=seed), enclosing_cap(targets, seed=seed))


def route_between(start: Cap, goal: Cap) -> Route:
    """The route from a cap that holds the sources to one that holds the targets; see ``route``."""
    arc = log(start.center, goal.center)
    if np.linalg.norm(arc) < 1e-9 and start.center @ goal.center < 0:  # antipodes: any great circle will do
        arc = np.pi * _across(start.center)
    best, least = None, np.inf
    for s in np.linspace(0, 1, 65):
        pole = exp(start.center, s * arc)
        inward, outward = _boosts(start, pole), _boosts(goal, pole)
        if inward is None or outward is None:
            continue
        rapidity = sum(float(np.linalg.norm(w)) for w in inward + outward) + 0.25 * (len(inward) + len(outward))
        if rapidity < least:
            best, least = Route(pole, inward, [-w for w in reversed(outward)]), rapidity
    assert best is not None  # two boosts reach any pole, see _boosts
    return best


def concentric_route(sources: np.ndarray, targets: np.ndarray, *, seed: int = 0) -> Route:
    """The pole is the centre of the sources' cap: one boost along it, or none, and from there to the targets by shrinking the cap round its
    centre, moving it, once or twice, and letting it grow round the new centre.

    A boost that moves a large cap stretches one side of it and squeezes the other; one that moves a small cap is nearly a similarity, and
    concentric ones keep everything in proportion, as is best for what is sampled from a density.

    Args:
        sources, targets, seed: as for ``route``.
    """
    start, goal = enclosing_cap(sources, seed=seed), enclosing_cap(targets, seed=seed)
    pole = start.center
    arc = log(pole, goal.center)
    if np.linalg.norm(arc) < 1e-9 and pole @ goal.center < 0:
        arc = np.pi * _across(pole)
    hops = int(np.ceil(np.linalg.norm(arc) / _FARTHEST))
    way = [(pole, RADIUS), *((exp(pole, k / max(hops, 1) * arc), _SMALL) for k in range(hops + 1 if hops else 0))]
    way += [(exp(pole, arc), max(goal.radius, _SMALLEST))]
    outward = [w for a, b in zip(way, way[1:], strict=False) if (w := boost_between_caps(*a, *b)) is not None]
    assert len(outward) == len(way) - 1  # small caps that are not too far apart, or concentric ones
    inward = np.log(np.tan(max(start.radius, _SMALLEST) / 2) / np.tan(RADIUS / 2)) * pole
    return Route(pole, [] if np.linalg.norm(inward) < 1e-9 else [inward], [w for w in outward if np.linalg.norm(w) > 1e-9])


def _across(x: np.ndarray) -> np.ndarray:
    """Some unit tangent vector at x."""
    across = tangent(x, np.eye(x.size)[np.argmin(np.abs(x))])
    return across / np.linalg.norm(across)


def straight_route(sources: np.ndarray, targets: np.ndarray, *, seed: int = 0) -> Route:
    """The route of fewest boosts: straight to the pole and straight from it, at most one on a side; ``route`` if there is none.

    A boost along the pole brings any points that stay away from its antipode into the standard cap: tan(angle/2) shrinks by
    exp(-rapidity). Poles are sought all over the sphere, on arcs between atoms of the two sides, and at the centres of their caps; of those
    that need as few boosts the one of least rapidity is taken.

    Args:
        sources: points, shape (n, d).
        targets: points, shape (m, d).
        seed: of the poles that are compared.
    """
    rng = np.random.default_rng(seed)
    pairs = rng.integers(len(sources), size=_POLES // 2), rng.integers(len(targets), size=_POLES // 2)
    between = exp(sources[pairs[0]], rng.uniform(size=(_POLES // 2, 1)) * log(sources[pairs[0]], targets[pairs[1]]))
    centers = [enclosing_cap(x, seed=seed).center for x in (sources, targets, np.concatenate([sources, targets]))]
    poles = np.concatenate([normalize(rng.normal(size=(_POLES // 2, sources.shape[1]))), normalize(between), centers])
    rapidities = np.stack([_straight(poles, sources), _straight(poles, targets)])
    cost = (rapidities + 3.0 * (rapidities > 0)).sum(axis=0)
    best = int(cost.argmin())
    if not np.isfinite(cost[best]):
        return route(sources, targets, seed=seed)
    pole, (inward, outward) = poles[best], rapidities[:, best]
    return Route(pole, [inward * pole] if inward else [], [-outward * pole] if outward else [])


def _straight(poles: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The rapidity along each pole that brings all points near it; 0 where they are near, infinite where one is near the antipode."""
    farthest = np.concatenate([(poles[i : i + 64] @ points.T).argmin(axis=1) for i in range(0, len(poles), 64)])
    angle = distance(poles, points[farthest])
    rapidity = np.where(angle <= _CLOSE, 0.0, np.log(np.tan(np.minimum(angle, np.pi - _OPPOSITE) / 2) / np.tan(RADIUS / 2)))
    return np.where(angle < np.pi - _OPPOSITE, rapidity, np.inf)


def _boosts(cap: Cap, pole: np.ndarray) -> list[np.ndarray] | None:
    radius = max(cap.radius, _SMALLEST)
    options = []
    if (w := boost_between_caps(cap.center, radius, pole, RADIUS)) is not None:
        options.append([w])
    for detour in _DETOURS:  # first shrink round the own centre, then move
        if (w := boost_between_caps(cap.center, detour, pole, RADIUS)) is not None:
            options.append([boost_between_caps(cap.center, radius, cap.center, detour), w])
    return min(options, key=lambda ws: sum(np.linalg.norm(w) for w in ws) + 0.25 * len(ws), default=None)


def boost_segment(w: np.ndarray, width: int, phase: str) -> Segment:
    """The segment P_x W b_+ with W b = w and one working neuron."""
    rapidity = float(np.linalg.norm(w))
    W, b = np.zeros((w.size, width)), np.zeros(width)
    W[:, 0], b[0] = w / rapidity, 1.0
    return Segment(TransformerField(W=W, b=b), rapidity, phase)
