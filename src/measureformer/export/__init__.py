"""Leaving: discrete networks that ordinary frameworks can run."""

from .discrete import as_residual_block as as_residual_block
from .network import AttentionLayer as AttentionLayer
from .network import Network as Network
from .network import ResidualBlock as ResidualBlock
from .network import load_network as load_network
from .network import save_network as save_network
