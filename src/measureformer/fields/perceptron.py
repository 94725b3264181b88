"""The perceptron: one hidden layer of ReLU neurons, the same for every measure."""

from jaxtyping import Float

from .._types import Array, namespace


def perceptron(
    x: Float[Array, "*batch d"],
    W: Float[Array, "d h"],
    U: Float[Array, "h d"] | None = None,
    b: Float[Array, " h"] | None = None,
) -> Float[Array, "*batch d"]:
    """W (U x + b)_+ with h neurons. ``U=None`` and ``b=None`` stand for zero.

    References:
        Geshkovski, Rigollet, Ruiz-Balet, arXiv:2411.04551v3, Section 1.
    """
    xp = namespace(x, W, U, b)
    activation = xp.zeros((*x.shape[:-1], W.shape[1]), x.dtype) if U is None else x @ U.T
    if b is not None:
        activation = activation + b
    return xp.maximum(activation, 0) @ W.T
