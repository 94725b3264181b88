"""Measuring what a flow does."""

from .conditioning import Stretch as Stretch
from .conditioning import stretch as stretch
from .divergence import Divergence as Divergence
from .divergence import kl_divergence as kl_divergence
from .history import History as History
from .history import record as record
