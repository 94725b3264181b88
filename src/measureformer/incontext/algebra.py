"""The algebra of one-head functions: sums of products of them are dense in the continuous in-context maps."""

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from ..fields.pairs import softmax_average
from ..measures import Empirical
from .maps import InContextMap


class OneHead(eqx.Module):
    r"""d' one-head functions side by side, one for each output:

    $$ \gamma(\mu, x) = u_x + v \frac{\int e^{c\, u_x u_y} u_y \, \mu(dy)}{\int e^{c\, u_x u_y} \, \mu(dy)},
       \qquad u_x = \langle a, x \rangle + b. $$

    Args:
        a: shape (k, d).
        b, c, v: shape (k,) each.

    References:
        Furuya, de Hoop, Peyré, arXiv:2408.01367, elementary functions of the proof.
    """

    a: Float[Array, "k d"]
    b: Float[Array, " k"]
    c: Float[Array, " k"]
    v: Float[Array, " k"]

    def __call__(self, mu: Empirical, x: Float[Array, "q d"]) -> Float[Array, "q k"]:
        """gamma(mu, x)."""
        xp = namespace(x, mu.points, self.a)
        u, atoms = x @ self.a.T + self.b, mu.points @ self.a.T + self.b
        columns = []
        for j in range(self.a.shape[0]):
            own = atoms[:, j : j + 1]
            columns.append(u[:, j] + self.v[j] * softmax_average(self.c[j] * u[:, j : j + 1], own, own, mu.weights)[:, 0])
        return xp.stack(columns, 1)


class Products(eqx.Module):
    r"""$\Lambda(\mu, x) = \sum_i \alpha_i \odot \prod_t \gamma_{i,t}(\mu, x)$.

    Args:
        alpha: shape (I, k).
        factors: for each i its one-head functions; a product of none is 1.

    Raises:
        InputError: not as many products as rows of alpha.
    """

    alpha: Float[Array, "I k"]
    factors: tuple[tuple[OneHead, ...], ...]

    def __check_init__(self):
        if hasattr(self.alpha, "shape") and self.alpha.shape[0] != len(self.factors):
            raise InputError(f"alpha has {self.alpha.shape[0]} rows for {len(self.factors)} products; give one row for each")

    @property
    def depth(self) -> int:
        """The number of attention layers of the compiled Transformer, sum_i T_i."""
        return sum(len(product) for product in self.factors)

    def terms(self, mu: Empirical, x: Float[Array, "q d"]) -> Float[Array, "I q k"]:
        """The products."""
        xp = namespace(x, self.alpha)
        found = []
        for product in self.factors:
            value = xp.ones((x.shape[0], self.alpha.shape[1]), x.dtype)
            for gamma in product:
                value = value * gamma(mu, x)
            found.append(value)
        return xp.stack(found)

    def as_map(self) -> InContextMap:
        """Lambda, evaluated from its formula."""
        return InContextMap(lambda mu, x: (self.alpha[:, None] * self.terms(mu, x)).sum(0), "sum of products")


def random_products(rng: np.random.Generator, count: int, d: int, k: int, *, factors: int = 2, scale: float = 1.0) -> Products:
    """``count`` products of at most ``factors`` random one-head functions, with alpha = 0: features for ``fit_products``."""

    def head() -> OneHead:
        a = scale * rng.normal(size=(k, d)) / np.sqrt(d)
        return OneHead(a, scale * rng.normal(size=k), 2 * rng.normal(size=k), rng.normal(size=k))

    return Products(np.zeros((count, k)), tuple(tuple(head() for _ in range(i % (factors + 1))) for i in range(count)))
