"""Trained Transformers: the tokens of a text as a measure that flows through the layers."""

from .analysis import Analysis as Analysis
from .analysis import analyze as analyze
from .heads import Head as Head
from .heads import heads_of as heads_of
from .load import TrainedModel as TrainedModel
from .load import load_model as load_model
from .timing import EquiangularFit as EquiangularFit
from .timing import fit_equiangular as fit_equiangular
