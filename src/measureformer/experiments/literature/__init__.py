"""Figures of the literature, made again: one file each, with the authors' parameters, theory laid over, and what is known to be wrong."""

from .catalogue import FIGURES as FIGURES
from .catalogue import reproduce as reproduce
from .page import Page as Page
from .page import Panel as Panel
from .page import Picture as Picture
from .page import Series as Series
from .page import Settings as Settings
from .page import Table as Table
