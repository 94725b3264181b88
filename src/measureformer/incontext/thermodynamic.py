"""Unnormalised kernels from normalised heads: the logarithm of the normaliser is an integral over temperatures."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, Matrix, Scalar, Seen, namespace
from ..errors import InputError
from ..fields import Softmax
from ..fields.pairs import masses, transform


class Thermodynamic(eqx.Module):
    r"""$\int e^{s(x, y)} V y \, \mu(dy) = Z A$ with $s = \beta \langle Q x, K y \rangle$, from softmax heads alone:

    $$ \log Z(x) = \int_0^1 \frac{\int s\, e^{c s} \, d\mu}{\int e^{c s} \, d\mu} \, dc
       \approx \sum_k w_k\, \beta \langle Q x,\, A_k(x) \rangle, $$
    where the heads A_k average the keys K y at the temperatures $c_k \beta$ of the Gauss-Legendre rule on [0, 1]. A Transformer does this
    in one layer of attention with ``nodes`` + 1 heads, and a perceptron for the exponential and the products. Kernels without a normaliser
    are thus velocities that Transformers match; the error falls geometrically with the number of nodes.

    A law like ``fields.Unnormalised``, which is the same without the rule. Under a mask Z has the mass that is seen as a factor.

    Args:
        beta, Q, K, V: see ``fields.pairs``.
        nodes: of the rule.

    Raises:
        InputError: nodes < 1.

    References:
        The integral is thermodynamic integration; with scalar scores c -> A_k is the "Laplace-like transform" that separates measures in
        Furuya, de Hoop, Peyré, arXiv:2408.01367, Lemma 1.
    """

    beta: Scalar = 1.0
    Q: Matrix = None
    K: Matrix = None
    V: Matrix = None
    nodes: int = eqx.field(static=True, default=4)

    def __check_init__(self):
        if self.nodes < 1:
            raise InputError(f"nodes must be at least 1, got {self.nodes}")

    def __call__(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n k"]:
        """Z A."""
        value = Softmax(self.beta, self.Q, self.K, self.V)(x, points, weights, t, seen)
        return namespace(value).exp(self.log_normaliser(x, points, weights, t, seen))[..., None] * value

    def log_normaliser(
        self,
        x: Float[Array, "*batch n d"],
        points: Float[Array, "*batch m d"],
        weights: Float[Array, "*batch m"],
        t: Any = 0.0,
        seen: Seen = None,
    ) -> Float[Array, "*batch n"]:
        r"""$\log \int e^{s(x, y)} \mu(dy)$; with Q = K = I and beta = 1 the logarithm of the Laplace transform of mu."""
        places, shares = np.polynomial.legendre.leggauss(self.nodes)
        queries = self.beta * transform(self.Q, x, t, "Q")
        xp = namespace(x, weights)
        total = xp.log(masses(weights, seen, xp.arange(x.shape[-2])).sum(-1))
        for place, share in zip((places + 1) / 2, shares / 2, strict=True):
            head = Softmax(float(place) * self.beta, self.Q, self.K, self.K)
            total = total + float(share) * (queries * head(x, points, weights, t, seen)).sum(-1)
        return total
