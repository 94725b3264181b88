"""Optimal transport on the sphere with the geodesic distance: how far measures are apart, and how close maps can bring them. In R^d: the
distance of Gaussians, and that of labelled tokens."""

from .attainable import Placement as Placement
from .attainable import best_placement as best_placement
from .bures import bures_wasserstein as bures_wasserstein
from .conditional import Conditional as Conditional
from .conditional import conditional_wasserstein as conditional_wasserstein
from .cost import geodesic_cost as geodesic_cost
from .coupling import Coupling as Coupling
from .pointmap import PointMap as PointMap
from .pointmap import best_point_map as best_point_map
from .quantise import Quantisation as Quantisation
from .quantise import coarsest_quantisation as coarsest_quantisation
from .quantise import quantise as quantise
from .wasserstein import Transport as Transport
from .wasserstein import wasserstein2 as wasserstein2
from .wasserstein import wasserstein_inf as wasserstein_inf
