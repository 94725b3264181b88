"""W_1 of R^d between two small measures, light atoms included."""

import numpy as np
from jaxtyping import Float

from ..transport.coupling import optimal_coupling

_LIGHT = 1e-15  # lighter atoms go to their nearest partner


def w1(x: Float[np.ndarray, "n k"], a: Float[np.ndarray, " n"], y: Float[np.ndarray, "m k"], b: Float[np.ndarray, " m"]) -> float:
    r"""$W_1(\mu, \nu)$ with the Euclidean distance. On the line $\int |F - G|$. In R^d by the network simplex; atoms lighter than 1e-15,
    about which it knows nothing, are sent to the nearest heavy atom of the other measure, at an error of their mass times its diameter."""
    a, b = a / a.sum(), b / b.sum()
    if x.shape[1] == 1:
        places = np.concatenate([x[:, 0], y[:, 0]])
        order = np.argsort(places, kind="stable")
        excess = np.cumsum(np.concatenate([a, -b])[order])[:-1]
        return float(abs(excess) @ np.diff(places[order]))
    cost = np.linalg.norm(x[:, None] - y[None], axis=2)
    heavy, weighty = a > _LIGHT, b > _LIGHT
    light = a[~heavy] @ cost[np.ix_(~heavy, weighty)].min(axis=1) + b[~weighty] @ cost[np.ix_(heavy, ~weighty)].min(axis=0)
    cost, a, b = cost[np.ix_(heavy, weighty)], a[heavy], b[weighty]
    if len(a) == 1 or len(b) == 1:
        return float(light + a @ cost @ b)
    coupling, _ = optimal_coupling(cost, a / a.sum(), b / b.sum())
    return float(light + coupling.mass @ cost[coupling.rows, coupling.cols])
