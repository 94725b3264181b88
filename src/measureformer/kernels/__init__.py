"""Sums over pairs: what a field costs, and nothing else. No measure, no law: queries, keys and values."""

from .dense import exponential_sums as exponential_sums
from .dense import exponentials as exponentials
from .dense import fits as fits
from .dense import pair_sums as pair_sums
from .dense import query_blocks as query_blocks
from .dense import visible as visible
