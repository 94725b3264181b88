"""In-context maps: is this map of measures a Transformer? Recover it, compose it, approximate it."""

from .blackbox import MeasureMap as MeasureMap
from .blackbox import measure_map as measure_map
from .constants import Lipschitz as Lipschitz
from .constants import attention_constants as attention_constants
from .constants import depth_error as depth_error
from .constants import dobrushin as dobrushin
from .constants import flow_constants as flow_constants
from .constants import observed_constants as observed_constants
from .constants import velocity_error as velocity_error
from .derivative import Derivative as Derivative
from .derivative import derivative as derivative
from .maps import InContextMap as InContextMap
from .maps import flow_map as flow_map
from .maps import identity as identity
from .maps import layer_map as layer_map
from .maps import pointwise as pointwise
from .maps import schedule_map as schedule_map
from .maps import scheme_map as scheme_map
from .recovery import Recovery as Recovery
from .recovery import recover as recover
from .recovery import recover_by_copies as recover_by_copies
from .recovery import recover_weakly as recover_weakly
from .recovery import recovered_map as recovered_map
