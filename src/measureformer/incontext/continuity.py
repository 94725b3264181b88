"""Moduli of continuity of f and of its regular part G, where they are most likely to break."""

from collections.abc import Sequence

import numpy as np

from .blackbox import Image
from .domain import Ball, UnitSphere
from .euclidean import w1
from .families import Family, families
from .recovery import read_tags
from .witness import Atoms, Modulus, Watched, Witness

_HALVINGS = 44


def moduli_of_f(f: Watched, domain: Ball | UnitSphere, rng: np.random.Generator, rounds: int, floor: float) -> list[Modulus]:
    r"""$\omega_f(\delta) = \sup \{ W_1(f(\mu), f(\nu)) : W_1(\mu, \nu) \le \delta \}$, seen along families and along bisected paths."""
    found = [same_measure(f, domain, rng)]
    found += [modulus for family in families(domain, rng, rounds) if (modulus := _along(f, family)) is not None]
    return found + [m for k in range(6 * rounds) if (m := jump(f, domain, rng, floor, weights=k % 2 == 1)) is not None]


def moduli_of_g(f: Watched, domain: Ball | UnitSphere, rng: np.random.Generator, rounds: int) -> list[Modulus]:
    r"""$\omega_D(\delta) = \sup |G(\mu, x) - G(\nu, x)|$, G by tags; and the arrival of light atoms at heavy ones."""
    found = []
    for family in families(domain, rng, rounds):
        queries = domain.sample(rng, 2)
        if (modulus := _of_tags(f, family, queries)) is not None:
            found.append(modulus)
    found += [m for _ in range(rounds) if (m := arrival(f, domain, rng)) is not None]
    return found


def same_measure(f: Watched, domain: Ball | UnitSphere, rng: np.random.Generator) -> Modulus:
    """One measure written in several ways, and asked for twice: W_1 of the arguments is 0."""
    x, a = domain.sample(rng, 4), rng.dirichlet(np.full(4, 3.0))
    turn = np.array([2, 0, 3, 1])
    twice = np.concatenate([x[:1], x]), np.concatenate([[0.25 * a[0], 0.75 * a[0]], a[1:]])
    group = [(x, a), (x, a), (x[turn], a[turn]), twice]
    names = ["the same call twice", "rows in another order", "an atom written as two rows"]
    images = [f(*atoms) for atoms in group]
    apart = [0.0 if image is None or images[0] is None else _apart(images[0], image) for image in images[1:]]
    worst = int(np.argmax(apart))
    says = f"{names[worst]}: the images are {apart[worst]:.4g} apart in W_1, though the measure is the same"
    witness = _pair(group[0], group[1 + worst], images[0], images[1 + worst], says, 0.0, apart[worst])
    zero, value = np.full(2, 1e-300), np.full(2, apart[worst])
    return Modulus("one measure written in several ways", zero, value, witness)


def jump(f: Watched, domain: Ball | UnitSphere, rng: np.random.Generator, floor: float, *, weights: bool) -> Modulus | None:
    """Between two measures, the half of the way on which the images part more, again and again: it closes in on a jump if there is one.

    The way moves atoms, whose masses stay, or shifts mass between fixed atoms. It ends where the images are nearer than half the floor.
    """
    x, y, a, b = domain.sample(rng, 4), domain.sample(rng, 4), *rng.dirichlet(np.full(4, 3.0), 2)

    def at(t: float) -> Atoms:
        if weights:
            return x, (1 - t) * a + t * b
        return domain.near(x, t * (y - x)) if isinstance(domain, UnitSphere) else (1 - t) * x + t * y, a

    low, high = 0.0, 1.0
    ends = [f(*at(low)), f(*at(high))]
    delta, omega = [], []
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        image = f(*at(middle))
        if image is None or None in ends:
            return None
        left, right = _apart(ends[0], image), _apart(image, ends[1])
        if left >= right:
            high, ends = middle, [ends[0], image]
        else:
            low, ends = middle, [image, ends[1]]
        delta.append(_distance(at(low), at(high)))
        omega.append(max(left, right))
        if omega[-1] < floor / 2:
            break
    keep = np.flatnonzero(np.array(delta) > 0)
    if len(keep) < 4:
        return None
    says = f"measures {delta[-1]:.2g} apart in W_1 have images {omega[-1]:.4g} apart"
    witness = _pair(at(low), at(high), ends[0], ends[1], says, delta[-1], omega[-1])
    return Modulus("between two measures", np.array(delta)[keep], _envelope(np.array(omega)[keep]), witness)


def promoted(f: Watched, witness: Witness) -> Modulus | None:
    """Mass at the point where G jumps: if f jumps too, it is not continuous in the first place."""
    if witness.query is None or len(witness.measures) != 2:
        return None
    best = None
    for share in (0.5, 0.1):
        one, two = ((np.concatenate([x, witness.query[None]]), np.append((1 - share) * a / a.sum(), share)) for x, a in witness.measures)
        images = [f(*atoms) for atoms in (one, two)]
        if images[0] is None or images[1] is None:
            continue
        delta, omega = _distance(one, two), _apart(images[0], images[1])
        if best is None or omega > best.omega[-1]:
            says = f"measures {delta:.2g} apart in W_1 have images {omega:.4g} apart"
            best = Modulus(
                "mass where G jumps", np.full(2, delta), np.full(2, omega), _pair(one, two, images[0], images[1], says, delta, omega)
            )
    return best


