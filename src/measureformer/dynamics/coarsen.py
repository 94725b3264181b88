"""The coarsening engine: tokens that have met move as one for ever, so they become one atom, and time can run to e^{2 beta}."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._brief import brief
from ..diagnostics.clusters import components
from ..errors import InputError
from ..geometry import norm, normalize
from ..measures import Empirical
from .law import finite, known_law

# Pairs closer than this, in radians, become one atom; below, rounding hides how close they are.
_LEAST_TOL = 1e-7
# How far an atom goes in a step at most, in radians: no trial step leaves the neighbourhood.
_STRIDE = 0.1
# The speed of the atoms is the norm (sum_i |v_i|^p)^{1/p} of their speeds, a smooth maximum; the sum of squares grows with their number.
_POWER = 8
# Records in an accepted step.
_DETAIL = 8


@dataclass(frozen=True)
class Merge:
    """At ``time`` some clusters at the angle of the run became one.

    Attributes:
        time: of the first contact.
        members: the tokens of the new cluster.
        parts: the clusters it is made of, as sets of tokens.
        mass: weight of the new cluster.
        clusters: how many clusters are left.
        energy: normalisation ``"unit"``, at ``time``.
    """

    time: float
    members: tuple[int, ...]
    parts: tuple[tuple[int, ...], ...]
    mass: float
    clusters: int
    energy: float


@dataclass(frozen=True)
class Coarsening:
    """A run of ``coarsen``. There are T records, the start and eight for each accepted step: dense where much happens.

    Attributes:
        times: shape (T,).
        energies: interaction energy, normalisation ``"unit"``, shape (T,): plateaus at the sum of squared masses of far clusters.
        atoms: how many atoms were integrated, shape (T,).
        lengths: length of the curve in W_2, the integral of (sum_i w_i |x_i'|^2)^{1/2}, shape (T,).
        merges: in the order of time.
        measure: the atoms at the end.
        labels: the atom of each token, shape (n,).
        reached: the time of ``measure``.
        complete: whether the horizon was reached, or everything is one atom (nothing moves any more). Not so if ``max_steps`` did not
            suffice, or if for an infinite horizon nothing moves in float64 (an equilibrium, or speeds below e^{-700}).
    """

    times: np.ndarray
    energies: np.ndarray
    atoms: np.ndarray
    lengths: np.ndarray
    merges: list[Merge]
    measure: Empirical
    labels: np.ndarray
    reached: float
    complete: bool
    __repr__ = brief


def coarsen(
    mu: Empirical,
    beta: float,
    horizon: float,
    *,
    law: str = "softmax",
    angle: float = float(np.arccos(0.999)),
    tol: float = 1e-6,
    rtol: float = 1e-10,
    atol: float = 1e-12,
    max_steps: int = 100_000,
) -> Coarsening:
    r"""Attention with Q = K = V = I over exponentially long times, with the clusters' masses as weights.

    Tokens in one place stay together, and atoms with masses obey the same equation exactly. Once the tokens of a cluster are closer than
    ``tol`` they become one atom at their weighted mean, which takes the fast contraction out of the equation. The rest is integrated in the
    length of the path instead of time (Dormand-Prince 8(7), error control, dt/dlength = 1/speed), so that an approach that lasts 10^50
    and a collision that lasts 1 both take a few dozen steps. An atom's pull on itself is left out (it is normal to the sphere): speeds of
    1e-60 are accurate. Merging changes later times by a relative O(beta tol).

    Args:
        mu: tokens with weights on the sphere; O(k^2 d) a step for k atoms.
        beta: inverse temperature, positive.
        horizon: time at which to stop; inf is allowed where everything merges.
        law: ``"softmax"``, ``"unnormalised"`` or ``"peak"``, see ``known_law`` (time runs with the law's clock).
        angle: two clusters have merged, for good, once two of their atoms were closer than this (radians; 0.0447 has cosine 0.999).
        tol: two atoms become one when closer than this (radians), from 1e-7 to ``angle``.
        rtol, atol: local tolerances for coordinates.
        max_steps: accepted steps at most; ``complete`` is False if they did not suffice.

    Raises:
        InputError: an argument out of range, or overflow of the unnormalised law.
        RuntimeError: the step size fell to zero.

    References:
        arXiv:2410.06833 (metastability); arXiv:2509.25040 (pairing as beta -> infinity).

    Example:
        >>> run = coarsen(Empirical(np.eye(2)), 9.0, np.inf)
        >>> round(run.merges[0].time, 2)  # half an e^9 / 9
        466.71
    """
    known_law(law)
    if not (beta > 0 and horizon > 0 and _LEAST_TOL <= tol <= angle < np.pi):
        raise InputError(
            f"beta and horizon must be positive and {_LEAST_TOL:.0e} <= tol <= angle < pi; got beta = {beta}, horizon = {horizon}, "
            f"tol = {tol}, angle = {angle}"
        )
    run = _Run(mu, beta, law, angle, tol, horizon)
    run.fuse()
    run.record(0.0, 0.0)
    steps = 0
    while len(run.w) > 1 and run.time < horizon and steps < max_steps:
        if not run.velocity(run.x).any():  # at rest, or slower than float64 can tell
            if np.isfinite(horizon):
                run.record(horizon, run.records[-1][3])
            break
        solver = run.solver(rtol, atol)
        fused = False
        while not fused and run.time < horizon and steps < max_steps:
            message = solver.step()
            if solver.status == "failed":
                raise RuntimeError(f"the integration stopped at time {run.time:.6g}: {message}")
            steps += 1
            fused = run.advance(solver)
    complete = len(run.w) == 1 or bool(run.time >= horizon)
    columns = [np.array(column) for column in zip(*run.records, strict=True)]
    return Coarsening(
        columns[0], columns[1], columns[2], columns[3], run.merges, Empirical(run.x, run.w), run.atom, float(run.time), complete
    )


class _Run:
    """The atoms x (k, d) with weights w, the atom of each token, and what has been noted so far."""

    def __init__(self, mu: Empirical, beta: float, law: str, angle: float, tol: float, horizon: float):
        self.x, self.w = normalize(np.asarray(mu.points, float)), np.asarray(mu.weights, float)
        self.weights, self.atom = self.w, np.arange(mu.size)
        self.beta, self.law, self.horizon = beta, law, horizon
        self.contact, self.reach = 2 * float(np.sin(tol / 2)), 2 * float(np.sin(angle / 2))
        self.cluster = components(self.x, self.reach)
        self.time, self.records, self.merges = 0.0, [], []

    def solver(self, rtol: float, atol: float) -> Any:
        """Of the state (x, length in W_2, time) as a function of the length of the path of the atoms."""
        from scipy.integrate import DOP853

        state = np.append(self.x.ravel(), [self.records[-1][3], self.time])
        scale: Any = np.full(state.size, atol)
        scale[-1] = atol * min(self.time or float(self.slope(0.0, state)[-1]), self.horizon)  # at first, the time for a unit of length
        return DOP853(self.slope, 0.0, state, np.inf, rtol=rtol, atol=scale, max_step=_STRIDE)

    def kernel(self, u: np.ndarray) -> np.ndarray:
        """w_j e^{beta (<x_i, x_j> - 1)}."""
        K = u @ u.T
        K -= 1
        np.minimum(K, 0, out=K)
        K *= self.beta
        np.exp(K, out=K)
        K *= self.w
        return K

    def energy(self, u: np.ndarray) -> float:
        """Normalisation ``"unit"``."""
        return float(self.w @ self.kernel(u).sum(1))

    def velocity(self, u: np.ndarray) -> np.ndarray:
        others = self.kernel(u)
        total = others.sum(1, keepdims=True)
        np.fill_diagonal(others, 0)
        v = others @ u
        v = v - (u * v).sum(1, keepdims=True) * u
        if self.law == "softmax":
            return v / total
        if self.law == "peak":
            return v
        with np.errstate(over="ignore", invalid="ignore"):
            return finite(v * np.exp(self.beta), "the speed", self.law, self.beta)

    def slope(self, _: float, state: np.ndarray) -> np.ndarray:
        """Homogeneous in |x|, so that the norm has no influence and does not drift."""
        x = state[:-2].reshape(self.x.shape)
        r = norm(x)
        v = self.velocity(x / r)
        # squares of speeds like 1e-200 would vanish; at the slowest speed that counts nothing moves by more than 1e-9 up to the horizon
        unit = max(float(abs(v).max()), 1e-9 / self.horizon, 1e-290)
        v = v / unit
        speed = np.hypot(((v * v).sum(1) ** (_POWER / 2)).sum() ** (1 / _POWER), max(1e-9 / self.horizon / unit, 1e-9))
        return np.append((r * v).ravel(), [np.sqrt(self.w @ (v * v).sum(1)), 1 / unit]) / speed

    def advance(self, solver: Any) -> bool:
        """Take over a step of the solver, up to the horizon, with what happened in it; whether atoms were fused."""
        path, begin, end = solver.dense_output(), solver.t_old, solver.t
        last = solver.y[-1] >= self.horizon
        if last:
            end = _zero(lambda s: float(path(s)[-1]) - self.horizon, begin, end)
        self.note_merges(path, begin, end)
        for s in np.linspace(begin, end, _DETAIL + 1)[1:].tolist():
            state = path(s)
            self.x = normalize(state[:-2].reshape(self.x.shape))
            self.record(self.horizon if last and s == end else float(state[-1]), float(state[-2]))
        return self.fuse()

    def fuse(self) -> bool:
        """Atoms in contact become one; whether there were any."""
        labels = components(self.x, self.contact)
        if int(labels.max()) + 1 == len(self.w):
            return False
        mass = np.bincount(labels, self.w)
        self.x = normalize(np.stack([np.bincount(labels, self.w * column) for column in self.x.T], axis=1))
        self.w, self.atom = mass, labels[self.atom]
        self.cluster = self.cluster[np.unique(labels, return_index=True)[1]]
        return True

    def record(self, time: float, length: float) -> None:
        self.time = time
        self.records.append((time, self.energy(self.x), len(self.w), length))

    def note_merges(self, path: Any, begin: float, end: float) -> None:
        """Every first contact of two clusters between two points of a path, in their order, among those that touch at its end."""

        def at(s: float) -> np.ndarray:
            return normalize(path(s)[:-2].reshape(self.x.shape))

        last = at(end)
        i, j = np.nonzero(np.triu(last @ last.T >= 1 - self.reach**2 / 2, 1))
        while (apart := self.cluster[i] != self.cluster[j]).any():
            i, j = i[apart], j[apart]
            if self.gap(at(begin), i, j).min() > 0:
                begin = _zero(lambda s, i=i, j=j: float(self.gap(at(s), i, j).min()), begin, end)
            x = at(begin)
            nearest = int(self.gap(x, i, j).argmin())
            self.join(x, int(i[nearest]), int(j[nearest]), float(path(begin)[-1]))

    def gap(self, x: np.ndarray, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """The squared chords between pairs of atoms, less the squared reach."""
        return 2 * (1 - (x[i] * x[j]).sum(1)) - self.reach**2

    def join(self, x: np.ndarray, i: int, j: int, time: float) -> None:
        """The clusters of two atoms become one."""
        pair = sorted((int(self.cluster[i]), int(self.cluster[j])))
        token = self.cluster[self.atom]
        parts = tuple(tuple(np.flatnonzero(token == label).tolist()) for label in pair)
        self.cluster = np.where(self.cluster == pair[1], pair[0], self.cluster)
        members = tuple(sorted(parts[0] + parts[1]))
        left = len(np.unique(self.cluster))
        self.merges.append(Merge(time, members, parts, float(self.weights[list(members)].sum()), left, self.energy(x)))


def _zero(function: Callable[[float], float], begin: float, end: float) -> float:
    from scipy.optimize import brentq

    found: Any = brentq(function, begin, end, xtol=1e-15)
    return float(found)
