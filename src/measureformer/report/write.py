"""Writes the report of a run: one HTML file that needs nothing else, and its figures as PNG beside it."""

from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from .._files import write_whole
from ..diagnostics import History
from ..measures import Empirical
from ..transport.pointmap import PointMap
from . import sections
from .along import along_schedule
from .curve import distance_curve
from .figures import before_after, no_attention, phases, shown_phases
from .motion import stage
from .parts import figure, mark_colors, script, text
from .pixels import pixels, save, small_png
from .scene import Scene, make_scene
from .theme import DARK, LIGHT, Theme, drawing


def write_report(
    directory: Path,
    *,
    certificate: dict,
    history: History,
    sources: list[Empirical],
    targets: list[Empirical],
    layers: list[dict] | None,
    notes: Sequence[str] = (),
    title: str = "Measure-to-measure interpolation",
    background: np.ndarray | None = None,
    comparison: PointMap | None = None,
    attribution: str = "",
) -> Path:
    """Write ``report.html`` and ``figures/*.png``.

    The page holds its pictures (for light and for dark paper), its style and its scripts, and loads nothing; without JavaScript it lacks
    what moves.

    Args:
        directory: the run's; created if need be.
        certificate: as in ``certificate.json``.
        history: positions at the end of each phase, W_2 along the schedule.
        sources, targets: N measures each, in the order of the certificate's pairs.
        layers: the list ``layers`` of ``network.json``, or None without a network.
        notes: remarks of the planner, in addition to those in the certificate.
        title: heading of the page.
        background: points (m, 3) of the sphere to be drawn as pale dots; only used if d = 3.
        comparison: what the best map of points reaches (``transport.best_point_map``).
        attribution: of the data, for the foot of the page.

    Returns:
        The path of ``report.html``.
    """
    directory = Path(directory)
    (directory / "figures").mkdir(parents=True, exist_ok=True)
    scene = make_scene([pair["label"] for pair in certificate["pairs"]], history, sources, targets, background, comparison)
    pictures = _draw(directory / "figures", scene, certificate, history, comparison)
    labels = [str(pair["label"]) for pair in certificate["pairs"]]
    body = [
        sections.header(certificate, title, labels, scene.shared),
        pictures["before-after"],
        sections.facts(certificate),
        stage(along_schedule(scene, history, sources, certificate["eps"])) if history.path else "",
        "" if comparison is None else sections.comparison_section(certificate, comparison, pictures["no-attention"]),
        sections.how_section(history, pictures["phases"]),
        sections.pairs_section(certificate, pictures["distance"], history.atoms),
        sections.certificate_section(certificate, history),
        sections.network_section(certificate, layers),
        sections.execution_section(certificate, notes),
        _footer(attribution),
    ]
    path = directory / "report.html"
    write_whole(path, page_of(title, "\n".join(body)).encode("utf-8"))
    return path


def _draw(folder: Path, scene: Scene, certificate: dict, history: History, comparison: PointMap | None) -> dict[str, str]:
    """Every figure, on light paper in ``folder``, and as HTML by its name."""
    reached = [float("nan") if pair["w2_after"] is None else float(pair["w2_after"]) for pair in certificate["pairs"]]
    drawings: dict[str, Callable[[Theme], Any]] = {
        "before-after": lambda theme: before_after(scene, theme),
        "phases": lambda theme: phases(scene, history.phases, history.segments.tolist(), theme),
        "distance": lambda theme: distance_curve(history, scene.names, certificate["eps"], theme),
    }
    if comparison is not None:
        drawings["no-attention"] = lambda theme: no_attention(scene, comparison.values, reached, theme)
    captions, pictures = _captions(scene, history), {}
    with drawing():
        for name, draw in drawings.items():
            light, dark = pixels(draw(LIGHT)), pixels(draw(DARK))
            save(folder / f"{name}.png", light)
            pictures[name] = figure(small_png(light), small_png(dark), captions[name], text(captions[name]), light.size)
    return pictures


def _captions(scene: Scene, history: History) -> dict[str, str]:
    clouds = " Points that belong to several sources have several colours." if scene.shared else ""
    clouds += scene.axes.said
    shown, phases_run = len(shown_phases(history.phases)), len(history.phases)
    some = f" {shown} of {phases_run} are shown." if shown < phases_run else ""
    return {
        "before-after": f"Left: the sources. Right: where they arrive; rings are the targets.{clouds}",
        "phases": f"The measures at the end of each phase.{some}{clouds}",
        "distance": "Distance of each measure to its target along the schedule. It need not fall on the way: phases prepare later ones.",
        "no-attention": f"Left: where the best map of points takes the sources; rings are the targets. Right: the distance left.{clouds}",
    }


def _footer(attribution: str) -> str:
    said = f"<p>{text(attribution)}</p>" if attribution else ""
    return (
        f"<footer>{said}<p>Made with measureformer. Theorem: Geshkovski, Rigollet, Ruiz-Balet, "
        f"<cite>Measure-to-measure interpolation using Transformers</cite>, {sections.PAPER}.</p></footer>"
    )


def page_of(title: str, body: str) -> str:
    """A whole page that needs nothing else."""
    style = resources.files("measureformer.report").joinpath("style.css").read_text(encoding="utf-8") + mark_colors()
    return (
        "<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width, initial-scale=1'>"
        "<meta name='color-scheme' content='light dark'><link rel='icon' href='data:,'>"
        f"<title>{text(title)}</title><style>{style}</style></head>\n"
        f"<body><main>{script('theme')}\n{body}\n</main></body></html>\n"
    )
