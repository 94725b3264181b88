"""Laws with the kernel e^{<z, y>} on the circle and on S^2 in linear time, by harmonics, with a bound of the error for every query."""

import dataclasses
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from .._types import Array, Scalar
from ..errors import InputError
from ..geometry import Sphere, normalize
from ..kernels import CircleKernel, SphereKernel, largest, radii, saves_time, total
from .combine import MultiHead, Neurons, Scaled
from .l2 import L2
from .pairs import transform
from .particle import ParticleField
from .softmax import Softmax
from .unnormalised import TimeUnit, Unnormalised

KERNELS = ("auto", "dense", "harmonic")
_BLOCK = 1024  # queries at a time that are summed over all atoms
_HEADROOM = 1e-3  # a query may have so much less mass around it than a uniform measure gives
_FLOOR = 16  # the least error promised, in units of that bound for a uniform measure


class Harmonic(eqx.Module):
    r"""A law whose scores are <z, y>, z = beta K^T Q x, by the harmonics of the sphere: O((n + m) L^{d-1}) instead of O(n m).

    Points are normalised first, so that between the steps of an integrator the field is that of the nearest points of the sphere.

    With the error E = ``kernel.error`` mu(S) of the sums over e^{|z|}, and the mass Z that is found, the error of a normalised law is at
    most 2 E / (Z e^{-|z|} - E), relative to |V|. Where that exceeds ``rtol``, far from all mass, the law itself is summed over all atoms.
    The error of an unnormalised law is at most E e^{|z|}, relative to |V|: large speeds are right, tiny ones may not be.

    Args:
        law: ``Softmax``, ``Unnormalised``, or ``L2`` with K = None; Q, K, V constant; no mask.
        kernel: ``CircleKernel`` or ``SphereKernel``, made for the lengths |z| that occur.
        rtol: the error that a query may have, relative to the largest |V y|.
    """

    law: Any
    kernel: Any
    rtol: Scalar

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Bool[Array, "n m"] | None = None,
    ) -> Float[Array, "*batch n k"]:
        """A[mu](x).

        Raises:
            InputError: a mask.
        """
        if seen is not None:
            raise InputError("the harmonic kernel sums over all atoms; with a mask use kernel='dense'")
        return self.with_bounds(x, points, weights, t)[0]

    def with_bounds(
        self, x: Float[Array, "*batch n d"], points: Float[Array, "*batch m d"], weights: Float[Array, "*batch m"], t: Any = 0.0
    ) -> tuple[Float[Array, "*batch n k"], Float[Array, "*batch n"]]:
        """A[mu](x), and the bound of the error at each query before those above ``rtol`` are summed over all atoms."""
        return self._measures(lambda x, y, w: self._one(x, y, w, t), x, points, weights)

    def _measures(self, one, x, points, weights) -> Any:
        """One measure after the other."""
        x, points, weights = jnp.asarray(x), jnp.asarray(points), jnp.asarray(weights)
        batch = x.shape[:-2]
        if not batch:
            return one(x, points, weights)
        flat = [a.reshape(-1, *a.shape[len(batch) :]) for a in (x, points, weights)]
        if len(flat[0]) == 1:
            out = tuple(a[None] for a in one(*(a[0] for a in flat)))
        else:
            out = jax.lax.map(lambda args: one(*args), tuple(flat))
        return tuple(a.reshape(*batch, *a.shape[1:]) for a in out)

    def _one(self, x, y, w, t):
        law = self.law
        numerator, mass, shift = self.kernel(x, y, w, lambda x: self._queries(x, t))
        error = self.kernel.error * total(w.sum())
        if isinstance(law, Unnormalised):
            bound = jnp.full_like(mass, error)
            peak = 0.0 if law.time is TimeUnit.MEAN else law.beta
            value = numerator * jnp.exp(shift - peak)[:, None]
            if law.time is TimeUnit.TOKEN:
                value = value / total((w > 0).sum())
            return transform(law.V, value, t, "V"), bound
        # both parts of N/Z are off by the error, and |N| <= Z
        least = mass - error
        bound = jnp.where(least > 0, 2 * error / jnp.where(least > 0, least, 1), jnp.inf)
        value = transform(law.V, numerator / jnp.where(mass > 0, mass, 1)[:, None], t, "V")
        return self._mended(value, bound > self.rtol, x, y, w, t), bound

    def _queries(self, x, t):
        z = transform(self.law.Q, _beta(self.law) * normalize(x), t, "Q")
        return z if self.law.K is None else z @ self.law.K

    def _mended(self, value, far, x, y, w, t):
        """``value`` with the law itself at the queries that are far from all mass, block by block until there are no more."""
        size = min(len(x), _BLOCK)

        count = largest(far.sum())  # on the device that has most of them: the others go along, because the law sums over all devices

        def mend(value):
            # the numbers of those that are far, then the last one again and again
            order = jnp.minimum(jnp.sort(jnp.where(far, jnp.arange(len(x)), len(x))), len(x) - 1)

            def more(state):
                return state[0] * size < count

            def block(state):
                i, value = state
                rows = jax.lax.dynamic_slice_in_dim(order, jnp.minimum(i * size, len(x) - size), size)
                return i + 1, value.at[rows].set(jnp.where(far[rows, None], self.law(normalize(x[rows]), normalize(y), w, t), value[rows]))

            return jax.lax.while_loop(more, block, (0, value))[1]

        return jax.lax.cond(count > 0, mend, lambda value: value, value)


