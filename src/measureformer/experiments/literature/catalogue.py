"""The figures that can be reproduced, by name. A figure's file is imported when it is asked for."""

from collections.abc import Callable
from importlib import import_module

from ...errors import InputError
from ...fields.laws import nearest
from .page import Page, Settings

# name: (file, what it shows, where it was published). A new figure gets its line here.
FIGURES = {
    "phase-diagram": ("phase_diagram", "fraction of gathered pairs over time and beta, d = 2 ... 1024", "arXiv:2312.10794, Figure 3"),
    "metastability": ("metastability", "clusters that seem to last, on the circle", "arXiv:2312.10794, Figure 4"),
    "random-matrices": ("random_matrices", "phase diagrams with random Q, K, V", "arXiv:2312.10794, Figure 5"),
    "kinetic": ("kinetic", "merges of five tokens, and the long wait for the last one", "arXiv:2410.06833, kinetic.py"),
    "staircase": ("staircase", "the energy becomes a staircase as beta grows", "arXiv:2410.06833, staircase figure"),
    "no-layer-norm": ("no_layer_norm", "polytopes, hyperplanes and Boolean attention without layer norm", "arXiv:2305.05465, examples"),
    "mode-selection": ("mode_selection", "the fastest mode decides the number of clusters", "arXiv:2410.23228, particle figures"),
    "depth": ("depth", "layers against the Vlasov flow: orders 1, 2 and 1/2", "arXiv:2509.25611, depth to infinity"),
    "causal": ("causal", "Rényi centers and strong centers under causal attention", "arXiv:2411.04990, figures"),
    "normalisation": ("normalisation", "six places of the layer norm compared", "arXiv:2510.22026, as surveyed in arXiv:2512.01868"),
    "gaussian-panels": ("gaussian_panels", "covariances that shrink, lose rank or blow up, in disc and cone", "arXiv:2501.18322, panels"),
    "rank-histograms": ("rank_histograms", "ranks of limits of covariances, d = 3, 4, 5", "arXiv:2501.18322, histograms"),
}


def reproduce(name: str, settings: Settings | None = None) -> Page:
    """Make a figure of the literature again.

    Args:
        name: one of ``FIGURES``.
        settings: reduced sizes and seed 0 if None.

    Raises:
        InputError: there is no such figure; the message has the nearest name.
    """
    return figure_named(name)(settings or Settings())


def figure_named(name: str) -> Callable[[Settings], Page]:
    """The function of a figure.

    Raises:
        InputError: there is none.
    """
    if name not in FIGURES:
        raise InputError(f"there is no figure {name!r} to reproduce; {nearest(name, FIGURES)}")
    return import_module(f".{FIGURES[name][0]}", __package__).reproduce
