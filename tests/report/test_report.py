"""The report: complete, self-contained, harmless, and drawn for any number of measures and any dimension."""

import copy
import html
import json
import re
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest

from measureformer.diagnostics import History
from measureformer.geometry import normalize
from measureformer.measures import Empirical
from measureformer.report import write_report
from measureformer.report.camera import principal_axes
from measureformer.report.curve import distance_curve
from measureformer.report.motion import plotly
from measureformer.report.sections import group_layers
from measureformer.report.theme import LIGHT, MARKERS, drawable, drawing, readable
from measureformer.transport import best_point_map
from pages import data_of, unpacked

PHASES, ENDS = ["start", "disentangle", "match 1"], np.array([0, 1, 9])
LABELS = ["<script>alert('x')</script>", "$x_2$ & 中文 \x1b[31m " + 300 * "long "]


def instance(d: int = 3, n: int = 12, N: int = 2):
    """Measures that share their first points, targets elsewhere, and a history that goes straight from one to the other."""
    rng = np.random.default_rng(d + n + N)
    cloud = normalize(np.eye(d)[0] + 0.4 * rng.normal(size=(n, d)))
    sources = [Empirical(cloud)] + [Empirical(np.concatenate([cloud[: n // 2], normalize(rng.normal(size=(1, d)))])) for _ in range(N - 1)]
    targets = [Empirical(normalize(-np.eye(d)[i % d] + 0.3 * rng.normal(size=(mu.size, d)))) for i, mu in enumerate(sources)]
    way = [[normalize((1 - t) * s.points + t * g.points) for s, g in zip(sources, targets, strict=True)] for t in (0, 0.3, 1)]
    times = np.linspace(0, 1, 10)
    curve = (1 - times)[:, None] ** np.arange(1, N + 1)  # ends with zeros
    path = [np.stack([normalize((1 - t) * s.points + t * g.points) for t in times]) for s, g in zip(sources, targets, strict=True)]
    history = History(PHASES, ENDS, way, np.arange(10), times, curve, 500, path, [np.arange(mu.size) for mu in sources])
    return sources, targets, history


def certificate(sources, targets, labels) -> dict:
    pairs = [
        {
            "label": label,
            "n_source": mu.size,
            "n_target": nu.size,
            "w2_before": 1.2345678 + i,
            "w2_after": 1.4e-12,
            "w2_attainable": 0.0613,
            "w2_attainable_method": "exact: by <hand>",
            "winf_after": 3.21e-11,
        }
        for i, (label, mu, nu) in enumerate(zip(labels, sources, targets, strict=True))
    ]
    d = sources[0].dimension
    schedule = {"dimension": d, "segments": 9, "switches": 8, "switches_by_phase": {"disentangle": 0, "match 1": 8}}
    return {
        "format": 1,
        "passed": True,
        "eps": 2.5e-7,
        "strategy": "compact",
        "pairs": pairs,
        "schedule": {**schedule, "width": 17, "horizon": 1.5, "sup_norm": 1368.4},
        "paper_budget": {"disentangle": 24, "cluster": 7, "match": 1800, "total": 1831},
        "network": {
            "layers": 9,
            "attention_layers": 1,
            "width": 17,
            "w2_after": [2.2e-12] * len(pairs),
            "w2_after_float32": [0.111] * len(pairs),
        },
        "conditioning": {"largest_stretch": 21.8, "smallest_stretch": 0.382, "smallest_gap": 1.73e-4, "tokens": 19},
        "independent_execution": {"method": "by <other> code", "rtol": 1e-10, "atol": 1e-9, "steps": 4321, "drift": 5.5e-13},
        "timing_s": {"plan": 1.77, "verify": 5.76, "total": 7.53},
        "peak_memory_mb": 422.0,
        "seed": 71,
        "versions": {"python": "3.11.7", "jax": "0.10.1"},
        "notes": ["the directions are <poor>"],
    }


LAYERS = [{"index": 0, "kind": "attention", "phase": "disentangle", "parameters": {"V": [3, 3]}}] + [
    {"index": k, "kind": "residual", "phase": "match 1", "parameters": {"W": [3, 17], "U": [17, 3]}} for k in range(1, 9)
]


class Page(HTMLParser):
    """Text without styles and scripts, attributes that could load something, links, and whether tags are balanced."""

    VOID = {"meta", "link", "img", "source", "br", "path", "input"}

    def __init__(self, path):
        super().__init__()
        self.text, self.tags, self.loads, self.links, self.open = "", [], [], [], []
        self.feed(path.read_text(encoding="utf-8"))
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open += [] if tag in self.VOID else [tag]
        for name, value in attrs:
            if name in {"src", "srcset", "data", "poster", "action"} or (name == "href" and tag != "a"):
                self.loads.append(value)
            elif name == "href":
                self.links.append(value)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += "" if self.open[-1:] in (["style"], ["script"]) else " " + data


@pytest.fixture(scope="module", params=[3, 5])
def run(request, tmp_path_factory):
    """A report of two measures, with comparison, in dimension 3 and 5."""
    sources, targets, history = instance(request.param)
    directory = tmp_path_factory.mktemp("run") / "new"
    stated = certificate(sources, targets, LABELS)
    background = normalize(np.random.default_rng(0).normal(size=(500, 3)))
    path = write_report(
        directory, certificate=stated, history=history, sources=sources, targets=targets, layers=LAYERS, notes=("mind <the> gap",),
        title="<i>Title</i> & more", background=background, comparison=best_point_map(sources, targets), attribution="Data: <Someone>",
    )  # fmt: skip
    return directory, path, stated


def pixels(path) -> np.ndarray:
    return matplotlib.image.imread(path)[..., :3]


def test_figures_are_pictures(run):
    directory, path, _ = run
    assert path == directory / "report.html"
    files = sorted(file.name for file in (directory / "figures").iterdir())
    assert files == ["before-after.png", "distance.png", "no-attention.png", "phases.png"]
    for name in files:
        image = pixels(directory / "figures" / name)
        assert image.shape[1] == 1800 and image.std() > 0.02
        for color in LIGHT.palette[:2]:  # both measures are there
            assert (np.abs(image - matplotlib.colors.to_rgb(color)).max(axis=-1) < 0.03).sum() > 50, (name, color)


def test_the_page_is_self_contained(run):
    page = Page(run[1])
    assert page.open == []
    assert page.loads and all(value.startswith("data:") for value in page.loads)
    assert page.links and all(value.startswith("https://arxiv.org/") for value in page.links)
    whole = run[1].read_text(encoding="utf-8")
    text = whole.replace(plotly(), "") if plotly() else whole
    assert "url(" not in text and "@import" not in text
    assert sum("data:image/png;base64," in value for value in page.loads) == 8  # four figures, light and dark
    assert len(text) < 3e6


def test_nothing_from_outside_becomes_html(run):
    page = Page(run[1])
    assert page.tags.count("script") == (5 if plotly() else 3) and not {"the", "hand", "other", "poor", "someone"} & set(page.tags)
    assert page.tags.count("i") == 2  # the two bars of the budget, none from the title
    for words in (*LABELS, "<i>Title</i> & more", "mind <the> gap", "exact: by <hand>", "by <other> code", "<poor>", "Data: <Someone>"):
        assert " ".join(words.split()) in " ".join(page.text.split())
        assert html.escape(words) in run[1].read_text(encoding="utf-8")


def test_every_number_of_the_certificate_appears(run):
    directory, path, stated = run
    text = Page(path).text
    whole, _ = json.JSONDecoder().raw_decode(text[text.index('{\n  "format"') :])
    assert whole == stated
    readable_part = text[: text.index('{\n  "format"')]
    for number in (
        "1.23", "2.23", "1.4e-12", "0.0613", "3.21e-11", "2.5e-7", "1,368", "1.5", "17", "1,831", "1,800", "24", "2.2e-12", "0.111", "21.8",
        "0.382", "1.73e-4", "19", "1e-10", "1e-9", "4,321", "5.5e-13", "1.77", "5.76", "7.53", "422", "71", "3.11.7", "0.10.1",
    ):  # fmt: skip
        assert re.search(rf"(?<![\d.,]){re.escape(number)}(?![\d])", readable_part), number
    assert "Passed" in readable_part and "1–8" in readable_part and "residual block, 17 neurons" in readable_part
    assert ("principal axes of R⁵" in readable_part) == (stated["schedule"]["dimension"] == 5)


def test_failure_is_shown_and_survived(tmp_path):
    sources, targets, history = instance()
    stated = certificate(sources, targets, ["a", "b"])
    stated.update(passed=False, network=None)
    stated["pairs"][0].update(w2_after=None, winf_after=None)
    stated["pairs"][1].update(w2_after=float("nan"), winf_after=float("inf"))
    broken = copy.deepcopy(history)
    broken.curve[-1] = np.nan
    broken.snapshots[-1][0][:] = np.nan
    broken.snapshots[-1][1][::2] = np.nan
    images = best_point_map(sources, targets)
    path = write_report(tmp_path, certificate=stated, history=broken, sources=sources, targets=targets, layers=None, comparison=images)
    text = Page(path).text
    assert "Not passed" in text and "Passed" not in text and "not finite" in text
    assert "no discrete network" in text


def test_without_comparison(tmp_path):
    sources, targets, history = instance()
    stated = certificate(sources, targets, ["a", "b"])
    path = write_report(tmp_path, certificate=stated, history=history, sources=sources, targets=targets, layers=None)
    assert not (tmp_path / "figures" / "no-attention.png").exists()
    assert "without attention" not in Page(path).text


@pytest.mark.parametrize(("d", "n", "N"), [(3, 1, 1), (4, 2, 1), (3, 40, 12)])
def test_sizes(tmp_path, d, n, N):
    sources, targets, history = instance(d, n, N)
    stated = certificate(sources, targets, list(range(N)))
    path = write_report(tmp_path, certificate=stated, history=history, sources=sources, targets=targets, layers=LAYERS)
    page = Page(path)
    assert f"{N} measures" in page.text if N > 1 else "a measure of" in page.text
    assert page.tags.count("svg") == 3 * N  # a marker for each measure in the legend and in both tables


def test_an_empty_schedule_and_many_phases(tmp_path):
    sources, targets, history = instance()
    stated = certificate(sources, targets, ["a", "b"])
    nothing = History(["start"], np.array([0]), history.snapshots[:1], np.array([0]), np.array([0.0]), history.curve[:1])
    write_report(tmp_path / "none", certificate=stated, history=nothing, sources=sources, targets=targets, layers=None)
    names, ends = ["start", *(f"step {k % 7}" for k in range(40))], np.arange(41)
    curve = np.ones((41, 2))
    long = History(names, ends, history.snapshots[:1] * 41, ends, ends / 40, curve)
    path = write_report(tmp_path / "many", certificate=stated, history=long, sources=sources, targets=targets, layers=None)
    assert "12 of 41 are shown" in Page(path).text


def test_settings_of_the_user_change_nothing(tmp_path):
    sources, targets, history = instance()
    stated = certificate(sources, targets, ["a", "b"])
    arguments = {"certificate": stated, "history": history, "sources": sources, "targets": targets, "layers": None}
    write_report(tmp_path / "plain", **arguments)
    with matplotlib.rc_context({"font.size": 30, "font.family": ["serif"]}):
        write_report(tmp_path / "odd", **arguments)
        assert matplotlib.rcParams["font.size"] == 30
    for name in ("before-after", "phases", "distance"):
        assert np.array_equal(*(pixels(tmp_path / run / "figures" / f"{name}.png") for run in ("plain", "odd")))


def test_the_curve_shows_zeros_at_the_bottom():
    _, _, history = instance()
    with drawing():
        ax = distance_curve(history, ["a", "b"], 1e-6, LIGHT).axes[0]
    low, _ = ax.get_ylim()
    lines = [line for line in ax.get_lines() if line.get_label() in "ab"]
    assert [line.get_ydata()[-1] for line in lines] == [low, low]
    assert np.allclose(lines[0].get_ydata()[:-1], history.curve[:-1, 0])
    assert ax.get_yticklabels()[0].get_text() == "0"
    # each phase has its place, in order; the tolerance is drawn where it is
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "1", "9"]
    assert np.all(np.diff(ax.get_xticks()) >= 0.1)
    assert any(np.allclose(line.get_ydata(), 1e-6) for line in ax.get_lines())


def test_labels_and_numbers():
    assert drawable(["Αθήνα", "中文", "", "a\nb", 7]) == ["Αθήνα", "measure 2", "measure 3", "a b", "7"]
    assert len(drawable(["x" * 500])[0]) == 44
    wanted = {
        None: "–",
        0.0: "0",
        1.6: "1.6",
        1e-6: "1e-6",
        1.43e-12: "1.43e-12",
        1204: "1,204",
        0.1 + 0.2: "0.3",
        np.inf: "not finite",
    }
    assert {value: readable(value) for value in wanted} == wanted
    assert len({(LIGHT.color(i), MARKERS[i % len(MARKERS)]) for i in range(24)}) == 24


def test_layers_are_grouped():
    assert group_layers(LAYERS) == [
        ("0", "attention", "V 3×3", "disentangle"),
        ("1–8", "residual block, 17 neurons", "W 3×17, U 17×3", "match 1"),
    ]


def test_what_moves_is_what_the_history_says(run):
    data = data_of(run[1])
    d = run[2]["schedule"]["dimension"]
    sources, targets, history = instance(d)
    assert data["labels"][:3] == ["start, 0 of 9 segments", "disentangle, 1 of 9 segments", "match 1, 2 of 9 segments"]
    np.testing.assert_allclose(data["curves"][0]["y"], history.curve.T, atol=1e-6)
    weights = np.full(12, 1 / 12)
    spread = [weights @ np.exp(4 * (x @ x.T - 1)) @ weights for x in history.path[0]]
    np.testing.assert_allclose(data["curves"][1]["y"][0], spread, rtol=1e-5)
    points = unpacked(data["measures"][0]["points"], 10, 12)
    if d == 3:
        assert data["ground"] == "globe"
        np.testing.assert_allclose(points, history.path[0], atol=2e-5)
    else:  # two principal axes on the paper, the third towards the eye
        axes = principal_axes([mu.points for mu in (*sources, *targets)])
        assert (data["ground"], data["turn"], data["tilt"]) == ("ball", 0, 0)
        np.testing.assert_allclose(points[:, :, [1, 2, 0]], history.path[0] @ axes.basis, atol=2e-5)
