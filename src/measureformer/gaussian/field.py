"""The field of a law on a Gaussian measure: affine where the law says so, and otherwise how far from affine it is."""

from typing import Any, NamedTuple

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from ..fields import L2, MultiHead, Scaled
from ..measures import Gaussian

_NODES = {1: 80, 2: 32, 3: 14}  # Gauss-Hermite nodes in each direction
_SAMPLE = 3000  # tokens where there are too many directions


class Affine(NamedTuple):
    """x -> u + B (x - m): the velocity of the mean, shape (*batch, d), and the matrix, shape (*batch, d, d)."""

    u: Array
    B: Array


class Defect(NamedTuple):
    """The best affine field on a measure, and what it leaves: the root mean square of the rest over that of the field (1: all of it)."""

    residual: float
    nearest: Affine


def affine_field(law: Any, gaussian: Gaussian, t: Any = 0.0) -> Affine:
    r"""(u, B) with $A[\mu](x) = u + B (x - m)$ on $\mu = N(m, S)$. Then $\mu$ stays Gaussian, $m' = u$ and $S' = B S + S B^\top$.

    Args:
        law: an attention law, see ``fields.pairs``; in R^d.
        gaussian: one measure or a batch; NumPy or JAX.
        t: time, for parameters that are functions of it.

    Raises:
        InputError: the law does not preserve Gaussians (the message has the residual of the best affine field), has parameters for which
            its integral diverges, or is for another dimension.

    References:
        Castin, Ablin, Carrillo, Peyré, arXiv:2501.18322; each law's formula stands in its ``on_gaussian``.
    """
    check_closed(law, gaussian)
    u, B = law.on_gaussian(gaussian.mean, gaussian.cov, t)
    d = gaussian.dimension
    if u.shape[-1] != d:
        raise InputError(f"the law returns vectors of dimension {u.shape[-1]}, the measure has {d}; V must be square")
    return Affine(u, B)


def covariance_rate(law: Any, gaussian: Gaussian, t: Any = 0.0) -> Float[Array, "*batch d d"]:
    """S' = B S + S B^T."""
    half = affine_field(law, gaussian, t).B @ gaussian.cov
    return half + namespace(half).swapaxes(half, -1, -2)


def keeps_gaussians(law: Any) -> bool:
    """Whether every part of the law says its affine field."""
    if isinstance(law, MultiHead):
        return all(keeps_gaussians(head) for head in law.heads)
    if isinstance(law, Scaled):
        return keeps_gaussians(law.law)
    return hasattr(law, "on_gaussian")


def check_closed(law: Any, gaussian: Gaussian) -> None:
    """Refuse what does not preserve Gaussians.

    Raises:
        InputError: see ``affine_field``.
    """
    if not keeps_gaussians(law):
        raise InputError(f"{_name(law)}: Gaussian measures are not preserved ({_measured(law, gaussian)}); run a cloud of tokens instead")
    for part in parts_of(law):
        if isinstance(part, L2) and isinstance(part.beta, int | float) and part.beta < 0:
            raise InputError(
                f"beta = {part.beta} of the law l2 is negative, and e^(-beta |Qx - Ky|^2) may not be integrable; take beta >= 0"
            )


def parts_of(law: Any) -> list[Any]:
    """The laws that a law is made of, itself if it is simple."""
    if isinstance(law, MultiHead):
        return [part for head in law.heads for part in parts_of(head)]
    return parts_of(law.law) if isinstance(law, Scaled) else [law]


def closure_defect(law: Any, gaussian: Gaussian, t: Any = 0.0) -> Defect:
    r"""How far the field of any law is from affine on N(m, S):

    $$ \min_{u, B} \frac{\| A[\mu] - u - B (\cdot - m) \|_{L^2(\mu)}}{\| A[\mu] \|_{L^2(\mu)}} . $$

    By Gauss-Hermite quadrature up to dimension 3, on 3000 tokens in higher ones (NumPy).

    Args: as in ``affine_field``, one measure.

    Raises:
        InputError: a batch; or the law itself refuses the nodes of the quadrature.
    """
    if gaussian.batch:
        raise InputError(f"the defect is measured for one measure, and this is a batch of shape {gaussian.batch}")
    z, w = standard_nodes(gaussian.dimension)
    x = np.asarray(gaussian.from_standard(z))
    return best_affine(x, w, np.asarray(law(x, x, w, t)), np.asarray(gaussian.mean))


def best_affine(x: np.ndarray, w: np.ndarray, v: np.ndarray, mean: np.ndarray) -> Defect:
    """The affine field u + B (x - mean) next to the values v (n, d) at x (n, d) in L^2 of the weights."""
    inputs = np.concatenate([np.ones((len(x), 1)), x - mean], axis=1)
    root = np.sqrt(w)[:, None]
    fit = np.linalg.lstsq(root * inputs, root * v, rcond=None)[0]
    size = np.sqrt((w[:, None] * v * v).sum())
    rest = np.sqrt((w[:, None] * (v - inputs @ fit) ** 2).sum())
    return Defect(float(rest / size) if size else 0.0, Affine(fit[0], fit[1:].T))


def standard_nodes(d: int, nodes: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (n, d) and weights (n,) of a quadrature for N(0, I): Gauss-Hermite, or a fixed sample of mean 0 and covariance I if d > 3."""
    if d not in _NODES:
        sample = Gaussian(np.zeros(d), np.eye(d)).sample(_SAMPLE, whitened=True)
        return np.asarray(sample.points), np.asarray(sample.weights)
    one, mass = np.polynomial.hermite_e.hermegauss(nodes or _NODES[d])
    grid = np.stack(np.meshgrid(*[one] * d, indexing="ij"), -1).reshape(-1, d)
    weights = np.prod(np.stack(np.meshgrid(*[mass] * d, indexing="ij"), -1).reshape(-1, d), 1)
    return grid, weights / weights.sum()


def _name(law: Any) -> str:
    return law.about.name if hasattr(law, "about") else type(law).__name__


def _measured(law: Any, gaussian: Gaussian) -> str:
    """What the refusal says of the best affine field."""
    one = gaussian
    if gaussian.batch:
        first = tuple(0 for _ in gaussian.batch)
        one = eqx.tree_at(lambda g: (g.mean, g.cov), gaussian, (gaussian.mean[first], gaussian.cov[first]))
    try:
        return f"the best affine field misses {100 * closure_defect(law, one).residual:.3g} % of the field in L^2"
    except InputError as error:
        return f"its field cannot even be integrated: {error}"
