"""Measuring what a flow does."""

from .clusters import Clusters as Clusters
from .clusters import Life as Life
from .clusters import cluster_lives as cluster_lives
from .clusters import clusters as clusters
from .conditioning import Stretch as Stretch
from .conditioning import stretch as stretch
from .divergence import Divergence as Divergence
from .divergence import kl_divergence as kl_divergence
from .energy import dissipation as dissipation
from .energy import energy_gradient as energy_gradient
from .energy import energy_rate as energy_rate
from .energy import interaction_energy as interaction_energy
from .energy import log_partition as log_partition
from .history import History as History
from .history import record as record
