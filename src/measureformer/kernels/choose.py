"""Which kernel is the fastest: a model of their costs."""

from math import sqrt

from .bands import pays
from .radial import Radii

# Seconds of one core, measured by ``benchmarks/kernels.py`` (make kernels) on x86 with AVX-512, in float64; a chip that is twice as fast at
# everything chooses the same.
PAIR = 1.05e-9  # dense: a pair of a query and a key
CALL = 3e-5  # harmonic: a call, before there is any point
COMPILED = 13.0  # harmonic: a flow is so much longer in compilation
EVALUATIONS = 1000  # of the field, in a flow that is worth a thought: 13 in each step of the default solver
CIRCLE = 12e-9, 0.7e-9  # a key, or a query of a single radial function: times sqrt(L + 1), times L
SPHERE = 35e-9, 18e-9, 0.2e-9  # the same: once, times L, times L^2
BANDS = 370e-9, 10e-9  # the same in bands of latitude: once, times L
MAPS = {2: 0.35, 3: 0.85}  # what each radial function adds to the cost of a query


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
        point, table = CIRCLE[0] * sqrt(L + 1) + CIRCLE[1] * L, 0.0
    else:
        point = BANDS[0] + BANDS[1] * L if pays(L, queries) else SPHERE[0] + SPHERE[1] * L + SPHERE[2] * L**2
        table = 2e-9 * L**3
    return CALL + (point * (keys / 2 + queries * (1 + MAPS[d] * plan.nodes)) + table * (1 + plan.nodes))
