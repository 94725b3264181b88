"""Sums of e^{<z, y>} over the keys of a measure."""

from .sphere import SphereKernel as SphereKernel
