"""Sums of e^{<z, y>} over the keys of a measure."""

from .circle import CircleKernel as CircleKernel
from .sphere import SphereKernel as SphereKernel
