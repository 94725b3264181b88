"""Sweeps: one configuration, many values; jobs on processes or on a cluster; a store that survives being killed at any moment."""

from .jobs import Kind as Kind
from .jobs import Outcome as Outcome
from .jobs import Variable as Variable
from .plan import Axis as Axis
from .plan import Plan as Plan
from .plan import read_plan as read_plan
from .run import Summary as Summary
from .run import sweep as sweep
