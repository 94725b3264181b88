"""Fields v[mu](x): how a measure moves a point."""

from .attention import attention as attention
from .perceptron import perceptron as perceptron
from .transformer import TransformerField as TransformerField
