"""The worst pair of measures by gradient ascent, for in-context maps that are open to look into."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..errors import InputError
from ..measures import Empirical
from ..transport.coupling import optimal_coupling
from .domain import Ball, UnitSphere
from .euclidean import w1
from .maps import InContextMap
from .witness import Modulus, Witness

_DELTAS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
_SMALLEST_STEP = 1e-6


def steepest(
    G: InContextMap,
    domain: Ball | UnitSphere | None = None,
    *,
    of: str = "G",
    deltas: Sequence[float] = _DELTAS,
    atoms: int = 4,
    starts: int = 4,
    steps: int = 60,
    seed: int = 0,
) -> Modulus:
    r"""A lower bound of the modulus of continuity that climbs: at each distance delta the pair of measures that G, or f, tells apart most.

    Atoms, masses, the way in which the atoms move and the point x are free;
    $\nu = \sum_i a_i \delta_{y_i}$ with $\sum_i a_i |x_i - y_i| \le \delta$, so that W_1(mu, nu) <= delta. What is climbed is

    $$ |G(\mu, x) - G(\nu, x)| \qquad \text{or} \qquad W_1(f_G(\mu), f_G(\nu)), $$
    the latter along the optimal coupling of the moment. The best pair of one delta is a start for the next.

    Args:
        G: written for arrays of JAX; in single precision deltas below 1e-4 drown in rounding.
        domain: where the measures live; the unit ball of R if None.
        of: "G" or "f".
        deltas: falling, at least 3.
        atoms: of both measures.
        starts: random ones at each delta, every second with the atoms within about delta of each other.
        steps: of the ascent.
        seed: of the starts.

    Raises:
        InputError: ``of`` has another name, or a number is out of range; or G cannot be traced by JAX.
    """
    if of not in ("G", "f"):
        raise InputError(f"of must be 'G' or 'f', got {of!r}")
    if min(atoms, starts, steps) < 1 or len(deltas) < 3 or not all(low < high for low, high in zip(deltas[1:], deltas, strict=False)):
        raise InputError(
            f"atoms, starts and steps must be at least 1, and at least 3 deltas fall; got {atoms}, {starts}, {steps}, {list(deltas)}"
        )
    domain, rng = domain or Ball(), np.random.default_rng(seed)
    climb = _for_places(G, domain, atoms) if of == "G" else _for_images(G, domain, atoms)
    pairs, best = [], None
    for delta in deltas:
        tries = [_start(rng, domain, atoms, delta if k % 2 else 1.0) for k in range(starts)] + ([] if best is None else [best])
        value, best = max((_ascend(lambda z, d=delta: climb(z, d), z, steps) for z in tries), key=lambda pair: pair[0])
        if value == -np.inf:
            raise InputError(f"no start at delta = {delta:g} has a finite value; G must be defined, and smooth, at most measures")
        pairs.append(_pair(G, domain, atoms, best, delta, of))
    omega = np.maximum.accumulate([pair.numbers["omega"] for pair in pairs][::-1])[::-1]
    return Modulus("by gradient ascent", np.array([pair.numbers["delta"] for pair in pairs]), omega, pairs[-1])


def _start(rng, domain, atoms, spread) -> np.ndarray:
    """Places, directions, logits of the masses, and the point, in one vector; the places within about ``spread`` of each other."""
    x, q = domain.near(domain.sample(rng, 1), spread * domain.sample(rng, atoms)), domain.sample(rng, 1)
    return np.concatenate([x.ravel(), rng.normal(size=x.size), rng.normal(size=atoms), q.ravel()])


def _read(z: Any, domain: Ball | UnitSphere, atoms: int, delta: Any) -> tuple[Any, Any, Any, Any]:
    """x, y, masses and the point that a vector stands for, all in the domain."""
    d, n = domain.dimension, atoms * domain.dimension
    x, q = domain.nearest(z[:n].reshape(atoms, d)), domain.nearest(z[None, 2 * n + atoms :])
    a, u = jax.nn.softmax(z[2 * n : 2 * n + atoms]), domain.along(x, z[n : 2 * n].reshape(atoms, d))
    return x, domain.nearest(x + delta * u / (a @ _length(u))), a, q


def _for_places(G, domain, atoms) -> Callable:
    @jax.jit
    @jax.value_and_grad
    def value(z, delta):
        x, y, a, q = _read(z, domain, atoms, delta)
        return _length(G(Empirical(x, a), q) - G(Empirical(y, a), q))[0]

    return value


def _for_images(G, domain, atoms) -> Callable:
    def images(z, delta):
        x, y, a, _ = _read(z, domain, atoms, delta)
        return G(Empirical(x, a), x), G(Empirical(y, a), y), a

    @jax.jit
    @jax.grad
    def slope(z, delta, plan):
        one, two, _ = images(z, delta)
        return (plan * _length(one[:, None] - two[None])).sum()

    looked_at = jax.jit(images)

    def value(z, delta):
        one, two, a = (np.asarray(part) for part in looked_at(z, delta))
        cost = np.linalg.norm(one[:, None] - two[None], axis=2)
        if not np.isfinite(cost).all():
            return -np.inf, np.zeros_like(z)
        coupling, _ = optimal_coupling(cost, a / a.sum(), a / a.sum())
        plan = np.zeros_like(cost)
        np.add.at(plan, (coupling.rows, coupling.cols), coupling.mass)
        return float((plan * cost).sum()), slope(z, delta, plan)

    return value


def _ascend(value: Callable, z: np.ndarray, steps: int) -> tuple[float, np.ndarray]:
    """Steps along the normalised gradient, longer after a success and half as long after a failure."""
    step = 0.3
    try:
        best, slope = value(z)
    except (jax.errors.TracerArrayConversionError, jax.errors.ConcretizationTypeError) as error:
        raise InputError(f"the map cannot be traced by JAX: {str(error).splitlines()[0]} Write it with jax.numpy") from None
    for _ in range(steps):
        norm = float(jnp.linalg.norm(slope))
        if not (0 < norm < np.inf) or step < _SMALLEST_STEP:
            break
        there = z + step * np.asarray(slope) / norm
        found, change = value(there)
        if found > best:
            z, best, slope, step = there, found, change, 1.5 * step
        else:
            step /= 2
    return (float(best) if np.isfinite(best) else -np.inf), z


def _pair(G, domain, atoms, z, delta, of) -> Witness:
    """The pair, its distances computed anew."""
    x, y, a, q = (np.asarray(part) for part in _read(jnp.asarray(z), domain, atoms, delta))
    mu, nu = Empirical(x, a), Empirical(y, a)
    apart, images = w1(x, a, y, a), [np.asarray(G(m, jnp.asarray(m.points))) for m in (mu, nu)]
    shown = [(image, a) for image in images]
    if of == "f":
        omega = w1(images[0], a, images[1], a)
        says = f"by gradient ascent: measures {apart:.2g} apart in W_1 have images {omega:.4g} apart"
        return Witness(says, [(x, a), (y, a)], shown, numbers={"delta": apart, "omega": omega})
    answers = np.concatenate([np.asarray(G(m, jnp.asarray(q))) for m in (mu, nu)])
    omega = float(np.linalg.norm(answers[0] - answers[1]))
    says = (
        f"by gradient ascent: between measures {apart:.2g} apart in W_1, the place where new mass at one point lands differs by {omega:.4g}"
    )
    return Witness(says, [(x, a), (y, a)], shown, q[0], answers, {"delta": apart, "omega": omega})


def _length(v):
    """Norms of rows, with the slope 0 at 0."""
    return jnp.sqrt((v * v).sum(-1) + jnp.finfo(v.dtype).tiny)
