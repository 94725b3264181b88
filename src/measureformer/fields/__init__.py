"""Fields v[mu](x): how a measure moves a point."""

from .attention import attention as attention
from .attention import attention_weights as attention_weights
from .combine import MultiHead as MultiHead
from .combine import Neurons as Neurons
from .combine import Scaled as Scaled
from .divergence import divergence as divergence
from .hardmax import Hardmax as Hardmax
from .l2 import L2 as L2
from .laws import LAWS as LAWS
from .laws import law_named as law_named
from .linear import Linear as Linear
from .masks import Causal as Causal
from .masks import Mask as Mask
from .pairs import About as About
from .particle import ParticleField as ParticleField
from .perceptron import perceptron as perceptron
from .sigmoid import Sigmoid as Sigmoid
from .sinkhorn import Sinkhorn as Sinkhorn
from .softmax import Softmax as Softmax
from .transformer import TransformerField as TransformerField
from .unnormalised import TimeUnit as TimeUnit
from .unnormalised import Unnormalised as Unnormalised
