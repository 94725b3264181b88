"""Sums over pairs, the whole matrix at once, in NumPy float64."""

import numpy as np


def scores(z, y):
    return np.einsum("...id,...jd->...ij", z.astype(float), y.astype(float))


def exponential_sums(z, y, w, v, allowed=True):
    """The barycentre (zero where nothing counts) and the logarithm of the mass (minus infinity there)."""
    counted = (w[..., None, :] > 0) & allowed
    s = np.where(counted, scores(z, y), -np.inf)
    top = s.max(-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0)
    share = np.where(counted, np.exp(s - top), 0) * w[..., None, :]
    mass = share.sum(-1)
    with np.errstate(divide="ignore"):
        return np.einsum("...ij,...jk->...ik", share, v) / np.where(mass > 0, mass, 1)[..., None], top[..., 0] + np.log(mass)
