"""Which kernel is the fastest: a model of their costs."""

from math import sqrt

from .radial import Radii

# Seconds of one core, measured by ``benchmarks/kernels.py`` (make kernels) on x86 with AVX-512, in float64; a chip that is twice as fast at
# everything chooses the same.
PAIR = 1.4e-9  # dense: a pair of a query and a key
CALL = 3e-5  # harmonic: a call, before there is any point
COMPILED = 20.0  # harmonic: a flow is so much longer in compilation
EVALUATIONS = 400  # of the field, in a flow that is worth a thought
CIRCLE = 30e-9, 1.2e-9  # a point, and a degree of a point
SPHERE = 150e-9, 12e-9, 0.5e-9  # a point, a degree of a point, the square of a degree
MAPS = 0.3  # the share of a point's cost that each further radial function adds


def dense_seconds(queries: int, keys: int) -> float:
    """Of the sums over all pairs."""
    return PAIR * queries * keys


def saves_time(plan: Radii, n: int, d: int) -> bool:
    """Whether a flow of n atoms by harmonics takes less time than by all pairs."""
    return harmonic_seconds(plan, n, n, d) + COMPILED / EVALUATIONS < dense_seconds(n, n)


def harmonic_seconds(plan: Radii, queries: int, keys: int, d: int) -> float:
    """Of the sums by harmonics, d = 2 or 3. The tables of the sphere, L^3 numbers, are gone through at every call."""
    L = plan.degree
    if d == 2:
        point, table = CIRCLE[0] * sqrt(L + 1) / 3 + CIRCLE[1] * L, 0.0
    else:
        point, table = SPHERE[0] + SPHERE[1] * L + SPHERE[2] * L**2, 2e-9 * L**3
    return CALL + (point * (keys / 2 + queries * (1 + MAPS * plan.nodes)) + table * (1 + plan.nodes))
