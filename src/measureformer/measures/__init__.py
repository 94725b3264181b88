"""Measures: where the tokens are and how much they weigh."""

from .clouds import Clouds as Clouds
from .clouds import pair_clouds as pair_clouds
from .clouds import read_clouds as read_clouds
from .clouds import write_clouds as write_clouds
from .densities import Density as Density
from .densities import Mixture as Mixture
from .densities import UniformOnCap as UniformOnCap
from .densities import VonMisesFisher as VonMisesFisher
from .empirical import Empirical as Empirical
from .gaussian import Gaussian as Gaussian
from .geographic import from_latitude_longitude as from_latitude_longitude
from .geographic import to_latitude_longitude as to_latitude_longitude
