"""measureformer: Transformers as flows of probability measures.

Five words carry the library: a *measure* is where the tokens are and how much they weigh; a *field* says how a measure moves a point; a
*schedule* holds a
field for each interval of time, and is a Transformer; a *flow* is what a schedule does to a measure; a *certificate* is what was promised
beside what an independent execution found.

Names are loaded when they are first used, so that ``import measureformer`` costs nothing.
"""

from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import data as data
    from . import diagnostics as diagnostics
    from . import dynamics as dynamics
    from . import experiments as experiments
    from . import export as export
    from . import fields as fields
    from . import gaussian as gaussian
    from . import geometry as geometry
    from . import incontext as incontext
    from . import transport as transport
    from .errors import ConditioningError as ConditioningError
    from .errors import InputError as InputError
    from .export import Network as Network
    from .export import load_network as load_network
    from .fields import ParticleField as ParticleField
    from .fields import Softmax as Softmax
    from .fields import TransformerField as TransformerField
    from .fields import attention as attention
    from .fields import perceptron as perceptron
    from .flows import flow as flow
    from .flows import integrate as integrate
    from .flows import log_density as log_density
    from .interpolation import Interpolation as Interpolation
    from .interpolation import interpolate as interpolate
    from .interpolation import verify as verify
    from .measures import Clouds as Clouds
    from .measures import Empirical as Empirical
    from .measures import Gaussian as Gaussian
    from .measures import read_clouds as read_clouds
    from .measures import write_clouds as write_clouds
    from .schedule import Schedule as Schedule
    from .schedule import Segment as Segment
    from .schedule import load_schedule as load_schedule
    from .schedule import save_schedule as save_schedule
    from .transport import wasserstein2 as wasserstein2
    from .transport import wasserstein_inf as wasserstein_inf

try:
    __version__ = version("measureformer")
except PackageNotFoundError:  # run from a source tree that is not installed
    __version__ = "0+unknown"

_HOME = {
    "errors": ("ConditioningError", "InputError"),
    "export": ("Network", "load_network"),
    "fields": ("ParticleField", "Softmax", "TransformerField", "attention", "perceptron"),
    "flows": ("flow", "integrate", "log_density"),
    "interpolation": ("Interpolation", "interpolate", "verify"),
    "measures": ("Clouds", "Empirical", "Gaussian", "read_clouds", "write_clouds"),
    "schedule": ("Schedule", "Segment", "load_schedule", "save_schedule"),
    "transport": ("wasserstein2", "wasserstein_inf"),
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names}
_MODULES = (
    "data",
    "diagnostics",
    "dynamics",
    "experiments",
    "export",
    "fields",
    "flows",
    "gaussian",
    "geometry",
    "incontext",
    "interpolation",
    "measures",
    "schedule",
    "transport",
)
_SHOWN = ("data", "diagnostics", "dynamics", "experiments", "export", "fields", "gaussian", "geometry", "incontext", "transport")
__all__ = [*_MODULE_OF, *_SHOWN]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name in _MODULE_OF:
        value = getattr(import_module(f".{_MODULE_OF[name]}", __name__), name)
    elif name in _MODULES:
        value = import_module(f".{name}", __name__)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
