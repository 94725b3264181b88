"""Schedules theta(t): a field for each interval of time; they compose, invert, rescale and are saved."""

from .balance import balance as balance
from .schedule import Schedule as Schedule
from .schedule import Segment as Segment
from .storage import load_schedule as load_schedule
from .storage import save_schedule as save_schedule