class Choice(NamedTuple):
    """Which kernel a field got: the ``field`` with it, its ``name`` ("dense" or "harmonic"), and ``why``."""

    field: Any
    name: str
    why: str


def with_kernel(field: Any, kernel: str, n: int, d: int, *, rtol: float = 1e-10, dtype: Any = np.float64) -> Choice:
    """The same field with a kernel for measures of n atoms in dimension d.

    Args:
        field: any field.
        kernel: ``"dense"``: as it is; ``"harmonic"``; ``"auto"``: what takes less time and meets ``rtol``.
        n, d: number of atoms, and of queries; their dimension.
        rtol: the error that a velocity may have, relative to the largest |V y|; what rounding allows if that is more.
        dtype: of the points.

    Raises:
        InputError: another name; ``"harmonic"`` for what has no such expansion.
    """
    if kernel not in KERNELS:
        raise InputError(f"kernel {kernel!r} is not known; choose one of {', '.join(KERNELS)}")
    if kernel == "dense":
        return Choice(field, "dense", "as asked for")
    try:
        if not isinstance(field, ParticleField) or field.mask is not None or not isinstance(field.space, Sphere) or d not in (2, 3):
            raise InputError("harmonics are for laws on the sphere, d = 2 or 3, without a mask")
        law = _expanded(field.law, n if kernel == "auto" else None, d, rtol, dtype)
        return Choice(dataclasses.replace(field, law=law), "harmonic", "less work than all pairs" if kernel == "auto" else "as asked for")
    except InputError as error:
        if kernel == "harmonic":
            raise InputError(f"kernel='harmonic' is not possible: {error}; use kernel='auto'") from None
        return Choice(field, "dense", str(error))


def expansions(field: Any) -> list[Harmonic]:
    """The parts of a field that are summed by harmonics."""
    leaves = jax.tree.leaves(field, is_leaf=lambda node: isinstance(node, Harmonic))
    return [leaf for leaf in leaves if isinstance(leaf, Harmonic)]


def _expanded(law: Any, n: int | None, d: int, rtol: float, dtype: Any, *, projected: bool = True) -> Any:
    """The law with ``Harmonic`` in place of what has an expansion; all of it must have one, and be less work for n atoms (if not None)."""
    if isinstance(law, Scaled):
        return Scaled(_expanded(law.law, n, d, rtol, dtype, projected=projected), law.factor)
    if isinstance(law, MultiHead):
        plain = projected and law.outputs is None
        return MultiHead(tuple(_expanded(head, n, d, rtol, dtype, projected=plain) for head in law.heads), law.outputs)
    if isinstance(law, Neurons):
        return law
    if not isinstance(law, Softmax | Unnormalised | L2) or (isinstance(law, L2) and law.K is not None):
        raise InputError(f"the law {type(law).__name__} has no expansion in harmonics")
    if any(callable(M) for M in (law.Q, law.K, law.V)):
        raise InputError("a matrix of the law depends on time")
    identity = np.eye(d)
    Q, K, V = (identity if M is None else np.asarray(M, np.float64) for M in (law.Q, law.K, law.V))
    if Q.shape[1:] != (d,) or K.shape[1:] != (d,) or len(Q) != len(K):
        raise InputError("Q and K do not fit")  # the law itself will say what is wrong
    B = float(_beta(law)) * K.T @ Q
    lengths = np.linalg.svd(B, compute_uv=False)
    eps = float(np.finfo(dtype).eps)
    plan = radii(float(lengths[-1]), float(lengths[0]), _share(float(lengths[0])) * rtol, d, eps=eps)
    if n is not None and not saves_time(plan, n, d):
        raise InputError(f"all pairs of {n} atoms are less work than harmonics of degree {plan.degree}")
    kernel = (CircleKernel if d == 2 else SphereKernel)(plan, project=projected and _multiple(B) and _multiple(V))
    return Harmonic(law, kernel, max(rtol, _FLOOR * plan.error / plan.uniform))


def _share(longest: float) -> float:
    """How little of the mass that a uniform measure has a query may find: antipodal to all of it, or a limit."""
    opposite = float(np.exp(-2 * longest)) * (1 + 2 * longest)
    return max(_HEADROOM, min(1.0, opposite)) / 4


def _multiple(M: np.ndarray) -> bool:
    """Whether M is a multiple of the identity."""
    return M.shape[0] == M.shape[1] and bool((M == M[0, 0] * np.eye(len(M))).all())


def _beta(law: Any) -> Any:
    return 2 * law.beta if isinstance(law, L2) else law.beta
