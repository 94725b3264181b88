"""Depth to infinity: L residual layers against the flow that they approximate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..measures import Empirical
from .euclidean import w1
from .maps import InContextMap, with_probes


@dataclass(frozen=True)
class DepthStudy:
    """Errors of L layers.

    Attributes:
        depths: L.
        errors: the largest |layers - flow| over the measures and the points (s,).
        measure_errors: the largest W_1 of the images (s,).
        order: fitted slope of log error over log 1/L; ``measure_order`` the same for W_1.
        extrapolated: errors after Richardson extrapolation from L and 2L, for the depths whose double is there, with its ``order``.
    """

    depths: np.ndarray
    errors: np.ndarray
    measure_errors: np.ndarray
    extrapolated: np.ndarray
    extrapolated_order: float

    @property
    def order(self) -> float:
        """Fitted to all depths."""
        return fitted_order(self.depths, self.errors)

    @property
    def measure_order(self) -> float:
        """Fitted to all depths."""
        return fitted_order(self.depths, self.measure_errors)


def fitted_order(depths: Any, errors: Any) -> float:
    """The p of error ~ L^-p by least squares in logarithms."""
    return float(-np.polyfit(np.log(np.asarray(depths, float)), np.log(np.asarray(errors, float)), 1)[0])


def residual_network(fields: Any, horizon: float, layers: int, *, splitting: str = "sum", start: float = 0.0) -> InContextMap:
    r"""L residual layers x <- x + h B(t_l; mu_l, x), h = T/L, back in the space after each.

    Args:
        fields: one field, or several that are to be added: attention and perceptron.
        horizon: T.
        layers: L.
        splitting: "sum": all fields in one step. "alternate": one after the other, a step each (what Transformers do; Lie splitting).
            "strang": all but the last for half a step by the midpoint rule, the last for a whole one, and back; of second order.
        start: the time of the first layer.

    Raises:
        InputError: layers < 1, or the splitting has another name.

    References:
        Furuya, de Hoop, Lassas, arXiv:2509.25611 (Vlasov flows as limits of deep Transformers).
    """
    parts = tuple(fields) if isinstance(fields, list | tuple) else (fields,)
    if layers < 1:
        raise InputError(f"layers must be at least 1, got {layers}")
    if splitting not in ("sum", "alternate", "strang"):
        raise InputError(f"splitting must be 'sum', 'alternate' or 'strang', got {splitting!r}")
    h, retract = horizon / layers, parts[0].space.retract

    def at(mu, x):
        n, z = mu.size, with_probes(mu, x).points

        def push(field, y, t, step):
            return step * field(y, y[:n], mu.weights, t)

        def midpoint(field, y, t, step):
            return retract(y + push(field, retract(y + push(field, y, t, step / 2)), t + step / 2, step))

        for k in range(layers):
            t = start + k * h
            if splitting == "sum":
                z = retract(z + sum(push(field, z, t, h) for field in parts))
            elif splitting == "alternate":
                for field in parts:
                    z = retract(z + push(field, z, t, h))
            else:
                for field in parts[:-1]:
                    z = midpoint(field, z, t, h / 2)
                z = midpoint(parts[-1], z, t, h)
                for field in parts[-2::-1]:
                    z = midpoint(field, z, t + h / 2, h / 2)
        return z[n:]

    return InContextMap(at, f"{layers} residual layers")


def random_network(draw: Callable[[np.random.Generator], Any], horizon: float, layers: int, rng: np.random.Generator) -> InContextMap:
    """L residual layers of step T/L with independent random fields: they follow the flow of the mean field, at order 1/2 only."""
    fields = [draw(rng) for _ in range(layers)]

    def at(mu, x):
        n, z = mu.size, with_probes(mu, x).points
        for field in fields:
            z = field.space.retract(z + horizon / layers * field(z, z[:n], mu.weights, 0.0))
        return z[n:]

    return InContextMap(at, f"{layers} random layers")


def depth_study(
    network: Callable[[int], InContextMap],
    reference: InContextMap,
    measures: Sequence[Empirical],
    probes: Any,
    depths: Sequence[int] = (32, 64, 128, 256),
) -> DepthStudy:
    r"""How fast L layers come near the flow, in the largest distance over all measures, their atoms and the probes, and in W_1.

    Args:
        network: L -> the map of L layers, as ``lambda L: residual_network(field, T, L)``.
        reference: the flow, ``flow_map(field, T)``, or a closed form.
        measures: where to compare.
        probes: points (q, d) besides the atoms.
        depths: increasing.

    Raises:
        InputError: fewer than two depths.
    """
    if len(depths) < 2:
        raise InputError(f"depths = {list(depths)}: an order needs at least two")

    def images(G):
        return [np.asarray(G(mu, np.concatenate([np.asarray(mu.points), np.asarray(probes)]))) for mu in measures]

    exact, found = images(reference), {L: images(network(L)) for L in depths}

    def largest(values):
        return max(float(np.linalg.norm(y - z, axis=1).max()) for y, z in zip(values, exact, strict=True))

    def apart(values):
        pairs = zip(values, exact, measures, strict=True)
        return max(w1(y[: mu.size], np.asarray(mu.weights), z[: mu.size], np.asarray(mu.weights)) for y, z, mu in pairs)

    doubled = [L for L in depths if 2 * L in found]
    better = [largest([2 * y - z for y, z in zip(found[2 * L], found[L], strict=True)]) for L in doubled]
    return DepthStudy(
        np.array(depths),
        np.array([largest(found[L]) for L in depths]),
        np.array([apart(found[L]) for L in depths]),
        np.array(better),
        fitted_order(doubled, better) if len(doubled) > 1 else float("nan"),
    )
