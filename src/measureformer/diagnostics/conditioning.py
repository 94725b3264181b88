"""Conditioning: how much the flow map stretches and squeezes the neighbourhood of each token."""

from typing import NamedTuple

import numpy as np

from ..fields import TransformerField, attention, attention_weights
from ..flows import boost_as_block, constant_field, exact_flow, line_blocks, line_differential, line_rays
from ..geometry import norm, normalize, tangent
from ..measures import Empirical
from ..schedule import Schedule, Segment

# Multiplications spent on each measure, about; beyond it only some of its tokens are looked at.
_BUDGET = 5e8
# Of the integrated segments. Where a probe crosses a gate the method is of first order: two digits need so many.
_STEPS = 128


class Stretch(NamedTuple):
    """The largest and the smallest singular value of the differential of the flow map, over ``tokens`` tokens of the measures."""

    largest: float
    smallest: float
    tokens: int


def stretch(schedule: Schedule, measures: list[Empirical], *, budget: float = _BUDGET) -> Stretch:
    r"""Singular values of $D\Phi_T[\mu](x) : T_x S \to T_{\Phi_T(x)} S$ at the tokens x of every measure mu.

    Phi_T[mu] is the flow of a passive probe, mu(t) being given: J' = D_x v[mu(t)](x(t)) J, J(0) = P_x. Boosts, shears and flows along
    lines by the differential of their closed form; other segments by the fourth-order Runge-Kutta method with 128 steps (two or three
    digits are enough here).

    Args:
        schedule: theta on [0, T].
        measures: the measures at time 0, on the sphere.
        budget: at a cost of (segments) d^3 a token, as many tokens of each measure are followed as it allows, at least 16, evenly chosen.
    """
    largest, smallest, tokens = 0.0, np.inf, 0
    for mu in measures:
        d = mu.dimension
        count = min(mu.size, max(16, int(budget / (max(len(schedule), 1) * d**3))))
        probes = np.linspace(0, mu.size - 1, count).astype(int)
        x = mu.points
        J = np.eye(d) - x[probes, :, None] * x[probes, None, :]
        for segment in schedule:
            x, J = _advance(segment, x, mu.weights, J, probes)
        values = np.linalg.svd(J, compute_uv=False)[:, : d - 1]
        largest, smallest, tokens = max(largest, float(values.max())), min(smallest, float(values.min())), tokens + count
    return Stretch(largest, smallest, tokens)


def _advance(segment: Segment, x: np.ndarray, weights: np.ndarray, J: np.ndarray, probes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    found = exact_flow(segment)
    method, f = (found[0] if found else None), segment.field
    if method == "shear":
        return _block(x, J, segment.duration * f.W, f.U, np.zeros(f.width), probes)
    if method == "line":
        blocks = line_blocks(f)
        z = line_rays(x, f.W, f.U, segment.duration, blocks=blocks).z
        return _normalized(z, line_differential(x[probes], J, f.W, f.U, segment.duration, blocks=blocks), probes)
    if method == "boost":
        return _block(x, J, *boost_as_block(segment.duration * constant_field(f)), probes)
    step = segment.duration / _STEPS
    for _ in range(_STEPS):
        k1, l1 = _rates(f, x, weights, J, probes)
        k2, l2 = _rates(f, x + step / 2 * k1, weights, J + step / 2 * l1, probes)
        k3, l3 = _rates(f, x + step / 2 * k2, weights, J + step / 2 * l2, probes)
        k4, l4 = _rates(f, x + step * k3, weights, J + step * l3, probes)
        x = normalize(x + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4))
        J = J + step / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
    return x, J


def _block(x, J, W, U, b, probes) -> tuple[np.ndarray, np.ndarray]:
    """normalize(z), z = x + W (U x + b)_+, has the differential P_{z/|z|} (I + W 1{U x + b > 0} U) / |z|. Silent neurons are left out."""
    activation = x @ U.T + b
    z = x + np.maximum(activation, 0) @ W.T
    gate = activation[probes] > 0
    live = np.any(gate, axis=0)
    return _normalized(z, J + W[:, live] @ (gate[:, live, None] * (U[live] @ J)), probes)


def _normalized(z, J, probes) -> tuple[np.ndarray, np.ndarray]:
    """z/|z|, and the differential of that map after J."""
    length = norm(z)
    x, y = z / length, (z / length)[probes]
    return x, (J - y[:, :, None] * (y[:, None, :] @ J)) / length[probes, :, None]


def _rates(f: TransformerField, x, weights, J, probes) -> tuple[np.ndarray, np.ndarray]:
    """v(x) and D_x v(x) J for v = P_x a(x): D v h = P_x (D a h) - <x, a> h - <h, a> x, with D a = V Cov B + W 1{...} U."""
    a, Da_J, y = np.zeros_like(x), np.zeros_like(J), x[probes]
    if f.V is not None:
        center = attention(x, x, weights, f.B)
        a = a + center @ f.V.T
        if f.B is not None:
            # D A_B(x) = Cov(x) B, the covariance of the atoms under the softmax weights that x gives them
            mass = attention_weights(y, x, weights, f.B)
            second = (mass @ (x[:, :, None] * x[:, None, :]).reshape(len(x), -1)).reshape(len(y), *f.B.shape)
            center = center[probes]
            Da_J = Da_J + f.V @ (second - center[:, :, None] * center[:, None, :]) @ (f.B @ J)
    if f.W is not None:
        U = np.zeros((f.width, x.shape[1])) if f.U is None else f.U
        activation = x @ U.T + (0 if f.b is None else f.b)
        a = a + np.maximum(activation, 0) @ f.W.T
        Da_J = Da_J + f.W @ ((activation[probes] > 0)[:, :, None] * (U @ J))
    across = Da_J - y[:, :, None] * (y[:, None, :] @ Da_J)
    speed = a[probes]
    return tangent(x, a), across - (y * speed).sum(1)[:, None, None] * J - y[:, :, None] * (speed[:, None, :] @ J)
