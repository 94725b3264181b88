"""Steering: piecewise-constant (V, A) of softmax attention that carries Gaussians to Gaussians."""

from ..meanfield import tilt as tilt
from .certificate import certify as certify
from .certificate import verify_steering as verify_steering
from .execution import steered as steered
from .execution import steered_cloud as steered_cloud
from .obstructions import obstruction as obstruction
from .shooting import orbit_dimension as orbit_dimension
from .steer import Steering as Steering
from .steer import steer as steer