def arrival(f: Watched, domain: Ball | UnitSphere, rng: np.random.Generator) -> Modulus | None:
    """A grain that comes near an atom must land near the image of that atom."""
    x, a = domain.sample(rng, 3), np.array([0.19, 0.34, 0.47])
    u = rng.normal(size=x.shape)
    delta, omega, last = [], [], None
    for s in 10.0 ** -np.array([2, 3, 4, 6, 8, 10]):
        q, tags = domain.near(x, s * u), 1e-10 * 2.0 ** np.arange(3)
        near, on = (f(np.concatenate([x, z]), np.concatenate([a, tags])) for z in (q, x))
        if near is None or on is None:
            return None
        places, atoms = read_tags(near, a, tags)[0], read_tags(on, a, tags)[0]
        if not (np.isfinite(places).all() and np.isfinite(atoms).all()):
            return None
        apart = np.linalg.norm(places - atoms, axis=1)
        k = int(apart.argmax())
        delta.append(float(np.linalg.norm(q - x, axis=1).max()))
        omega.append(float(apart[k]))
        says = f"a light atom {delta[-1]:.2g} beside an atom of mass {a[k]} lands {omega[-1]:.4g} beside it"
        last = Witness(says, [(x, a)], [(on.points, on.weights)], q[k], np.stack([places[k], atoms[k]]))
    assert last is not None
    return Modulus("a light atom comes near a heavy one", np.array(delta), _envelope(np.array(omega)), last)


def _along(f: Watched, family: Family) -> Modulus | None:
    delta, omega, last = [], [], None
    for s in family.scales:
        group = family.group(float(s))
        images = [f(*atoms) for atoms in group]
        pairs = [
            (_apart(images[i], images[j]), i, j)
            for i in range(len(group)) for j in range(i) if images[i] is not None and images[j] is not None
        ]  # fmt: skip
        if not pairs:
            continue
        apart, i, j = max(pairs)
        delta.append(_diameter(group))
        omega.append(apart)
        says = f"{family.name}: measures {_distance(group[i], group[j]):.2g} apart in W_1 have images {apart:.4g} apart"
        last = _pair(group[i], group[j], images[i], images[j], says, delta[-1], apart)
    return None if last is None or len(delta) < 4 else Modulus(family.name, np.array(delta), _envelope(np.array(omega)), last)


def _of_tags(f: Watched, family: Family, queries: np.ndarray) -> Modulus | None:
    delta, omega, last = [], [], None
    for s in family.scales:
        group = family.group(float(s))
        values = [_grains(f, atoms, queries, family.grain(float(s))) for atoms in group]
        pairs = [
            (float(np.linalg.norm(values[i][k] - values[j][k])), i, j, k)
            for i in range(len(group)) for j in range(i) for k in range(len(queries))
            if np.isfinite(values[i][k]).all() and np.isfinite(values[j][k]).all()
        ]  # fmt: skip
        if not pairs:
            continue
        apart, i, j, k = max(pairs)
        delta.append(_diameter(group))
        omega.append(apart)
        says = (
            f"{family.name}: between measures {_distance(group[i], group[j]):.2g} apart in W_1, the place where new mass at the same "
            f"point lands differs by {apart:.4g}"
        )
        numbers = {"delta": _distance(group[i], group[j]), "omega": apart}
        last = Witness(says, [group[i], group[j]], [], queries[k], np.stack([values[i][k], values[j][k]]), numbers)
    if last is None or len(delta) < 4:
        return None
    images = [image for atoms in last.measures if (image := f(*atoms)) is not None]
    last = Witness(last.says, last.measures, [(i.points, i.weights) for i in images], last.query, last.answers, last.numbers)
    return Modulus(family.name, np.array(delta), _envelope(np.array(omega)), last)


def _grains(f: Watched, atoms: Atoms, queries: np.ndarray, grain: float) -> np.ndarray:
    """G at the queries, NaN where not found; a heavier grain is tried if the small one is lost on an old atom."""
    x, a = atoms
    places = np.full((len(queries), 1), np.nan)
    for eps in (grain, 1e-10) if grain < 1e-12 else (grain,):
        tags = eps * 2.0 ** np.arange(len(queries))
        image = f(np.concatenate([x, queries]), np.concatenate([a / a.sum(), tags]) / (1 + tags.sum()))
        if image is None:
            continue
        places = read_tags(image, a / a.sum(), tags)[0]
        if np.isfinite(places).all():
            break
    return places


def _apart(one: Image | None, two: Image | None) -> float:
    """W_1 of two images; 0 if one of them is not defined."""
    if one is None or two is None:
        return 0.0
    if one.points.shape[1] != two.points.shape[1]:
        return float("inf")
    return w1(one.points, one.weights, two.points, two.weights)


def _distance(one: Atoms, two: Atoms) -> float:
    return w1(one[0], one[1], two[0], two[1])


def _diameter(group: Sequence[Atoms]) -> float:
    return max(_distance(group[i], group[j]) for i in range(len(group)) for j in range(i))


def _envelope(omega: np.ndarray) -> np.ndarray:
    """The modulus counts all smaller scales too."""
    return np.maximum.accumulate(omega[::-1])[::-1]


def _pair(one: Atoms, two: Atoms, f_one: Image | None, f_two: Image | None, says: str, delta: float, omega: float) -> Witness:
    images = [(image.points, image.weights) for image in (f_one, f_two) if image is not None]
    return Witness(says, [one, two], images, numbers={"delta": delta, "omega": omega})
