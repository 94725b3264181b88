"""Flows: theta, mu -> mu(t). Exact where a closed form exists, integrated otherwise."""

from .adaptive import Integration as Integration
from .adaptive import integrate as integrate
from .boost import boost as boost
from .boost import boost_as_block as boost_as_block
from .boost import boost_between_caps as boost_between_caps
from .lines import line_as_block as line_as_block
from .lines import line_blocks as line_blocks
from .lines import line_flow as line_flow
from .lines import line_log_determinant as line_log_determinant
from .meanfield import meanfield_clock as meanfield_clock
from .meanfield import meanfield_flow as meanfield_flow
from .ode import integrate_ode as integrate_ode
from .shear import is_shear as is_shear
from .shear import shear as shear
from .solve import FlowResult as FlowResult
from .solve import exact_flow as exact_flow
from .solve import flow as flow
