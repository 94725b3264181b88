"""Leaving: discrete networks that ordinary frameworks can run."""

from .bundle import save_bundle as save_bundle
from .discrete import as_residual_block as as_residual_block
from .network import AttentionLayer as AttentionLayer
from .network import Network as Network
from .network import ResidualBlock as ResidualBlock
from .network import load_network as load_network
from .network import save_network as save_network
from .onnx import save_onnx as save_onnx
from .torch import save_torch as save_torch
