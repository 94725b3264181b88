"""Velocities of Vlasov equations: any pair kernel, phase space, and the interactions that one attention layer represents exactly."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Float

from .._types import Array, Scalar, Seen, namespace
from ..fields.pairs import masses, softmax_average


class Interaction(eqx.Module):
    r"""$A[\mu](x) = \int K(x, y) \, \mu(dy)$ for any kernel, a law like those of attention (``fields.pairs``).

    Args:
        kernel: K, called with x of shape (*batch, n, 1, d) and y of shape (*batch, 1, m, d); returns (*batch, n, m, d).
    """

    kernel: Callable[[Any, Any], Any]

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n k"]:
        """A[mu](x)."""
        return (masses(weights, seen)[..., None] * self.kernel(x[..., :, None, :], points[..., None, :, :])).sum(-2)


class PhaseSpace(eqx.Module):
    r"""$(x, w) \mapsto (w, F[\mu](x, w))$: positions and velocities side by side in the 2d coordinates of a token.

    Args:
        force: a law on tokens (x, w) with values in R^d.
    """

    force: Any

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n d"]:
        """(w, F)."""
        half = x.shape[-1] // 2
        return namespace(x, points).concatenate([x[..., half:], self.force(x, points, weights, t, seen)], -1)


class Consensus(eqx.Module):
    r"""$-\kappa (x - m(\mu))$: attention without scores, and a linear field."""

    kappa: Scalar = 1.0

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n d"]:
        """kappa (m - x)."""
        return self.kappa * (softmax_average(0 * x, points, points, weights, seen) - x)


class MotschTadmor(eqx.Module):
    r"""Alignment with the mean velocity that x sees, normalised by what it sees:

    $$ F(x, w) = \frac{\int \phi(|x - y|) (u - w) \, \mu(dy, du)}{\int \phi(|x - y|) \, \mu(dy, du)},
       \qquad \phi(r) = e^{-r^2 / 2\sigma^2}. $$

    One head of softmax attention with the scores $(\langle x, y \rangle - |y|^2/2)/\sigma^2$ (the term |x|^2 cancels) on tokens
    (x, w, |x|^2, 1), and the linear field -w.

    Args:
        sigma: range of sight.
    """

    sigma: Scalar = 1.0

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n k"]:
        """F at each token."""
        half = x.shape[-1] // 2
        keys = points[..., :half]
        lengths = -(keys * keys).sum(-1) / (2 * self.sigma**2)
        return softmax_average(x[..., :half] / self.sigma**2, keys, points[..., half:], weights, seen, lengths) - x[..., half:]
