"""Fields v[mu](x): how a measure moves a point."""

from .attention import attention as attention
from .attention import attention_weights as attention_weights
from .divergence import divergence as divergence
from .perceptron import perceptron as perceptron
from .transformer import TransformerField as TransformerField
