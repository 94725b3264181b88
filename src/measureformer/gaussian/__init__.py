"""Gaussian closures: laws under which N(m, S) stays Gaussian, and what becomes of mean and covariance."""

from .field import Affine as Affine
from .field import Defect as Defect
from .field import affine_field as affine_field
from .field import closure_defect as closure_defect
from .field import covariance_rate as covariance_rate
from .field import keeps_gaussians as keeps_gaussians
from .flow import Fate as Fate
from .flow import GaussianFlow as GaussianFlow
from .flow import gaussian_flow as gaussian_flow
