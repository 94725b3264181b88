"""The sphere: distance, exponential and logarithm, caps, gnomonic charts."""

from .caps import Cap as Cap
from .caps import enclosing_cap as enclosing_cap
from .gnomonic import GnomonicChart as GnomonicChart
from .sphere import distance as distance
from .sphere import exp as exp
from .sphere import log as log
from .sphere import norm as norm
from .sphere import normalize as normalize
from .sphere import tangent as tangent
