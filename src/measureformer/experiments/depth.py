"""A simulation layer by layer, as a network does it, in place of its limit in continuous time."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..fields.layers import run_layers
from ..flows import Stop, Trajectory
from ..geometry import normalize
from ..measures import Empirical


def through_layers(
    law: Any,
    scheme: Any,
    measures: list[Empirical],
    horizon: float,
    saves: int,
    *,
    mask: Any = None,
    largest_step: float = 1.0,
    energy: Callable[[Any, Any], float],
) -> Trajectory:
    """Layers x <- step(x) of a scheme, as many as reach the horizon, t = eta k after layer k.

    Args:
        law: attention or a combination.
        scheme: ``PostLN(eta)`` or another of ``fields.layers``.
        measures: initial measures on the sphere.
        horizon: T; round(T / eta) layers, at least one.
        saves: about so many of the states are kept, besides the first.
        mask, largest_step: as in ``run_layers``.
        energy: a function of points and weights; it is given directions.

    Returns:
        The trajectory; its steps are the layers.

    Raises:
        InputError: a layer is unstable; the message has the largest stable step.
    """
    kept = kept_layers(horizon, float(scheme.eta), saves)
    depth = int(kept[-1])
    points = [run_layers(law, scheme, mu, depth, mask=mask, largest_step=largest_step)[kept] for mu in measures]
    times = float(scheme.eta) * kept
    values = [[energy(normalize(x), np.asarray(mu.weights)) for x in path] for mu, path in zip(measures, points, strict=True)]
    return Trajectory(
        times=times,
        points=points,
        probes=[path[:, :0] for path in points],
        starts=measures,
        stop=Stop.HORIZON,
        stops=[Stop.HORIZON] * len(measures),
        ends=np.full(len(measures), times[-1]),
        steps=depth,
        rejected=0,
        drift=0.0,
        quantities={"energy": np.array(values)},
    )


def kept_layers(horizon: float, eta: float, saves: int) -> np.ndarray:
    """After which layers a state is kept: 0, the last one, round(T / eta), and about ``saves`` - 1 between them."""
    depth = max(1, round(horizon / eta))
    return np.unique(np.linspace(0, depth, min(saves, depth) + 1).round().astype(int))
