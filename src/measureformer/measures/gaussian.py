"""Gaussian measures: N(m, S), degenerate ones among them."""

import equinox as eqx
import numpy as np
from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from .empirical import Empirical

_ROUNDING = 1e-10  # relative to the largest entry or eigenvalue


class Gaussian(eqx.Module):
    r"""$N(m, S)$ with S symmetric and positive semi-definite; a Dirac mass and what lives on a subspace are Gaussian too.

    Args:
        mean: m, shape (d,). Leading axes are a batch of measures.
        cov: S, shape (d, d), with the same leading axes, or none of its own.

    Raises:
        InputError: shapes that do not fit; for concrete NumPy input also NaN, infinity, a matrix that is not symmetric or has a negative
            eigenvalue (both up to rounding).

    Example:
        >>> mu = Gaussian([0.0, 0.0], [[2.0, 1.0], [1.0, 2.0]])
        >>> mu.rank()
        array(2)
    """

    mean: Float[Array, "*batch d"]
    cov: Float[Array, "*batch d d"]

    def __init__(self, mean, cov):
        xp = namespace(mean, cov)
        try:
            mean, cov = xp.asarray(mean), xp.asarray(cov)
        except ValueError:
            raise InputError("mean and cov must be arrays of numbers; the rows of cov need equal lengths") from None
        if xp is np and not all(np.issubdtype(a.dtype, np.number) and not np.iscomplexobj(a) for a in (mean, cov)):
            raise InputError(f"mean and cov must hold real numbers, got {mean.dtype} and {cov.dtype}")
        mean, cov = (a if xp.issubdtype(a.dtype, xp.floating) else a.astype(float) for a in (mean, cov))
        dtype = xp.promote_types(mean.dtype, cov.dtype)
        if mean.ndim < 1 or mean.shape[-1] == 0:
            raise InputError(f"mean must have shape (d,) with d >= 1, got {mean.shape}")
        d = mean.shape[-1]
        if cov.ndim < 2 or cov.shape[-2:] != (d, d):
            raise InputError(f"cov must have shape ({d}, {d}) for a mean of dimension {d}, got {cov.shape}")
        try:
            batch = np.broadcast_shapes(mean.shape[:-1], cov.shape[:-2])
        except ValueError:
            raise InputError(f"mean and cov are batches of shapes {mean.shape[:-1]} and {cov.shape[:-2]}, which do not fit") from None
        if xp is np:
            _check(mean, cov)
        self.mean = xp.broadcast_to(mean, (*batch, d)).astype(dtype)
        cov = xp.broadcast_to(cov, (*batch, d, d)).astype(dtype)
        self.cov = (cov + xp.swapaxes(cov, -1, -2)) / 2

    @property
    def dimension(self) -> int:
        """Ambient dimension d."""
        return self.mean.shape[-1]

    @property
    def batch(self) -> tuple[int, ...]:
        """Shape of the batch; () for one measure."""
        return self.mean.shape[:-1]

    def rank(self, rtol: float = 1e-9):
        """Number of eigenvalues of S above ``rtol`` times the largest one."""
        xp = namespace(self.cov)
        values = xp.linalg.eigvalsh(self.cov)
        return xp.asarray((values > xp.maximum(rtol * values[..., -1:], xp.finfo(values.dtype).tiny)).sum(-1))

    def second_moment(self) -> Float[Array, "*batch d d"]:
        """M_2 = S + m m^T."""
        return self.cov + self.mean[..., :, None] * self.mean[..., None, :]

    def root(self) -> Float[Array, "*batch d d"]:
        """The symmetric square root of S."""
        return symmetric_root(self.cov)

    def from_standard(self, z: Float[Array, "n d"]) -> Float[Array, "*batch n d"]:
        """m + S^{1/2} z for each row z; of N(m, S) if z is of N(0, I)."""
        return self.mean[..., None, :] + z @ self.root()

    def sample(self, n: int, *, seed: int = 0, whitened: bool = False) -> Empirical:
        """n tokens of equal weight.

        Args:
            n: how many.
            seed: of NumPy's generator.
            whitened: make their mean and covariance exactly m and S; needs n > d.

        Raises:
            InputError: a batch; n < 1; too few tokens to be whitened.
        """
        if self.batch:
            raise InputError(f"sample is for one measure, and this is a batch of shape {self.batch}")
        if n < 1 or (whitened and n <= self.dimension):
            raise InputError(f"n = {n} is too small; take at least {self.dimension + 1 if whitened else 1}")
        z = np.random.default_rng(seed).normal(size=(n, self.dimension))
        if whitened:
            z = z - z.mean(0)
            z = np.linalg.solve(np.linalg.cholesky(z.T @ z / n), z.T).T
        return Empirical(self.from_standard(z))


def symmetric_root(S: Float[Array, "*batch d d"]) -> Float[Array, "*batch d d"]:
    """The symmetric square root of a positive semi-definite matrix; eigenvalues that rounding made negative count as 0."""
    xp = namespace(S)
    values, vectors = xp.linalg.eigh(S)
    return (vectors * xp.sqrt(xp.maximum(values, 0))[..., None, :]) @ xp.swapaxes(vectors, -1, -2)


def _check(mean: np.ndarray, cov: np.ndarray) -> None:
    """Finite, symmetric, no negative eigenvalue."""
    if not np.isfinite(mean).all():
        raise InputError(f"mean = {mean[~np.isfinite(mean)][0]} somewhere; remove or mend it")
    if not np.isfinite(cov).all():
        raise InputError(f"cov has an entry {cov[~np.isfinite(cov)][0]}; remove or mend it")
    rounding = max(_ROUNDING, 100 * float(np.finfo(cov.dtype).eps))
    scale = abs(cov).max((-1, -2), initial=0.0)
    skew = abs(cov - np.swapaxes(cov, -1, -2)).max((-1, -2))
    if (skew > rounding * scale).any():
        k = np.unravel_index(np.argmax(skew - rounding * scale), skew.shape)
        i, j = np.unravel_index(np.argmax(abs(cov[k] - cov[k].T)), cov[k].shape)
        raise InputError(
            f"cov is not symmetric: cov[{i}, {j}] = {cov[k][i, j]:.10g} and cov[{j}, {i}] = {cov[k][j, i]:.10g}; take (cov + cov.T) / 2"
        )
    lowest = np.linalg.eigvalsh((cov + np.swapaxes(cov, -1, -2)) / 2)[..., 0]
    if (lowest < -rounding * scale).any():
        worst = float(lowest.min())
        raise InputError(f"cov is not positive semi-definite: it has the eigenvalue {worst:.10g}; a covariance has none below 0")
