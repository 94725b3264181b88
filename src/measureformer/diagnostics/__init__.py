"""Measuring what a flow does."""

from .conditioning import Stretch as Stretch
from .conditioning import stretch as stretch
from .history import History as History
from .history import record as record
