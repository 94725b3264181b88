"""Upstream bug jax-ml/jax#39103: jaxlib 0.10.2 computes wrong numbers on the CPU, without a word.

A jitted ``vmap`` of a small matrix-vector product followed by a reduction was wrong for batches of 16385 to 32769 rows in float64,
and about twice as many in float32. `pyproject.toml` excludes that release; if this test fails, the installed one has the bug too:
exclude it there and run `make lock`.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest


@pytest.mark.parametrize(
    ("dtype", "rows", "rtol"),
    [
        (np.float64, 16_384, 1e-13),
        (np.float64, 16_385, 1e-13),
        (np.float64, 24_000, 1e-13),
        (np.float64, 32_769, 1e-13),
        (np.float32, 32_769, 1e-5),
    ],
)
def test_jitted_row_energies_agree_with_numpy(dtype, rows, rtol):
    rng = np.random.default_rng(rows)
    matrix = rng.normal(size=(3, 3)).astype(dtype)
    x = rng.normal(size=(rows, 3)).astype(dtype)

    energies = jax.jit(jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2)))(x)

    assert energies.dtype == dtype
    np.testing.assert_allclose(energies, ((x @ matrix.T) ** 2).sum(axis=1), rtol=rtol)
