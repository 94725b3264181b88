"""The sphere: distance, exponential and logarithm, caps, gnomonic charts. Spaces in which tokens live."""

from .caps import Cap as Cap
from .caps import enclosing_cap as enclosing_cap
from .gnomonic import GnomonicChart as GnomonicChart
from .spaces import Euclidean as Euclidean
from .spaces import Rescaled as Rescaled
from .spaces import Sphere as Sphere
from .sphere import distance as distance
from .sphere import exp as exp
from .sphere import log as log
from .sphere import norm as norm
from .sphere import normalize as normalize
from .sphere import tangent as tangent
