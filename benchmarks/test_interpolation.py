"""Planning and execution of an interpolation against the number of atoms K and the dimension d. Four measures, K/4 atoms each."""

from functools import cache

import pytest

from instances import overlapping_caps
from measureformer import Interpolation, flow, integrate, interpolate
from measureformer.diagnostics import stretch

EPS = 1e-2
SMALL = [(3, 32), (3, 128), (16, 128), (64, 128)]
LARGE = [(3, 512), (3, 2000), (16, 512), (16, 2000), (64, 512), (64, 2000)]
sizes = pytest.mark.parametrize(("d", "K"), SMALL + [pytest.param(*size, marks=pytest.mark.slow) for size in LARGE])


@cache
def instance(d: int, K: int):
    """Sources and targets; made once."""
    return overlapping_caps(d, 4, K // 4, seed=0)


@cache
def plan(d: int, K: int) -> Interpolation:
    """The planned interpolation; made once, for the benchmarks that execute it."""
    return interpolate(*instance(d, K), eps=EPS)


def once(benchmark, call, K: int):
    """Small cases are repeated as pytest-benchmark likes; large ones run three times, the first of them to compile."""
    if K <= 128:
        return benchmark(call)
    return benchmark.pedantic(call, rounds=2, iterations=1, warmup_rounds=1)


@sizes
def test_plan(benchmark, d, K):
    """Should grow like K log K + K d."""
    result = once(benchmark, lambda: interpolate(*instance(d, K), eps=EPS), K)
    benchmark.extra_info["segments"] = len(result.schedule)
    assert result.plan.matching.errors.max() <= EPS


@sizes
def test_exact_flow(benchmark, d, K):
    """Closed forms in NumPy: should grow like segments x points x d x width."""
    schedule, sources = plan(d, K).schedule, instance(d, K)[0]
    result = once(benchmark, lambda: flow(schedule, sources), K)
    assert result.methods["shear"] > result.methods.get("integrated", 0)


@sizes
def test_integration(benchmark, d, K):
    """The original equation with error control, compiled before it is measured."""
    schedule, sources = plan(d, K).schedule, instance(d, K)[0]
    integrate(schedule, sources)
    result = once(benchmark, lambda: integrate(schedule, sources), K)
    assert result.failed_segment is None


@sizes
def test_conditioning(benchmark, d, K):
    """Singular values of the differential, on as many tokens as the budget allows."""
    schedule, sources = plan(d, K).schedule, instance(d, K)[0]
    result = once(benchmark, lambda: stretch(schedule, sources), K)
    assert 0 < result.smallest < result.largest


@sizes
def test_certificate(benchmark, d, K, tmp_path):
    """All of ``save``: write, execute from the files in three ways, measure distances and conditioning."""
    certificate = once(benchmark, lambda: plan(d, K).save(tmp_path, force=True), K)
    assert certificate["passed"]
