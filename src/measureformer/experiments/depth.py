"""A simulation layer by layer, as a network does it, in place of its limit in continuous time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..fields.layers import run_layers
from ..flows import Stop, Trajectory
from ..flows.evolve import times_of
from ..measures import Empirical


def through_layers(
    law: Any,
    scheme: Any,
    measures: list[Empirical],
    horizon: float,
    saves: int | Sequence[float] | np.ndarray,
    *,
    mask: Any = None,
    largest_step: float = 1.0,
    quantities: Mapping[str, Callable[[Any, Any], float]],
) -> Trajectory:
    """Layers x <- step(x) of a scheme, as many as reach the horizon, t = eta k after layer k.

    Args:
        law: attention or a combination.
        scheme: ``PostLN(eta)`` or another of ``fields.layers``.
        measures: initial measures on the sphere.
        horizon: T; round(T / eta) layers, at least one.
        saves: about so many of the states are kept, besides the first; or the times next to which one is kept.
        mask, largest_step: as in ``run_layers``.
        quantities: functions of points and weights, of the states that are kept.

    Returns:
        The trajectory; its steps are the layers.

    Raises:
        InputError: a layer is unstable; the message has the largest stable step.
    """
    kept = kept_layers(horizon, float(scheme.eta), saves)
    depth = int(kept[-1])
    points = [run_layers(law, scheme, mu, depth, mask=mask, largest_step=largest_step)[kept] for mu in measures]
    times = float(scheme.eta) * kept
    observed = {
        name: np.array([[f(x, np.asarray(mu.weights)) for x in path] for mu, path in zip(measures, points, strict=True)])
        for name, f in quantities.items()
    }
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
        quantities=observed,
    )


def kept_layers(horizon: float, eta: float, saves: int | Sequence[float] | np.ndarray) -> np.ndarray:
    """After which layers a state is kept: 0, the last one, round(T / eta), and about ``saves`` - 1 between them, or those next to times."""
    depth = max(1, round(horizon / eta))
    if not isinstance(saves, int):
        return np.unique(np.concatenate([[0, depth], np.rint(times_of(saves, horizon) / eta).clip(0, depth)]).astype(int))
    return np.unique(np.linspace(0, depth, min(saves, depth) + 1).round().astype(int))
