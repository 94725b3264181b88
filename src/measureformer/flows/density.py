"""Densities carried by a flow: log rho_T where the points arrive, and log rho_T at points that are asked for."""

from collections.abc import Callable
from typing import NamedTuple

from jaxtyping import Float

from .._types import Array, namespace
from ..errors import InputError
from ..fields import TransformerField, divergence, perceptron
from ..geometry import norm, normalize
from ..measures import Empirical
from ..schedule import Schedule, Segment
from .boost import boost, boost_log_growth, constant_field
from .lines import line_blocks, line_rays
from .meanfield import meanfield_boost, rank_one
from .ode import integrate_ode
from .solve import exact_flow, flow

LogDensity = Callable[[Float[Array, "m d"]], Float[Array, " m"]]


class PushedDensity(NamedTuple):
    """Points at time T, shape (m, d), and the logarithm of the density there, shape (m,)."""

    points: Array
    log_density: Array


def log_density(
    schedule: Schedule,
    measure: Empirical,
    probes: Float[Array, "m d"] | None,
    log_density0: LogDensity,
    *,
    rtol: float = 1e-10,
    atol: float = 1e-12,
) -> PushedDensity:
    r"""The density of the push-forward of rho_0 by the flow, along the paths of probes:

    $$ \log \rho_T(x(T)) = \log \rho_0(x(0)) - \log |\det D\Phi_T(x(0))|, \qquad x(T) = \Phi_T(x(0)), $$
    for passive probes x(t) in a given mu(t), determinants on the tangent spaces of the sphere. Boosts, shears, flows along lines and
    mean-field attention of rank one by closed forms: a ray map with the differential A at z_0 has det D Phi = det A / |z(t)|^d. Otherwise
    log |det D Phi| is integrated beside the points, its derivative being the divergence of the field.

    Args:
        schedule: theta on [0, T].
        measure: mu_0, samples of rho_0 or of anything else: it drives the attention. It may be any measure if there is no attention.
        probes: where to start, on the sphere; None for the atoms of the measure.
        log_density0: log rho_0, with respect to the area of the sphere.
        rtol, atol: tolerances of the integrated segments. The divergence jumps at the edges of gates, so a few digits are lost there.

    Returns:
        The probes at time T and log rho_T there.

    Raises:
        InputError: the probes' dimension is not the measure's.

    References:
        Geshkovski, Ruiz-Balet, arXiv:2602.08606 (increments of the log-Jacobian along ReLU fields).
    """
    start = measure.points if probes is None else _fitting(probes, measure)
    tokens = start if probes is None else namespace(measure.points, start).concatenate([measure.points, start])
    total = log_density0(start)
    for segment in schedule:
        tokens, growth = _advance(segment, tokens, measure.weights, rtol, atol)
        total = total - growth[-start.shape[0] :]
    return PushedDensity(tokens[-start.shape[0] :], total)


def log_density_at(
    schedule: Schedule,
    measure: Empirical,
    points: Float[Array, "m d"],
    log_density0: LogDensity,
    *,
    rtol: float = 1e-10,
    atol: float = 1e-12,
) -> Float[Array, " m"]:
    """log rho_T at given points of time T. As ``log_density``, but the points are led back along mu(t), which is found first.

    In each segment the points and the measure run back together, from where the measure really is at the segment's end.

    Args:
        schedule, measure, log_density0, rtol, atol: as in ``log_density``.
        points: on the sphere.

    Raises:
        InputError: the points' dimension is not the measure's.
    """
    x, total = _fitting(points, measure), 0.0
    states = []
    flow(schedule, [measure], rtol=rtol, atol=atol, observe=lambda k, measures: states.append(measures[0]))
    for segment, mu in zip(reversed(schedule.segments), reversed(states), strict=False):
        tokens = namespace(mu.points, x).concatenate([mu.points, x])
        tokens, growth = _advance(segment.inverse(), tokens, mu.weights, rtol, atol)
        x, total = tokens[mu.size :], total + growth[mu.size :]
    return log_density0(x) + total


def _fitting(points, measure: Empirical):
    if points.shape[1] != measure.dimension:
        raise InputError(f"points of dimension {points.shape[1]} cannot follow a measure of dimension {measure.dimension}")
    return points


def _advance(segment: Segment, tokens, weights, rtol: float, atol: float):
    """The tokens after a segment and log |det D Phi| at each of them. The first ones are the atoms of the measure, with these weights."""
    found = exact_flow(segment)
    method, f, t, n = (found[0] if found else None), segment.field, segment.duration, weights.shape[0]
    if method == "identity":
        return tokens, 0 * tokens[:, 0]
    if method == "shear":
        z = tokens + t * perceptron(tokens, f.W, f.U)
        return normalize(z), _of_rays(z)
    if method == "line":
        rays = line_rays(tokens, f.W, f.U, t, blocks=line_blocks(f))
        return normalize(rays.z), rays.log_determinant + _of_rays(rays.z)
    if method in ("boost", "mean field"):
        w = t * constant_field(f) if method == "boost" else _clocked(f, Empirical(tokens[:n], weights), t)
        return boost(tokens, w), boost_log_growth(tokens, w)
    xp = namespace(tokens)

    def velocity(state):
        x = state[:, :-1]
        return xp.concatenate([f(x, x[:n], weights), divergence(f, x, x[:n], weights)[:, None]], 1)

    state = integrate_ode(velocity, xp.concatenate([tokens, 0 * tokens[:, :1]], 1), t, rtol=rtol, atol=atol).value
    return normalize(state[:, :-1]), state[:, -1]


def _of_rays(z):
    """-d log |z|: what the normalisation of z = A x does to volumes, if det A = 1."""
    return -z.shape[-1] * namespace(z).log(norm(z)[..., 0])


def _clocked(field: TransformerField, mu: Empirical, t: float):
    alpha, sign = rank_one(field)  # type: ignore[misc]  # its exact flow is "mean field"
    return meanfield_boost(mu, alpha, t, sign=sign)
