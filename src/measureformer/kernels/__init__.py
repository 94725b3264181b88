"""Sums of e^{<z, y>} over the keys of a measure."""

from .choose import dense_seconds as dense_seconds
from .choose import harmonic_seconds as harmonic_seconds
from .choose import saves_time as saves_time
from .circle import CircleKernel as CircleKernel
from .radial import radii as radii
from .sphere import SphereKernel as SphereKernel
