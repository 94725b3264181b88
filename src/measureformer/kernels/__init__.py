"""Sums over pairs: what a field costs, and nothing else. No measure, no law: queries, keys and values."""

from .choose import dense_seconds as dense_seconds
from .choose import harmonic_seconds as harmonic_seconds
from .choose import saves_time as saves_time
from .circle import CircleKernel as CircleKernel
from .dense import exponentials as exponentials
from .dense import fits as fits
from .dense import query_blocks as query_blocks
from .dense import visible as visible
from .radial import radii as radii
from .ring import exponential_sums as exponential_sums
from .ring import pair_sums as pair_sums
from .shards import TOKENS as TOKENS
from .shards import largest as largest
from .shards import shards as shards
from .shards import total as total
from .sphere import SphereKernel as SphereKernel
