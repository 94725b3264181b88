"""Sums of masses: which old atoms make up a new one."""

import numpy as np
from jaxtyping import Float, Int


def subset_sums(a: Float[np.ndarray, " n"]) -> tuple[Float[np.ndarray, " s"], Int[np.ndarray, " s"]]:
    """All 2^n sums of subsets of a in increasing order, and the subset of each as a number whose binary digits name its members."""
    sums = np.zeros(1)
    for value in a:
        sums = np.concatenate([sums, sums + value])
    order = np.argsort(sums, kind="stable")
    return sums[order], order


def doubling_masses(n: int) -> Float[np.ndarray, " n"]:
    """2^{i-1} / (2^n - 1): every sum of them is a whole number of quanta, and its binary digits say which subset it is."""
    return 2.0 ** np.arange(n) / (2**n - 1)


def digits(code: int, n: int) -> list[int]:
    """The members of the subset that a number stands for."""
    return [i for i in range(n) if code >> i & 1]
