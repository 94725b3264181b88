"""Flows of fields: how time grows with the number of tokens."""

import pytest

from measureformer import ParticleField, Softmax, flow
from measureformer.experiments import initial_measure


@pytest.mark.parametrize("n", [100, 1000, pytest.param(4000, marks=pytest.mark.slow)])
def test_softmax_for_a_unit_of_time(benchmark, n):
    mu = initial_measure("uniform", n, 3)
    flow(ParticleField(Softmax(4.0)), mu, 1.0)  # compiles
    result = benchmark.pedantic(flow, args=(ParticleField(Softmax(4.0)), mu, 1.0), rounds=2)
    benchmark.extra_info["steps"] = result.steps
