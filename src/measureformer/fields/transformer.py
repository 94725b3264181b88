"""The field of a Transformer on the sphere: attention and perceptron, projected on the tangent space."""

from typing import Any, ClassVar

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, OptionalArray, namespace
from ..errors import InputError
from ..geometry import Sphere, tangent
from .attention import attention
from .perceptron import perceptron


class TransformerField(eqx.Module):
    r"""One value of the parameters theta = (V, B, W, U, b), and the vector field that it stands for:

    $$ v[\mu](x) = P_x \bigl( V A_B[\mu](x) + W (U x + b)_+ \bigr), \qquad P_x = I - x x^\top. $$

    ``None`` means zero: without V there is no attention; V without B is attention to the mean; without W there is no perceptron.

    Args:
        V: value matrix, shape (d, d).    B: score matrix, shape (d, d).
        W: outer weights, shape (d, h).   U: inner weights, shape (h, d).   b: biases, shape (h,).

    Raises:
        InputError: a shape does not fit the others.

    References:
        Geshkovski, Rigollet, Ruiz-Balet, arXiv:2411.04551v3, Section 1.
    """

    V: OptionalArray = None
    B: OptionalArray = None
    W: OptionalArray = None
    U: OptionalArray = None
    b: OptionalArray = None

    space: ClassVar[Sphere] = Sphere()

    def __check_init__(self):
        d, h = self.dimension, self.width
        for name, shape in (("V", (d, d)), ("B", (d, d)), ("W", (d, h)), ("U", (h, d)), ("b", (h,))):
            value = getattr(self, name)
            if hasattr(value, "shape") and value.shape != shape:
                raise InputError(f"{name} must have shape {shape} to fit the other parameters, got {value.shape}")

    @property
    def dimension(self) -> int | None:
        """d, or None for the zero field."""
        return next((M.shape[0] for M in (self.V, self.W, self.B) if hasattr(M, "shape")), None)

    @property
    def width(self) -> int:
        """The number of neurons h (0 without perceptron)."""
        return self.W.shape[1] if hasattr(self.W, "shape") else 0

    def __call__(
        self, x: Float[Array, "*batch n d"], points: Float[Array, "*batch m d"], weights: Float[Array, "*batch m"], t: Any = 0.0
    ) -> Float[Array, "*batch n d"]:
        """v[mu](x) for mu = sum_j weights_j delta_{points_j}, the same at all times t; leading axes are batches of measures."""
        v = namespace(x).zeros_like(x)
        if self.V is not None:
            v = v + attention(x, points, weights, self.B) @ self.V.T
        if self.W is not None:
            v = v + perceptron(x, self.W, self.U, self.b)
        return tangent(x, v)

    def scaled(self, c: float) -> "TransformerField":
        """c v: V and W are multiplied by c (B, U and b are not: the field is linear in V and W only). c = -1 runs it backwards."""
        return TransformerField(
            V=None if self.V is None else c * self.V, B=self.B, W=None if self.W is None else c * self.W, U=self.U, b=self.b
        )

    def norm(self) -> float:
        """|theta|: the Euclidean norm of all the entries of (V, B, W, U, b) together."""
        return float(np.sqrt(sum(float((np.asarray(M) ** 2).sum()) for M in (self.V, self.B, self.W, self.U, self.b) if M is not None)))
