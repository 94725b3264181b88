"""Causal attention with Gaussian conditionals: closed only where position says nothing about the token."""

from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..measures import Gaussian
from .field import Defect, best_affine, check_closed, standard_nodes
from .flow import GaussianFlow, gaussian_flow


def masked_gaussian_flow(law: Any, labels: Float[np.ndarray, " K"], conditionals: Gaussian, horizon: float, **options: Any) -> GaussianFlow:
    r"""The flow of a measure on labels times R^d, whose conditional at label s is N(m^s, S^s), under a causal mask.

    A token at s averages over all labels up to s, so over a mixture of Gaussians. If all conditionals are the same Gaussian, every such
    mixture is that Gaussian again, and the flow is that without a mask; otherwise Gaussians are not preserved.

    Args:
        law: one that keeps Gaussians.
        labels: s of each conditional, increasing.
        conditionals: a batch of shape (K,).
        horizon, options: as in ``gaussian_flow``.

    Returns:
        The flow of each conditional, a batch of shape (K,).

    Raises:
        InputError: labels that do not increase; conditionals that differ (the message has the residual of the best affine field at the
            last label).
    """
    _check(law, labels, conditionals)
    same = (conditionals.mean == conditionals.mean[:1]).all() and (conditionals.cov == conditionals.cov[:1]).all()
    if not same:
        rest = masked_defect(law, conditionals).residual
        raise InputError(
            "conditionals depend on position: under a causal mask Gaussians are not preserved (at the last label the best affine field "
            f"misses {100 * rest:.3g} % of the field in L^2); run labelled tokens under the mask Labels instead"
        )
    return gaussian_flow(law, conditionals, horizon, **options)


def masked_defect(law: Any, conditionals: Gaussian) -> Defect:
    """How far from affine the field at the last label is, in L^2 of the conditional there; labels have equal masses.

    Args:
        law: any law.
        conditionals: a batch of shape (K,).
    """
    z, w = standard_nodes(conditionals.dimension)
    clouds = np.asarray(conditionals.from_standard(z))
    points, weights = clouds.reshape(-1, conditionals.dimension), np.tile(w / len(clouds), len(clouds))
    return best_affine(clouds[-1], w, np.asarray(law(clouds[-1], points, weights)), np.asarray(conditionals.mean[-1]))


def _check(law: Any, labels: np.ndarray, conditionals: Gaussian) -> None:
    if conditionals.batch != labels.shape:
        raise InputError(f"there are {len(labels)} labels and conditionals of shape {conditionals.batch}; give one for each label")
    if not (np.diff(labels) > 0).all():
        raise InputError(f"labels must increase, got {labels}")
    check_closed(law, conditionals)
