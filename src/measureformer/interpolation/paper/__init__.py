"""Strategy "paper": the construction of arXiv:2411.04551, lemma by lemma."""

from .cluster import cluster as cluster
from .disentangle import disentangle as disentangle
from .gate import Gate as Gate
from .isolate import isolate as isolate
from .match import match_point as match_point
from .match import match_points as match_points
from .orthant import into_orthant as into_orthant
from .pieces import cut_into_pieces as cut_into_pieces
from .plan import PaperPlan as PaperPlan
from .plan import plan_paper as plan_paper
from .separate import separate_equal_means as separate_equal_means
