"""The sections of a report, each a function from certificate and friends to HTML."""

import itertools
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..diagnostics import History
from .parts import count, finite, mark, number, pairs, table, text
from .theme import marker

PAPER = "<a href='https://arxiv.org/abs/2411.04551'>arXiv:2411.04551</a>"

# One sentence for each phase; a phase that is not here is shown by its name alone.
EXPLANATIONS = {
    "clear": "The sources fill the sphere. A push away from a cap that holds little mass gathers all the rest in one open hemisphere; "
    "the atoms of the cap ride along and are given up.",
    "disentangle": "Attention looks at the whole measure, so each measure moves its points in its own way: "
    "points that several measures share come apart.",
    "boost": "A push in one direction gathers everything in one open hemisphere, where a ReLU layer acts as a shear "
    "that can be written down exactly.",
    "slide": "On a half circle, seen in its chart, everything beyond a gap between two points moves by one step, from the middle outwards, "
    "until every gap is as wide as that of the places.",
    "match 1": "Every point has its own height along one direction. A staircase made of ReLUs over these heights moves each point "
    "sideways, by its own step, until its height along a second direction is that of its target.",
    "match 2": "A staircase over these heights, which are right by now, moves each point by what is left.",
    "boost back": "A push towards the targets' side of the sphere carries everything home.",
    "bend": "A fold of the hemisphere makes the means of the measures different.",
    "cluster": "Attention pulls each measure together, until the measures lie apart.",
    "lanes": "The clusters are shifted so that one direction tells them all apart.",
    "recentre": "Attention drives the mean of every measure to one great circle, and with it what a sample's mean is off by.",
    "unroll": "Each cluster is shifted along that circle's normal, so that they follow each other in one line.",
    "flatten": "A linear contraction: of the clusters a thread is left, measure after measure; later, of its slabs, points.",
    "restore": "The first phase runs backwards and brings the measures back to where the targets are.",
}


def header(certificate: dict, title: str, names: Sequence[str], shared: int) -> str:
    """Title, verdict, and what was done in three sentences."""
    schedule, eps = certificate["schedule"], certificate["eps"]
    reached = [pair["w2_after"] for pair in certificate["pairs"]]
    worst = max(reached) if all(map(finite, reached)) else None
    passed = bool(certificate["passed"])
    verdict = ("\u2713 Passed: every measure arrives within" if passed else "\u2717 Not passed at") + f" \u03b5 = {number(eps)}"
    points = sum(pair["n_source"] for pair in certificate["pairs"])
    many = f"{count(len(names), 'measure')} ({count(points, 'point')})" if len(names) > 1 else f"a measure of {count(points, 'point')}"
    sentences = [
        f"One Transformer of {count(schedule['segments'], 'segment')} {'carries' if passed else 'was to carry'} {many} "
        f"on the sphere S<sup>{schedule['dimension'] - 1}</sup> "
        f"to {'their targets, all through the same parameters' if len(names) > 1 else 'its target'}."
    ]
    if shared:
        belong = "1 point belongs" if shared == 1 else f"{shared:,} points belong"
        elsewhere = "and may have to go elsewhere with each: no map of points can do that, attention can."
        together = "and there is one place for all of them: points keep their order on a circle."
        sentences.append(f"{belong} to several measures at once {together if schedule['dimension'] == 2 else elsewhere}")
    left = "The largest distance left is W<sub>2</sub> =" if worst is not None else "Executed independently, it does not stay finite."
    sentences.append(left if worst is None else f"{left} {number(worst)} rad.")
    return (
        f"<header><p class='kind'>Measure-to-measure interpolation</p><h1>{text(title)}</h1>"
        f"<p class='verdict {'passed' if passed else 'failed'}'>{verdict}</p><p class='lead'>{' '.join(sentences)}</p></header>"
    )


def facts(certificate: dict) -> str:
    """A few numbers, large."""
    schedule, budget, network = certificate["schedule"], certificate.get("paper_budget") or {}, certificate.get("network")
    reached = [pair["w2_after"] for pair in certificate["pairs"]]
    worst = number(max(reached), 2) if all(map(finite, reached)) else "not finite"
    items = [("largest W\u2082 after, radians", worst), ("segments", number(schedule["segments"]))]
    if finite(budget.get("total")):
        items.append(("segments of the paper\u2019s construction", number(budget["total"])))
    items.append(("neurons in a segment, at most", number(schedule["width"])))
    if network:
        items.append(("layers as an ordinary Transformer", number(network["layers"])))
    return "<dl class='facts'>" + "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in items) + "</dl>"


def comparison_section(certificate: dict, comparison: Any, picture: str) -> str:
    """What the best map of points reaches."""
    reached = [pair["w2_after"] for pair in certificate["pairs"]]
    quality = (
        "no map of points leaves a smaller sum of squares" if comparison.exact else "the best one found; its distances are upper bounds"
    )
    return (
        "<section><h2>The same task without attention</h2>"
        "<p>Without attention a Transformer is a map of points: it moves a point to one place, whatever measure the point belongs to. "
        "So a point that several measures share, with targets apart, has to stop somewhere in between, and some distance is left.</p>"
        f"{picture}<p>Best map of points: W<sub>2</sub> = {', '.join(number(value) for value in comparison.values)} rad "
        f"({quality}; {text(comparison.method)}). With attention: {', '.join(map(_distance, reached))} rad.</p></section>"
    )


