"""Black boxes: maps of measures that are only seen from outside, with atoms in no particular order, perhaps several at a place."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from ..errors import InputError
from ..measures import Empirical

# Atoms of an image whose distance is less than this fraction of their norm are one atom.
SAME_PLACE = 1e-13
_MASS = {np.dtype(np.float64): 1e-9, np.dtype(np.float32): 1e-4}


@dataclass(frozen=True)
class Image:
    """The image of a measure, equal places merged.

    Attributes:
        points: (m, k), different from each other.
        weights: (m,), as the function returned them, summed at each place.
        tolerance: relative error to expect in a mass (it depends on the dtype that the function works in).
    """

    points: np.ndarray
    weights: np.ndarray
    tolerance: float

    @property
    def diameter(self) -> float:
        """Largest distance of two atoms, up to a factor of the root of the dimension."""
        return float(np.linalg.norm(np.ptp(self.points, axis=0)))


class Undefined(InputError):
    """The function returned numbers that are not finite."""


class MeasureMap:
    """A map f of measures as a user writes it: ``function(points (n, d), weights (n,)) -> (points (m, k), weights (m,))``.

    ``f(points, weights)`` calls it on copies, checks what comes back and merges equal places. It counts its calls.

    Args:
        function: in NumPy, JAX or anything that ``np.asarray`` takes.

    Raises:
        InputError: (when called) the result is not a pair of arrays of fitting shapes, a weight is negative, they do not sum to 1 within
            1e-5, or something is not finite.
    """

    def __init__(self, function: Callable[[Any, Any], Any]):
        self.function = function
        self.calls = 0

    def __call__(self, points: Float[np.ndarray, "n d"], weights: Float[np.ndarray, " n"]) -> Image:
        """f(mu), equal places merged."""
        y, b = self.raw(points, weights)
        tolerance = max(_MASS.get(b.dtype, 1e-2), _MASS.get(y.dtype, 1e-2) if y.dtype != np.float64 else 0.0)
        return Image(*merged(y.astype(float), b.astype(float)), tolerance)

    def raw(self, points: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What the function returns, checked: positions and masses in its order."""
        self.calls += 1
        with np.errstate(all="ignore"):
            found = self.function(np.array(points, float), np.array(weights, float))
        if not isinstance(found, tuple | list) or len(found) != 2:
            raise InputError(f"the function returned {type(found).__name__}; it must return a pair: points (m, k) and weights (m,)")
        y, b = (_numbers(part, name) for part, name in zip(found, ("points", "weights"), strict=True))
        if y.ndim != 2 or b.shape != y.shape[:1] or not y.size:
            raise InputError(
                f"the function returned points of shape {y.shape} and weights of shape {b.shape}; they must be (m, k) and (m,)"
            )
        if not (np.isfinite(y).all() and np.isfinite(b).all()):
            raise Undefined(f"the function returned numbers that are not finite at points {_shown(points)} with weights {_shown(weights)}")
        if b.min() < 0 or abs(float(b.astype(float).sum()) - 1) > 1e-5:
            raise InputError(
                f"the weights returned sum to {float(b.sum()):.9g}, the smallest is {float(b.min()):.3g}; they must be >= 0 and sum to 1"
            )
        return y, b


def measure_map(G: Any) -> MeasureMap:
    """An in-context map as a black box: the atoms of f_G(mu) come sorted, so that their order says nothing."""

    def function(points, weights):
        moved = G.push(Empirical(points, weights))
        y, b = np.asarray(moved.points), np.asarray(moved.weights)
        order = np.lexsort(y.T)
        return y[order], b[order]

    return MeasureMap(function)


def merged(points: Float[np.ndarray, "m k"], weights: Float[np.ndarray, " m"]) -> tuple[np.ndarray, np.ndarray]:
    """Atoms at the same place (up to rounding) become one with the sum of their masses; atoms without mass are dropped."""
    points, weights = points[weights > 0], weights[weights > 0]
    if len(points) == 1:
        return points, weights
    order = np.lexsort(points.T[::-1])
    y, b = points[order], weights[order]
    size = SAME_PLACE * np.linalg.norm(y, axis=1)
    label = np.arange(len(y))
    for i in range(1, len(y)):
        # in the order of the first coordinate: whoever is as near as that stands next to it
        low = np.searchsorted(y[:, 0], y[i, 0] - size[i]) if y.shape[1] > 1 else i - 1
        near = low + np.flatnonzero(np.linalg.norm(y[low:i] - y[i], axis=1) <= size[i])
        label[i] = label[near[0]] if near.size else i
    _, label = np.unique(label, return_inverse=True)
    label = label.reshape(-1)
    count = label.max() + 1
    total = np.bincount(label, b, count)
    heaviest = np.lexsort((-b, label))
    first = np.searchsorted(label[heaviest], np.arange(count))
    return y[heaviest[first]], total


def _numbers(part: Any, name: str) -> np.ndarray:
    try:
        array = np.asarray(part)
    except (TypeError, ValueError) as error:
        raise InputError(f"the {name} returned are no array ({error}); they must be numbers") from None
    if array.dtype.kind not in "fiu":
        raise InputError(f"the {name} returned have dtype {array.dtype}; they must be real numbers")
    return array if array.dtype.kind == "f" else array.astype(float)


def _shown(array: np.ndarray) -> str:
    return np.array2string(np.asarray(array), threshold=8, precision=6).replace("\n", " ")
