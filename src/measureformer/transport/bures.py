"""W_2 between Gaussian measures of R^d."""

import numpy as np

from ..errors import InputError
from ..measures import Gaussian
from ..measures.gaussian import symmetric_root


def bures_wasserstein(mu: Gaussian, nu: Gaussian) -> float:
    r"""W_2 with the Euclidean distance as ground cost; degenerate measures are allowed:

    $$ W_2^2 = |m - m'|^2 + \operatorname{tr} S + \operatorname{tr} S' - 2 \| S^{1/2} S'^{1/2} \|_* , $$
    the last norm being the sum of singular values. Computed as $|S^{1/2} - S'^{1/2} U|_F$ with the best rotation U, which loses no
    digits where the measures are close.

    Args:
        mu, nu: one measure each.

    Raises:
        InputError: a batch, or different dimensions.
    """
    if mu.batch or nu.batch:
        raise InputError(f"bures_wasserstein compares two measures, got batches of shapes {mu.batch} and {nu.batch}")
    if mu.dimension != nu.dimension:
        raise InputError(f"the measures have dimensions {mu.dimension} and {nu.dimension}; they must agree")
    first, second = (symmetric_root(np.asarray(g.cov, float)) for g in (mu, nu))
    left, _, right = np.linalg.svd(second @ first)
    apart = np.linalg.norm(first - second @ left @ right)
    return float(np.hypot(np.linalg.norm(np.asarray(mu.mean, float) - np.asarray(nu.mean, float)), apart))