def how_section(history: History, picture: str) -> str:
    """The phases, in pictures and words."""
    lengths = _segments_by_phase(history).items()
    steps = "".join(f"<li><b>{text(name)}</b>, {count(n, 'segment')}. {EXPLANATIONS.get(name, '')}</li>" for name, n in lengths)
    return f"<section><h2>How it works</h2><ol class='steps'>{steps}</ol>{picture}</section>"


def _segments_by_phase(history: History) -> dict[str, int]:
    segments: dict[str, int] = {}
    for name, ran in zip(history.phases[1:], np.diff(history.segments), strict=True):
        segments[name] = segments.get(name, 0) + int(ran)
    return segments


def pairs_section(certificate: dict, curve: str, atoms: int) -> str:
    """The table of pairs under the curve, which is that of at most ``atoms`` atoms of each measure."""
    rows = []
    for i, pair in enumerate(certificate["pairs"]):
        after, method = pair["w2_after"], pair.get("w2_attainable_method") or pair.get("attainable_method")
        attainable = number(pair["w2_attainable"]) + (f"<small>{text(method)}</small>" if method else "")
        cells = [mark(i, marker(i)) + text(pair["label"]), number(pair["n_source"]), number(pair["n_target"]), number(pair["w2_before"])]
        cells += [f"<b>{_distance(after)}</b>", attainable, _distance(pair["winf_after"])]
        rows.append(("" if finite(after) and after <= certificate["eps"] else "miss", cells))
    head = ["measure", "source points", "target points", "W\u2082 before", "W\u2082 after", "W\u2082 of the best map of this source"]
    head.append("W<sub>\u221e</sub> after")
    largest = max(max(pair["n_source"], pair["n_target"]) for pair in certificate["pairs"])
    remark = f" The curve is drawn for {atoms} atoms of each measure, so that it ends higher than the table says."
    thinned = remark if largest > atoms else ""
    return (
        f"<section><h2>Distance to the targets</h2>{curve}{table(head, rows, kind='pairs-table')}"
        "<p>All distances are in radians, with the geodesic distance as ground cost: W<sub>2</sub> is the root mean square of the way that "
        "the mass still has to go under the best coupling, W<sub>\u221e</sub> the longest way. "
        f"Distances after are those of the independent execution below.{thinned}</p></section>"
    )


def certificate_section(certificate: dict, history: History) -> str:
    """Size of the schedule against the paper's budget."""
    schedule, budget = certificate["schedule"], certificate.get("paper_budget") or {}
    if not finite(budget.get("total")):
        budget = {}  # d = 2, which the theorem excludes
    segments = _segments_by_phase(history)
    switches = schedule["switches_by_phase"]
    phases = [("", [text(name), number(segments.get(name)), number(switches.get(name))]) for name in dict.fromkeys([*segments, *switches])]
    rows = [*phases, ("sum", ["together", number(schedule["segments"]), number(schedule["switches"])])]
    paper = [("sum" if name == "total" else "", [text(name), number(value)]) for name, value in budget.items()]
    bars = _bars(schedule["segments"], budget["total"]) if budget else ""
    size = pairs(
        [
            ("strategy", text(certificate["strategy"])),
            ("dimension", number(schedule["dimension"])),
            ("width", f"{number(schedule['width'])} neurons"),
            ("horizon T", number(schedule["horizon"])),
            ("largest parameter norm, sup |\u03b8(t)|", number(schedule["sup_norm"])),
        ]
    )
    ours = f"<div><h3>This schedule</h3>{table(['phase', 'segments', 'switches'], rows)}</div>"
    counted = f"The numbers for the paper\u2019s construction are counted from the proofs of {PAPER}."
    if not budget:
        counted = f"The theorem of {PAPER} needs d \u2265 3, so there is no budget to compare with."
    compared = f"<div><h3>The paper\u2019s construction</h3>{table(['phase', 'segments'], paper)}</div>" if paper else ""
    return (
        "<section><h2>The schedule, against the paper\u2019s budget</h2>"
        "<p>A segment is an interval of time on which the parameters are constant; a switch is a change between two of them, "
        "and the number of switches bounds the depth of the network from below. "
        f"{counted}</p>"
        f"{bars}<div class='beside'>{ours}{compared}</div>{size}</section>"
    )


def _bars(ours: int, theirs: int) -> str:
    most = max(1, ours, theirs)
    items = [("ours", "this schedule", ours), ("", "the paper\u2019s construction", theirs)]
    lengths = [(name, f"<dd class='{kind}'><i style='width:{82 * n / most:.2f}%'></i>{number(n)}</dd>") for kind, name, n in items]
    return "<dl class='bars'>" + "".join(f"<dt>{name}</dt>{bar}" for name, bar in lengths) + "</dl>"


