"""Means over repetitions with Student's intervals, for one place or for a whole grid."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from .store import Store


class Mean(NamedTuple):
    """Means, half the widths of their confidence intervals, standard deviations, and the numbers of values."""

    mean: np.ndarray
    half: np.ndarray
    std: np.ndarray
    number: np.ndarray


def student(values: np.ndarray, axes: tuple[int, ...], confidence: float) -> Mean:
    r"""For k values with mean m and standard deviation s, $m \pm t_{k-1} s / \sqrt k$, where t is the quantile of Student's distribution.

    Values that are not finite are left out; a single one has no interval (NaN), none has no mean either.
    """
    from scipy.stats import t

    known = np.isfinite(values)
    k = known.sum(axis=axes)
    total = np.where(known, values, 0.0).sum(axis=axes)
    mean = np.where(k > 0, total / np.maximum(k, 1), np.nan)
    off = np.where(known, values - np.expand_dims(np.nan_to_num(mean), axes), 0.0)
    std = np.where(k > 1, np.sqrt((off**2).sum(axis=axes) / np.maximum(k - 1, 1)), np.nan)
    half = t.ppf((1 + confidence) / 2, np.maximum(k - 1, 1)) * std / np.sqrt(np.maximum(k, 1))
    return Mean(mean, half, std, k)


@dataclass(frozen=True)
class Quantity:
    """A result over the axes of the grid that are no repetitions, and over its own: their names in the order of the arrays."""

    name: str
    axes: tuple[str, ...]
    values: Mean


def quantities(store: Store) -> Iterator[Quantity]:
    """Every result that is a number, one after the other."""
    plan = store.plan
    repeats = tuple(k for k, axis in enumerate(plan.axes) if axis.repeats)
    drawn = plan.ensemble.laws if plan.ensemble else {}
    keys = tuple(axis.key for axis in plan.axes if not axis.repeats)
    for name, variable in store.layout.variables.items():
        if variable.form != "text" and name not in drawn:
            values = np.asarray(store.arrays[name][...], float)
            yield Quantity(name, (*keys, *variable.axes), student(values, repeats, plan.confidence))


def coordinates(store: Store) -> dict[str, np.ndarray]:
    """The labels of all these axes by name."""
    own = {axis.key: axis.labels for axis in store.plan.axes if not axis.repeats}
    return {**own, **store.layout.coordinates}
