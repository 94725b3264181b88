"""Approximation of a labelled in-context map, and of a velocity, by linear regression: convex, without training."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..fields import MultiHead, ParticleField
from ..measures import Empirical
from .algebra import Products
from .blackbox import MeasureMap
from .constants import Lipschitz, depth_error, velocity_error
from .recovery import recover

Labelled = Sequence[tuple[Empirical, Any, Any]]  # (mu, x (q, d), G(mu, x) (q, k)); x on the support and off it


@dataclass(frozen=True)
class Errors:
    """Root mean square and largest distance of two maps over a set of labelled points."""

    rms: float
    largest: float


def errors_of(G: Any, data: Labelled) -> Errors:
    """How far G is from the labels."""
    distances = np.concatenate([np.linalg.norm(np.asarray(G(mu, x)) - np.asarray(y), axis=1) for mu, x, y in data])
    return Errors(float(np.sqrt(np.mean(distances**2))), float(distances.max()))


def labelled_by(f: MeasureMap, questions: Sequence[tuple[Empirical, Any]], *, eps: float = 1e-10) -> list[tuple[Empirical, Any, Any]]:
    """Labels from a black box: (mu, x) becomes (mu, x, G(mu, x)), by tagging masses (``recover``). A map that is only seen from outside can
    thus be fitted like one that is known.

    Raises:
        InputError: a grain is not found again: f does not keep supports there.
    """
    data = []
    for mu, x in questions:
        found = recover(f, mu, x, eps=eps, halve=False)
        if not found.found:
            raise InputError(f"at {mu.size} atoms the mass put at {x[int(np.isnan(found.values).any(axis=1).argmax())]} is not found again")
        data.append((mu, x, found.values))
    return data


def fit_products(products: Products, data: Labelled, *, ridge: float = 1e-9) -> Products:
    """The coefficients alpha of the products by ridge regression on labelled points; ``compile_products`` makes a Transformer of them.

    Args:
        products: features; ``random_products`` makes some.
        data: (mu, x, G(mu, x)).
        ridge: the penalty, relative to the mean square of the features.

    Raises:
        InputError: there are no data.
    """
    if not data:
        raise InputError("data is empty; give triples (mu, x, G(mu, x))")
    features = np.concatenate([np.asarray(products.terms(mu, x)) for mu, x, _ in data], axis=1)
    labels = np.concatenate([np.asarray(y) for *_, y in data])
    alpha = np.stack([_ridge(features[:, :, j].T, labels[:, j : j + 1], ridge)[:, 0] for j in range(labels.shape[1])], 1)
    return Products(alpha, products.factors)


@dataclass(frozen=True)
class Matching:
    """A velocity that was matched.

    Attributes:
        field: sum_h W_h A_h, in the space of the target.
        rms, delta: root mean square and largest error of the velocity on held-out points.
    """

    field: ParticleField
    rms: float
    delta: float

    def certificate(self, constants: Lipschitz, horizon: float, layers: int) -> float:
        r"""$\delta (e^{\Lambda T} - 1)/\Lambda + \tfrac{C h}{2}(e^{\Lambda T} - 1)/\Lambda$: the error of that many layers.

        It holds where delta, which was measured at finitely many points, bounds the error of the velocity.

        Args:
            constants: of the matched field, with its size.
            horizon: T.
            layers: L.
        """
        return velocity_error(self.delta, constants, horizon) + depth_error(constants, horizon, layers)


def match_velocity(target: Any, heads: Sequence[Any], data: Sequence[tuple[Empirical, Any]], *, ridge: float = 1e-12) -> Matching:
    """Output matrices W_h with sum_h W_h A_h[mu](x) close to the velocity, by ridge regression; a third of the data is held out.

    Args:
        target: the field of a Vlasov equation, called as ``target(x, points, weights, t)``, at t = 0.
        heads: laws A_h: ``Softmax`` at several temperatures, ``Neurons`` for what does not depend on the measure.
        data: (mu, x).
        ridge: relative penalty.

    Raises:
        InputError: fewer than three data.
    """
    if len(data) < 3:
        raise InputError(f"data has {len(data)} pairs (mu, x); at least 3 are needed, a third is held out")

    def values(part):
        rows = [np.concatenate([np.asarray(h(x, mu.points, mu.weights, 0.0)) for h in heads], 1) for mu, x in part]
        return np.concatenate(rows), np.concatenate([np.asarray(target(x, mu.points, mu.weights, 0.0)) for mu, x in part])

    features, labels = values([pair for k, pair in enumerate(data) if k % 3])
    W = _ridge(features, labels, ridge)
    held_out, truth = values(data[::3])
    off = np.linalg.norm(held_out @ W - truth, axis=1)
    sizes = [h(data[0][1][:1], data[0][0].points, data[0][0].weights, 0.0).shape[1] for h in heads]
    outputs = tuple(np.ascontiguousarray(part.T) for part in np.split(W, np.cumsum(sizes)[:-1]))
    return Matching(ParticleField(MultiHead(tuple(heads), outputs), target.space), float(np.sqrt(np.mean(off**2))), float(off.max()))


def _ridge(features: np.ndarray, labels: np.ndarray, ridge: float) -> np.ndarray:
    """Least squares with a penalty, columns scaled to unit mean square."""
    scale = np.sqrt(np.mean(features**2, axis=0))
    scale = np.where(scale > 0, scale, 1)
    U, s, Vt = np.linalg.svd(features / scale, full_matrices=False)
    return ((Vt.T * (s / (s**2 + ridge * len(features)))) @ (U.T @ labels)) / scale[:, None]