def network_section(certificate: dict, layers: list[dict] | None) -> str:
    """The discrete network as a list of layers, and where it ends in float64 and float32."""
    network = certificate.get("network")
    if not network:
        return "<section><h2>The network</h2><p>This strategy yields a flow only, no discrete network.</p></section>"
    labels = [mark(i, marker(i)) + text(pair["label"]) for i, pair in enumerate(certificate["pairs"])]
    enough = all(finite(value) and value <= certificate["eps"] for value in network.get("w2_after_float32") or [])
    single = "" if enough else " It needs double precision: in single precision \u03b5 is not reached."
    results = [network.get("w2_after") or [], network.get("w2_after_float32") or []]
    rows = [("", [name, *(_distance(x) for x in values)]) for name, *values in itertools.zip_longest(labels, *results)]
    listed = ""
    if layers:
        groups = [("", [where, text(kind), text(shapes), text(phase)]) for where, kind, shapes, phase in group_layers(layers)]
        listed = f"<details><summary>All {count(len(layers), 'layer')}, equal neighbours together</summary>"
        listed += table(["layers", "kind", "parameters", "phase"], groups, words=4) + "</details>"
    head = ["measure", "W\u2082 after, float64", "W\u2082 after, float32"]
    layers_of = f"{count(network['layers'], 'layer')}: {count(network['attention_layers'], 'attention layer')}"
    return (
        "<section><h2>The same thing as an ordinary Transformer</h2>"
        f"<p>{layers_of}, the others residual ReLU blocks of at most {count(network['width'], 'neuron')}; "
        f"every layer is followed by normalisation (post-norm). Nothing was trained.{single}</p>"
        f"{table(head, rows, kind='narrow')}{listed}</section>"
    )


def group_layers(layers: list[dict]) -> list[tuple[str, str, str, str]]:
    """Runs of layers with equal kind, phase and shapes: which (from 0), what, parameters, phase.

    For instance ("2\u2013300", "residual block, 3 neurons", "W 3\u00d73, U 3\u00d73", "match 1").
    """

    def look(layer: dict) -> tuple[str, str, str]:
        shapes = layer.get("parameters") or {}
        kind = {"attention": "attention", "residual": "residual block"}.get(layer["kind"], str(layer["kind"]))
        if "W" in shapes:
            kind += ", " + count(shapes["W"][-1], "neuron")
        return kind, ", ".join(f"{name} " + "\u00d7".join(map(str, shape)) for name, shape in shapes.items()), str(layer.get("phase", ""))

    groups, k = [], 0
    for (kind, shapes, phase), run in itertools.groupby(map(look, layers)):
        n = len(list(run))
        groups.append((str(k) if n == 1 else f"{k}\u2013{k + n - 1}", kind, shapes, phase))
        k += n
    return groups


def execution_section(certificate: dict, notes: Sequence[str]) -> str:
    """How it was checked, how well conditioned it is, what it took."""
    done, conditioning = certificate.get("independent_execution") or {}, certificate.get("conditioning") or {}
    names = {"rtol": "relative tolerance", "atol": "absolute tolerance", "drift": "drift off the sphere"}
    stretches = {
        "largest_stretch": "largest stretch of a neighbourhood",
        "smallest_stretch": "smallest stretch of a neighbourhood",
        "smallest_gap": "smallest gap between two heights",
        "tokens": "points at which stretches were measured",
    }
    said = list(dict.fromkeys([*notes, *(certificate.get("notes") or [])]))
    listed = "<h3>Notes</h3><ul>" + "".join(f"<li>{text(note)}</li>" for note in said) + "</ul>" if said else ""
    timing = ", ".join(f"{text(name)} {number(value)} s" for name, value in (certificate.get("timing_s") or {}).items())
    versions = ", ".join(f"{text(name)} {text(value)}" for name, value in (certificate.get("versions") or {}).items())
    whole = json.dumps(certificate, indent=2, ensure_ascii=False, default=str)
    run = [
        ("time", timing),
        ("peak memory", f"{number(certificate.get('peak_memory_mb'))} MB"),
        ("seed", number(certificate.get("seed"))),
        ("versions", versions),
    ]
    return (
        "<section><h2>How it was checked</h2><p>The planner is not trusted. The saved files were read again and executed by other code: "
        "the original equation, integrated with error control, and the discrete network, if there is one, layer by layer.</p>"
        f"<h3>Independent execution</h3>{pairs((names.get(key, text(key)), number(value)) for key, value in done.items())}"
        f"<h3>Conditioning</h3>{pairs((stretches.get(key, text(key)), number(value)) for key, value in conditioning.items())}"
        f"{listed}<h3>The run</h3>{pairs(run)}"
        f"<details><summary>certificate.json</summary><pre>{text(whole)}</pre></details></section>"
    )


def _distance(value: Any) -> str:
    return number(value, 3) if finite(value) else "not finite"
