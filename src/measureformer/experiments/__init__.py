"""Experiments: a flow with everything that is measured on it."""

from .depth import through_layers as through_layers
from .initial import KINDS as KINDS
from .initial import initial_measure as initial_measure
from .parts import Parts as Parts
from .simulate import Simulation as Simulation
from .simulate import simulate as simulate
from .stored import StoredTrajectory as StoredTrajectory
from .stored import open_trajectory as open_trajectory
from .trajectory_store import TrajectoryStore as TrajectoryStore
