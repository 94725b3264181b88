"""The page of a simulation: tokens in motion, its figures, what was found."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from .._files import write_whole
from ..diagnostics.history import evenly
from ..flows import Trajectory
from ..measures import Empirical
from ..transport import wasserstein2
from .along import ground_of, turned
from .camera import shared_view
from .dynamics import Frames, draw_simulation, frames
from .motion import FRAMES, POINTS, Curve, Motion, stage
from .parts import count, figure, finite, mark, number, pairs, table, text
from .pixels import small_png
from .theme import DARK, LIGHT, marker, raised, readable, short
from .write import page_of

_ATOMS, _MEASURES = 200, 12  # of so many at most is W_2 computed, at each moment
_EVENTS = 60
_CAPTIONS = {
    "tokens": "The tokens at four of the saved times.",
    "energy": "The energy of each measure against time.",
    "cosines": "The cosine of pairs of tokens: median, middle half, and middle nine tenths.",
}


def write_simulation(
    directory: Path,
    result: Trajectory,
    labels: Sequence[object],
    *,
    summary: dict,
    settings: dict,
    figures: bool = True,
    moving: bool = True,
) -> Path:
    """Write ``report.html``, and with ``figures`` the files of ``draw_simulation``.

    Args:
        directory: the run's.
        result: the trajectory, whose quantities have "energy".
        labels: of its measures.
        summary: as in ``summary.json``.
        settings: the configuration.
        figures: whether there are to be pictures.
        moving: whether the page is to show the tokens in motion.

    Returns:
        The path of the page.
    """
    drawn = draw_simulation(directory / "figures", result, labels, (LIGHT, DARK)) if figures else {}
    pictures = [
        figure(small_png(light), small_png(dark), _CAPTIONS[name], text(_CAPTIONS[name]), light.size)
        for name, (light, dark) in drawn.items()
    ]
    title = _title(result, settings)
    body = [
        _header(title, summary),
        stage(in_time(result, labels)) if moving else "",
        *pictures,
        _measures(summary),
        _events(summary),
        _run(summary, settings),
        "<footer><p>Made with measureformer.</p></footer>",
    ]
    path = directory / "report.html"
    write_whole(path, page_of(title, "\n".join(body)).encode())
    return path


def in_time(result: Trajectory, labels: Sequence[object]) -> Motion:
    """The tokens at the saved times, of many some, with the energy and W_2 to the start beside them."""
    shown = frames(result, FRAMES, max(1, POINTS // len(result.points)))
    weights = [np.asarray(mu.weights, float)[rows] for mu, rows in zip(result.starts, shown.rows, strict=True)]
    ground = ground_of(shown.axes) if shown.spherical else "plane" if shown.axes.circle else "space"
    moments, times = range(len(shown.picked)), result.times[shown.picked]
    view = shared_view([[path[k] for path in shown.tokens] for k in moments])[0].toward if ground == "globe" else np.array([1.0, 0.6, 0.5])
    energy = result.quantities["energy"][:, shown.picked]
    known = energy[np.isfinite(energy)]
    blown = bool(known.size and known.min() > 0 and known.max() > 1e6 * known.min())
    curves = [Curve("energy", energy, log=blown)]
    if shown.spherical:
        curves.append(Curve("W\u2082 to the start, radians", _travelled(result, shown)))
    return Motion(
        names=[short(label) for label in labels],
        paths=[turned(path, shown.axes) for path in shown.tokens],
        weights=weights,
        ground=ground,
        toward=np.eye(3)[0] if ground == "ball" else view,
        labels=[f"t = {readable(float(t), 4)}" for t in times],
        marks=[],
        x=times,
        xlabel="time",
        curves=curves,
        caption=_caption(result, shown),
        probes=[turned(path, shown.axes) for path in shown.probes] if any(p.shape[1] for p in shown.probes) else [],
        reach=shown.reach,
    )


def _travelled(result: Trajectory, shown: Frames) -> np.ndarray:
    """W_2 between the first moment and every moment; NaN for measures beyond the first few."""
    found = np.full((len(result.points), len(shown.picked)), np.nan)
    for i, path in enumerate(result.points[:_MEASURES]):
        few = evenly(path.shape[1], _ATOMS)
        weights = np.asarray(result.starts[i].weights, float)[few]
        start = Empirical(np.asarray(path[0][few], float), weights)
        found[i] = [wasserstein2(Empirical(np.asarray(path[k][few], float), weights), start).value for k in shown.picked]
    return found


def _caption(result: Trajectory, shown: Frames) -> str:
    tokens, there = sum(path.shape[1] for path in shown.tokens), sum(x.shape[1] for x in result.points)
    said = ["Move the slider; point at a token for its measure and weight."]
    if len(shown.picked) < len(result.times):
        said.append(f"{len(shown.picked)} of {len(result.times):,} saved times are shown.")
    if tokens < there:
        said.append(f"{tokens:,} of {there:,} tokens are shown.")
    if shown.spherical and max(x.shape[1] for x in result.points) > _ATOMS:
        said.append(f"W<sub>2</sub> is computed for {_ATOMS} tokens of each measure.")
    if shown.spherical and len(result.points) > _MEASURES:
        said.append(f"W<sub>2</sub> is shown for the first {_MEASURES} measures.")
    return " ".join(said) + text(shown.axes.said)


def _title(result: Trajectory, settings: dict) -> str:
    """What ran, where: softmax, beta = 4, 64 tokens on S^2."""
    field, d = settings.get("field", {}), result.points[0].shape[2]
    law = [str(field.get("law", "softmax"))] + (
        [f"\u03b2 = {readable(field['beta'])}"] if isinstance(field.get("beta"), int | float) else []
    )
    space = f"on the sphere S{raised(d - 1)}" if field.get("geometry", "sphere") == "sphere" else f"in {d} dimensions"
    n = sum(x.shape[1] for x in result.points)
    measures = f" of {count(len(result.points), 'measure')}" if len(result.points) > 1 else ""
    return f"{', '.join(law)}: {count(n, 'token')}{measures} {space}"


def _header(title: str, summary: dict) -> str:
    energy = summary["energy"]
    bad = summary["status"] in ("steps", "step_size")
    trend = f"The energy {energy['direction']}" if summary["energy_monotone"] else "The energy is not monotone"
    about = trend if energy["gradient_flow"] else "The energy is that of softmax; no functional of this field is known"
    ends = f", from {number(summary['energy_initial'])} to {number(summary['energy_final'])}."
    return (
        f"<header><p class='kind'>Simulation</p><h1>{text(title)}</h1>"
        f"<p class='verdict {'failed' if bad else 'passed'}'>t = {number(summary['time'], 4)}: {text(summary['stop_reason'])}</p>"
        f"<p class='lead'>{count(summary['clusters'], 'cluster')} at the end. {about}{ends}</p></header>"
    )


def _measures(summary: dict) -> str:
    found = summary["measures"]
    rows = [
        (
            "",
            [
                mark(i, marker(i)) + text(m["label"]),
                *(number(m[key]) for key in ("n", "clusters", "energy_initial", "energy_final", "time")),
            ],
        )
        for i, m in enumerate(found)
    ]
    head = ["measure", "tokens", "clusters", "energy at the start", "energy at the end", "ended at t ="]
    return f"<section><h2>The measures</h2>{table(head, rows)}</section>"


def _events(summary: dict) -> str:
    events = summary["events"]
    if not events:
        return ""
    labels = [str(m["label"]) for m in summary["measures"]]
    rows = [("", [text(e["kind"]), text(labels[e["measure"]]), number(e["time"], 4), number(e["value"], 4)]) for e in events[:_EVENTS]]
    cut = f"<p>The first {_EVENTS} of {len(events):,}; all are in summary.json.</p>" if len(events) > _EVENTS else ""
    return f"<section><h2>Events</h2>{table(['event', 'measure', 'time', 'value'], rows, words=2, kind='narrow')}{cut}</section>"


def _run(summary: dict, settings: dict) -> str:
    error = summary["max_norm_error"]
    items = [
        ("steps", f"{number(summary['steps'])}, and {number(summary['rejected'])} rejected"),
        ("largest distance from the sphere", number(error) if finite(error) else "not on a sphere"),
        ("sums over tokens", text(summary["kernel"])),
        ("functional", text(summary["energy"]["functional"])),
        ("time", f"{number(float(summary['wall_s']))} s"),
        ("versions", ", ".join(f"{text(name)} {text(value)}" for name, value in summary["versions"].items())),
    ]
    files = {"configuration": settings, "summary.json": summary}
    shown = "".join(
        f"<details><summary>{name}</summary><pre>{text(json.dumps(value, indent=2, ensure_ascii=False, default=str))}</pre></details>"
        for name, value in files.items()
    )
    return f"<section><h2>The run</h2>{pairs(items)}{shown}</section>"
