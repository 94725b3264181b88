"""Flows: theta, mu -> mu(t). Exact where a closed form exists, integrated otherwise."""

from .adaptive import Integration as Integration
from .adaptive import integrate as integrate
from .boost import boost as boost
from .boost import boost_as_block as boost_as_block
from .boost import boost_between_caps as boost_between_caps
from .boost import boost_log_growth as boost_log_growth
from .boost import constant_field as constant_field
from .density import PushedDensity as PushedDensity
from .density import log_density as log_density
from .density import log_density_at as log_density_at
from .lines import line_as_block as line_as_block
from .lines import line_blocks as line_blocks
from .lines import line_differential as line_differential
from .lines import line_flow as line_flow
from .lines import line_rays as line_rays
from .meanfield import meanfield_clock as meanfield_clock
from .meanfield import meanfield_flow as meanfield_flow
from .ode import integrate_ode as integrate_ode
from .shear import is_shear as is_shear
from .shear import shear as shear
from .solve import FlowResult as FlowResult
from .solve import exact_flow as exact_flow
from .solve import flow as flow
