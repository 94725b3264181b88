"""The vocabulary of array types and the alphabet of shapes.

    n, m   atoms of a measure            d   ambient dimension
    N      measures                      h   width (neurons of a perceptron)
    T      saved times                   k   dimension of queries and keys
    K      segments of a schedule, or points matched over all measures

Functions of geometry, fields and exact flows are written against the array interface that NumPy and JAX share:
they return the kind of array (and the dtype) that they are given.
"""

from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Bool

if TYPE_CHECKING:  # the two libraries' stubs disagree on operators; shapes and dtypes are checked at run time in the tests
    Array: TypeAlias = Any
    OptionalArray: TypeAlias = Any
    Scalar: TypeAlias = Any
    Matrix: TypeAlias = Any
    Numbers: TypeAlias = Any
    Seen: TypeAlias = Any
else:
    Array: TypeAlias = np.ndarray | jax.Array
    OptionalArray: TypeAlias = np.ndarray | jax.Array | None
    Scalar: TypeAlias = float | int | np.ndarray | np.number | jax.Array
    Matrix: TypeAlias = np.ndarray | jax.Array | Callable[[Any], Any] | None  # constant, a function of time, or None for the identity
    # A number, an array, or a list of numbers: closed forms take what np.asarray takes, broadcast, and return NumPy
    Numbers: TypeAlias = int | float | np.ndarray | np.generic | list | tuple
    # What a point sees: (n, m) booleans, a mask of ``fields.masks``, or None for everything
    Seen: TypeAlias = Bool[np.ndarray, "n m"] | Bool[jax.Array, "n m"] | eqx.Module | None


def namespace(*arrays: Any) -> ModuleType:
    """The array library of the arguments: ``jax.numpy`` if any of them is a JAX array (or tracer), else ``numpy``."""
    return jax.numpy if any(isinstance(a, jax.Array) for a in arrays) else np
