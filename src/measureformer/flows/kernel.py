"""Which kernel a flow sums with, and how good it was found to be."""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from ..fields.harmonic import Harmonic, expansions
from ..geometry import tangent

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
    rows = jnp.asarray(np.random.default_rng(0).integers(x.shape[-2], size=_QUERIES))
    for part in expansions(field):
        bound, far, error = (float(number) for number in _look(part, x, weights, rows, t))
        kernel = Kernel(kernel.name, kernel.why, max(kernel.degree, part.kernel.degree)).and_then(kernel).and_then(
            Kernel(bound=bound, error=error, far=int(far))
        )  # fmt: skip
    return kernel


def acceptable(field: Any, kernel: Kernel) -> bool:
    """Whether no error was found that the kernel does not allow."""
    return kernel.error <= min((float(part.rtol) for part in expansions(field)), default=np.inf)


@eqx.filter_jit
def _look(part: Harmonic, x: Any, weights: Any, rows: Any, t: Any) -> tuple[Any, Any, Any]:
    values, bounds = part.with_bounds(x, x, weights, t)
    some = jnp.take(x, rows, axis=-2)
    difference = jnp.take(values, rows, axis=-2) - jax.lax.map(lambda args: part.law(*args, t), (some, x, weights))
    if part.kernel.project:
        difference = tangent(some, difference)
    far = bounds > part.rtol
    return jnp.where(far, 0, bounds).max(), far.sum(), abs(difference).max()
