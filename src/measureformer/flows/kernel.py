"""Which kernel a flow sums with, and how good it was found to be."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..fields.harmonic import Harmonic, expansions
from ..fields.sharded import Sharded, on_devices
from ..geometry import tangent
from ..kernels import largest, total

_QUERIES = 8  # compared with sums over all pairs


@dataclass(frozen=True)
class Kernel:
    """How the sums over atoms were computed.

    Attributes:
        name: "dense" (all pairs) or "harmonic" (linear time).
        why: the reason for the choice.
        degree: of the harmonics; 0 if dense.
        bound: of the error of a velocity, relative to the largest |V y|: the largest over the tokens and the saved times.
        error: the largest that was found, at a few random tokens at each saved time, by summing over all pairs.
        far: so many tokens, at most, were so far from all mass that they were summed over all pairs.
    """

    name: str = "dense"
    why: str = ""
    degree: int = 0
    bound: float = 0.0
    error: float = 0.0
    far: int = 0

    def and_then(self, other: "Kernel") -> "Kernel":
        """What is known after another look."""
        worst = (max(getattr(self, name), getattr(other, name)) for name in ("bound", "error", "far"))
        return Kernel(self.name, self.why, self.degree, *worst)


def look_at(field: Any, kernel: Kernel, x: Any, weights: Any, t: Any) -> Kernel:
    """The bound at all tokens, and the error at some of them."""
    if kernel.name == "dense":
        return kernel
    mesh = field.mesh if isinstance(field, Sharded) else None
    rows = jnp.asarray(np.random.default_rng(0).integers(x.shape[-2] // (1 if mesh is None else mesh.size), size=_QUERIES))
    for part in expansions(field):
        bound, far, error = (float(number) for number in _look(part, x, weights, rows, t, mesh))
        kernel = Kernel(kernel.name, kernel.why, max(kernel.degree, part.kernel.degree)).and_then(kernel).and_then(
            Kernel(bound=bound, error=error, far=int(far))
        )  # fmt: skip
    return kernel


def acceptable(field: Any, kernel: Kernel) -> bool:
    """Whether no error was found that the kernel does not allow."""
    return kernel.error <= min((float(part.rtol) for part in expansions(field)), default=np.inf)


@eqx.filter_jit
def _look(part: Harmonic, x: Any, weights: Any, rows: Any, t: Any, mesh: Any) -> tuple[Any, Any, Any]:
    """The largest bound among the near tokens, the number of far ones, and the largest error at ``rows`` (of each device)."""

    def look(part, x, points, weights):
        values, bounds = part.with_bounds(x, points, weights, t)
        some = jnp.take(x, rows, axis=-2)
        difference = jnp.take(values, rows, axis=-2) - jax.lax.map(lambda args: part.law(*args, t), (some, points, weights))
        if part.kernel.project:
            difference = tangent(some, difference)
        far = bounds > part.rtol
        return largest(jnp.where(far, 0, bounds).max()), total(far.sum()), largest(abs(difference).max())

    return look(part, x, x, weights) if mesh is None else on_devices(look, mesh, part, x, x, weights, everywhere=True)
