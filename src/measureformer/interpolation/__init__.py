"""Measure-to-measure interpolation: one explicit Transformer that carries N measures to N targets, and its certificate."""

from .cells import plan_cells as plan_cells
from .certificate import Verification as Verification
from .certificate import verify as verify
from .compact import plan_compact as plan_compact
from .interpolate import Interpolation as Interpolation
from .interpolate import interpolate as interpolate
from .plan import Plan as Plan
from .refine import lower_bound as lower_bound
from .refine import refine as refine
from .task import Pair as Pair
from .task import make_task as make_task
