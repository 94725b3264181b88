"""Arrays that stay in a file until they are indexed."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np


class OnDisk:
    """An array (T, ...) that is read when it is indexed, one of its T entries at a time: any index that NumPy takes, any number of axes.

    Args:
        read: gives entry k.
        shape: of the whole.
    """

    def __init__(self, read: Callable[[int], np.ndarray], shape: tuple[int, ...]):
        self._read, self.shape = read, shape

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any) -> np.ndarray:
        first, *rest = index if isinstance(index, tuple) else (index,)
        if first is Ellipsis:
            first, rest = slice(None), [Ellipsis, *rest]
        picked, inner = np.arange(len(self))[first], tuple(rest)
        if picked.ndim == 0:
            return np.array(self._read(int(picked))[inner])
        if not len(picked):
            return np.empty((0, *self.shape[1:]))[(slice(None), *inner)]
        return np.stack([np.array(self._read(int(k))[inner]) for k in picked])  # copies: a view would keep all that was read

    def __iter__(self) -> Iterator[np.ndarray]:
        return (self[k] for k in range(len(self)))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self[:], dtype)

    def __repr__(self) -> str:
        return f"OnDisk(shape={self.shape})"
