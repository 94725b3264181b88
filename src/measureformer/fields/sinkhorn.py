"""Sinkhorn attention: doubly stochastic, the plan of an entropic transport of the measure to itself."""

from typing import Any, ClassVar

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Float

from .._types import Array, Matrix, Scalar, Seen, namespace
from ..errors import ConditioningError
from ..kernels import exponentials
from .pairs import About, inner_scores, masses, queries_and_keys, ratio, softmax_average, transform


class Sinkhorn(eqx.Module):
    r"""Rows and columns of the kernel are normalised in turn, until both sum to one:

    $$ A[\mu](x) = \frac{1}{\varepsilon} \int \kappa(x, y) \, V y \, \mu(dy), \qquad
       \kappa(x, y) = e^{f(x) + \beta \langle Q x, K y \rangle / \varepsilon + g(y)}, \qquad
       \int \kappa \, \mu(dy) = \int \kappa \, \mu(dx) = 1. $$

    The potential g is found on the atoms, in the logarithmic domain; then f(x) normalises the row of any x, a passive probe's too. So A is
    the softmax barycentre with g added to the scores. When each point sees a measure of its own (a mask), each has a g of its own.

    Args:
        beta: inverse temperature of the scores.
        Q, K, V: see ``fields.pairs``.
        eps: epsilon > 0.
        tol: the columns sum to one within tol.
        iterations: the most that are made.

    Raises:
        ConditioningError: ``tol`` was not reached (NumPy; on JAX arrays the result is NaN, which stops a flow).

    References:
        Sander, Ablin, Blondel, Peyré, arXiv:2110.11773; Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322 (the factor 1/epsilon).
    """

    beta: Scalar = 1.0
    Q: Matrix = None
    K: Matrix = None
    V: Matrix = None
    eps: Scalar = 1.0
    tol: float = eqx.field(static=True, default=1e-13)
    iterations: int = eqx.field(static=True, default=10_000)

    about: ClassVar[About] = About(
        name="sinkhorn",
        formula="(1/ε) ∫ κ(x,y) Vy dμ(y), κ = e^{f(x)+β⟨Qx,Ky⟩/ε+g(y)} doubly stochastic",
        gradient="W₂ gradient flow of the entropic transport cost of μ to itself, if V = ±QᵀK is symmetric",
        gaussian="yes",
        mean_field="Castin, Ablin, Carrillo, Peyré 2025 (compact support)",
        source="arXiv:2110.11773",
    )

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n k"]:
        """A[mu](x)."""
        kernel = inner_scores(self, points, points, t) / self.eps
        values = transform(self.V, points, t, "V")
        if seen is None:
            queries, keys = queries_and_keys(self, x, points, t)
            potential = self._potential(kernel, weights)
            return softmax_average(self.beta / self.eps * queries, keys, values, weights, offsets=potential) / self.eps
        potential = self._potential(kernel[..., None, :, :], masses(weights, seen))
        scores = inner_scores(self, x, points, t) / self.eps + potential
        return ratio(*exponentials(scores, weights, values, seen)[:2]) / self.eps

    def remedy(self) -> str:
        """What to do if its values are not finite."""
        return f"Sinkhorn's iteration does not converge in {self.iterations} rounds; take a larger eps (now {float(self.eps):.4g}), or more"

    def _potential(self, kernel, weights):
        """g on the atoms: (..., m, m) and (..., m) to (..., m). What has no mass gets whatever its column gives."""
        xp = namespace(kernel, weights)
        # log of the masses; an empty measure (a point that sees nothing) gets through without infinities
        logs = xp.where(weights > 0, xp.log(xp.where(weights > 0, weights, 1)), -1e30)
        transposed = xp.swapaxes(kernel, -1, -2)
        kernel, transposed = kernel + logs[..., None, :], transposed + logs[..., None, :]
        tol = max(self.tol, 32 * float(xp.finfo(kernel.dtype).eps))

        def improve(g):
            f = -_logsumexp(xp, kernel + g[..., None, :])
            return -_logsumexp(xp, transposed + f[..., None, :])

        def off(g, new):
            # a column sums to exp(g - new); columns without mass do not count
            return xp.max(xp.where(weights > 0, abs(g - new), 0), initial=0)

        start = xp.zeros(xp.broadcast_shapes(kernel.shape[:-1], weights.shape), kernel.dtype)
        if xp is np:
            new = improve(start)
            g = start
            for _ in range(self.iterations):
                g, new = new, improve(new)
                if off(g, new) <= tol:
                    return g
            raise ConditioningError(f"columns are off by {off(g, new):.2g}, more than tol = {tol:.2g}: {self.remedy()}")

        def body(state):
            count, _, new = state
            return count + 1, new, improve(new)

        def unfinished(state):
            return (state[0] < self.iterations) & (off(state[1], state[2]) > tol)

        _, g, new = jax.lax.while_loop(unfinished, body, (0, start, improve(start)))
        return xp.where(off(g, new) <= tol, g, xp.nan)


def _logsumexp(xp, scores):
    top = scores.max(-1, keepdims=True)
    return (top + xp.log(xp.exp(scores - top).sum(-1, keepdims=True)))[..., 0]
