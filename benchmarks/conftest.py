"""What every benchmark gets: float64, no windows. Shapes are not checked here: that would be measured too."""

import os

os.environ.setdefault("MPLBACKEND", "Agg")

import jax

jax.config.update("jax_enable_x64", True)
