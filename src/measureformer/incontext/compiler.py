"""From sums of products of one-head functions to a Transformer of width d + 3 d', layer by layer."""

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from ..fields import MultiHead, Softmax
from ..measures import Empirical
from .algebra import OneHead, Products
from .maps import InContextMap, layer_map, pointwise


class Block(eqx.Module):
    r"""What one factor becomes on tokens (x | u | p | s): an affine layer, attention of d' heads of dimension 1, and a gate.

    $$ u \leftarrow a x + b; \qquad u_j \leftarrow u_j + \text{head}_j, \text{ scores } c_j u_j u_j', \text{ values } v_j u_j'; \qquad
       p \leftarrow p \odot u; $$
    and, after the last factor of a product, $s \leftarrow s + \alpha p$, $p \leftarrow 1$.

    Args:
        head: the factor.
        alpha: (k,) after the last factor of a product, else None.
    """

    head: OneHead
    alpha: Array | None = None

    def attention(self, d: int) -> MultiHead:
        """The heads, on tokens of width d + 3k; the residual connection adds to u alone."""
        k = self.head.b.shape[0]
        unit = np.eye(d + 3 * k)[d : d + k]
        heads = tuple(Softmax(1.0, self.head.c[j] * unit[j : j + 1], unit[j : j + 1], self.head.v[j] * unit[j : j + 1]) for j in range(k))
        return MultiHead(heads, tuple(unit[j : j + 1].T for j in range(k)))


class Compiled(eqx.Module):
    """A Transformer made of blocks: width d + 3k, k heads, depth sum_i T_i.

    Attributes:
        blocks: in their order.
        constant: (k,), the sum of the products without factors; s starts there.
        squarings: None for exact products; else ReLU gates with so many levels.
        bound: |u|, |p| <= bound is assumed by the ReLU gates.
    """

    blocks: tuple[Block, ...]
    constant: Array
    dimension: int = eqx.field(static=True)
    squarings: int | None = eqx.field(static=True, default=None)
    bound: float = eqx.field(static=True, default=1.0)

    @property
    def width(self) -> int:
        """Of the tokens, d + 3k."""
        return self.dimension + 3 * self.constant.shape[0]

    @property
    def heads(self) -> int:
        """Of each attention layer."""
        return self.constant.shape[0]

    @property
    def depth(self) -> int:
        """The number of attention layers."""
        return len(self.blocks)

    def as_map(self) -> InContextMap:
        """The composition of all layers, between an affine embedding and the projection on s."""
        d, k = self.dimension, self.heads

        def embed(x):
            xp = namespace(x)
            rows = xp.ones((x.shape[0], 1), x.dtype)
            return xp.concatenate([x, xp.zeros((x.shape[0], k), x.dtype), xp.broadcast_to(rows, (x.shape[0], k)), rows * self.constant], 1)

        whole = pointwise(embed)
        for block in self.blocks:
            whole = whole >> pointwise(lambda z, b=block: self._affine(z, b)) >> layer_map(block.attention(d))
            whole = whole >> pointwise(lambda z, b=block: self._gate(z, b))
        return whole >> pointwise(lambda z: z[:, d + 2 * k :])

    def _affine(self, z, block):
        x, _, p, s = self._parts(z)
        return namespace(z).concatenate([x, x @ block.head.a.T + block.head.b, p, s], 1)

    def _gate(self, z, block):
        xp = namespace(z)
        x, u, p, s = self._parts(z)
        p = p * u if self.squarings is None else relu_product(p, u, self.squarings, self.bound)
        if block.alpha is not None:
            s, p = s + block.alpha * p, xp.ones_like(p)
        return xp.concatenate([x, u, p, s], 1)

    def _parts(self, z):
        d, k = self.dimension, self.heads
        return z[:, :d], z[:, d : d + k], z[:, d + k : d + 2 * k], z[:, d + 2 * k :]


def compile_products(products: Products, d: int, *, squarings: int | None = None, bound: float | None = None) -> Compiled:
    r"""The Transformer that computes $\sum_i \alpha_i \odot \prod_t \gamma_{i,t}$.

    With exact gates the two agree to rounding. With ReLU gates each product errs by at most ``gate_error(squarings, bound)``, which falls
    like $4^{-m}$ with the number m of levels.

    Args:
        products: the sum.
        d: dimension of the tokens.
        squarings: None for exact products, or the number m of levels of each ReLU gate.
        bound: of |u| and |p| along the way; needed for ReLU gates (``largest_factor`` finds it on given measures).

    Raises:
        InputError: ReLU gates without a positive bound, or with less than one level.

    References:
        Furuya, de Hoop, Peyré, arXiv:2408.01367, Theorem 1 (width d + 3 d', d' heads); Yarotsky, arXiv:1610.01145 (squares by ReLU).
    """
    if squarings is not None and (squarings < 1 or bound is None or not bound > 0):
        raise InputError(f"squarings = {squarings} needs at least one level and a bound > 0 (got {bound}); see largest_factor")
    blocks, constant = [], np.zeros(products.alpha.shape[1])
    for alpha, product in zip(products.alpha, products.factors, strict=True):
        if not product:
            constant = constant + alpha
        for t, head in enumerate(product):
            blocks.append(Block(head, alpha if t == len(product) - 1 else None))
    return Compiled(tuple(blocks), constant, d, squarings, 1.0 if bound is None else float(bound))


def relu_square(x: Float[Array, "*shape"], levels: int) -> Float[Array, "*shape"]:
    r"""x^2 for |x| <= 1 by ReLU alone: $|x| - \sum_{m \le levels} g_m(|x|)/4^m$ with the sawtooth $g_m$ of 2^{m-1} teeth; it
    interpolates the square at multiples of 2^-levels, so it errs by at most $4^{-levels - 1}$."""
    xp = namespace(x)

    def relu(y):
        return xp.maximum(y, 0)

    tooth = relu(x) + relu(-x)
    square = tooth
    for m in range(1, levels + 1):
        tooth = 2 * relu(tooth) - 4 * relu(tooth - 0.5) + 2 * relu(tooth - 1)
        square = square - tooth / 4**m
    return square


def relu_product(u: Float[Array, "*shape"], v: Float[Array, "*shape"], levels: int, bound: float) -> Float[Array, "*shape"]:
    """u v = ((u + v)^2 - (u - v)^2) / 4 with ``relu_square``, for |u|, |v| <= bound."""
    scale = 2 * bound
    return bound**2 * (relu_square((u + v) / scale, levels) - relu_square((u - v) / scale, levels))


def gate_error(levels: int, bound: float) -> float:
    """The largest error of ``relu_product`` for |u|, |v| <= bound."""
    return bound**2 * 4.0 ** (-levels - 1)


def largest_factor(products: Products, mu: Empirical, x: Float[Array, "q d"]) -> float:
    """The largest |gamma| and partial product met at these points: a bound for ReLU gates."""
    largest = 1.0
    for product in products.factors:
        value = 1.0
        for gamma in product:
            factor = gamma(mu, x)
            value = value * factor
            largest = max(largest, float(abs(factor).max()), float(abs(value).max()))
    return largest
