"""What every test gets: float64, shapes and types checked at run time, reproducible examples, no windows."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import jax
from hypothesis import settings
from jaxtyping import install_import_hook

jax.config.update("jax_enable_x64", True)

# Each jaxtyping annotation of the package becomes a check. This has to stand before the first import of the package.
install_import_hook("measureformer", "beartype.beartype")

# No deadline: the first example of a test compiles, the others don't. In CI every run draws the same examples.
settings.register_profile("measureformer", deadline=None, max_examples=25, derandomize="CI" in os.environ)
settings.load_profile("measureformer")
