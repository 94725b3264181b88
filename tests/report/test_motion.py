"""Measures in motion: what is packed is what was passed, the page is small, and in a real browser it does what it says."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from browser import Browser, needs_browser
from measureformer.geometry import normalize
from measureformer.report.motion import Curve, Motion, stage
from measureformer.report.theme import DARK, LIGHT
from measureformer.report.write import page_of
from pages import data_of, unpacked


def turning(n: int = 3, frames: int = 5, *, ground: str = "circle") -> Motion:
    """Two measures that start together on the circle and turn by a quarter, left and right; the second has one heavy point."""
    angles = np.linspace(0, np.pi / 2, frames)
    places = np.linspace(0, 0.2, n)
    paths = [
        np.stack([np.cos(places + a), np.sin(places + a), np.zeros_like(places)], axis=1) for a in (*angles, *-angles)
    ]  # fmt: skip
    left, right = np.array(paths[:frames]), np.array(paths[frames:])
    heavy = np.r_[5.0, np.ones(n - 1)]
    labels = [f"t = {k}" for k in range(frames)]
    curves = [
        Curve("first", np.stack([np.arange(frames) + 1.0, np.arange(frames) + 2.0])),
        Curve("second", np.stack([10.0 ** -np.arange(frames), np.zeros(frames)]), log=True, level=1e-2),
    ]
    return Motion(
        ["left & <b>", "right"], [left, right], [np.full(n, 1 / n), heavy / heavy.sum()], ground, np.array([1.0, 0, 0]), labels,
        [("start", 0), ("middle", frames // 2), ("end", frames - 1)], np.arange(frames) * 1.0, "time", curves, "",
    )  # fmt: skip


def written(folder, motion: Motion):
    path = folder / "page.html"
    path.write_text(page_of("Test", stage(motion)), encoding="utf-8")
    return path


def test_what_is_packed_comes_back(tmp_path):
    motion = turning(ground="space")
    lost = motion.paths[0].copy()
    lost[1, 2] = np.nan
    motion = replace(motion, paths=[3.0 * lost, motion.paths[1]], reach=3.0, rings=[motion.paths[0][-1], motion.paths[1][-1][:2]])
    page = written(tmp_path, motion)
    data = data_of(page)
    assert [m["name"] for m in data["measures"]] == ["left & <b>", "right"] and "<b>" not in page.read_text(encoding="utf-8")
    np.testing.assert_allclose(unpacked(data["measures"][0]["points"], 5, 3), lost, atol=2e-5)
    np.testing.assert_allclose(unpacked(data["measures"][1]["points"], 5, 3), motion.paths[1] / 3, atol=2e-5)
    np.testing.assert_allclose(unpacked(data["measures"][1]["rings"], 2), motion.paths[1][-1][:2] / 3, atol=2e-5)
    assert data["reach"] == 3 and data["curves"][1]["floor"] == 1e-5  # one power of ten below the least, for zeros


def test_five_thousand_points_fit(tmp_path):
    pytest.importorskip("plotly")
    page = written(tmp_path, large(5000, 60))
    assert page.stat().st_size < 15e6
    assert page.read_text(encoding="utf-8").count("plotly.js v") == 1


def large(n: int, frames: int) -> Motion:
    """Points of the sphere that turn about its axis."""
    x = normalize(np.random.default_rng(0).normal(size=(n, 3)))
    angles = np.linspace(0, np.pi, frames)
    turns = [np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]]) for a in angles]
    motion = turning(frames=frames, ground="globe")
    halves = [np.stack([half @ turn.T for turn in turns]) for half in (x[: n // 2], x[n // 2 :])]
    return replace(motion, paths=halves, weights=[np.full(n // 2, 2 / n)] * 2)


def test_without_plotly_the_globe_is_there_and_says_so(tmp_path, monkeypatch):
    for name in ("plotly", "plotly.offline"):
        monkeypatch.setitem(sys.modules, name, None)
    text = written(tmp_path, turning()).read_text(encoding="utf-8")
    assert "pip install &#x27;measureformer[report]&#x27;" in text and "Plotly" not in text
    assert "<canvas" in text and len(text) < 1e5


# The colour at a place of the globe, in units of its radius from the middle; from a copy, since reading slows a canvas down.
COPY = """
  const canvas = document.querySelector("canvas"), side = canvas.width, copy = new OffscreenCanvas(side, side);
  const pen = copy.getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
"""
PIXEL = (
    "(() => {{"
    + COPY.replace("{", "{{").replace("}", "}}")
    + """
  return [...pen.getImageData(side / 2 + 0.47 * side * {x}, side / 2 - 0.47 * side * {y}, 1, 1).data].slice(0, 3);
}})()"""
)
COLORS = (
    "(() => {"
    + COPY
    + """
  const d = pen.getImageData(0, 0, side, side).data, found = new Set();
  for (let i = 0; i < d.length; i += 4) found.add(`${d[i]},${d[i + 1]},${d[i + 2]}`);
  return [...found];
})()"""
)
DRAWN = "new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(() => then(true))))"


def rgb(color: str) -> np.ndarray:
    return np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)])


def shows(browser: Browser, place: np.ndarray, color: str) -> bool:
    browser.run(DRAWN)
    return np.abs(np.array(browser.run(PIXEL.format(x=place[0], y=place[1]))) - rgb(color)).max() < 30


def test_in_a_browser(tmp_path):
    """The slider moves points and curves by mouse and by keys, without an error and without a network; light and dark."""
    pytest.importorskip("plotly")
    needs_browser()
    motion = turning()
    left, right = motion.paths
    with Browser(tmp_path / "profile", 1400, 900) as browser:
        browser.open(written(tmp_path, motion))
        browser.until("document.querySelector('.curves')?.dataset.ready === 'true'")
        assert browser.requests == [(tmp_path / "page.html").as_uri()]
        browser.run("document.querySelector('input').focus()")
        browser.key("ArrowRight", 39)
        browser.key("ArrowRight", 39)
        assert browser.run("document.querySelector('.clock').textContent") == "t = 2"
        assert browser.run("document.querySelector('input').getAttribute('aria-valuetext')") == "t = 2"
        for path, color in ((left, 0), (right, 1)):
            assert shows(browser, path[2, 1], LIGHT.color(color)) and not shows(browser, path[0, 1], LIGHT.color(color))
        # the markers of the curves moved with it; of one that is 0 on a logarithmic axis to the lowest place
        markers = (
            "[...document.querySelectorAll('.curves > div')].map((box) => box.data.filter((_, k) => k % 2).map((t) => [t.x[0], t.y[0]]))"
        )
        assert browser.run(markers) == [[[2, 3], [2, 4]], [[2, 0.01], [2, 1e-5]]]
        # what is under the pointer
        box = browser.run("(() => { const r = document.querySelector('canvas').getBoundingClientRect(); return [r.x, r.y, r.width]; })()")
        x, y = box[0] + box[2] * (0.5 + 0.47 * right[2, 0, 0]), box[1] + box[2] * (0.5 - 0.47 * right[2, 0, 1])
        browser.move(x, y)
        assert browser.run("document.querySelector('.tip').textContent") == "right\nweight 0.714 at (0.707, -0.707, 0.000)".replace(
            ", 0.000", ""
        )
        # phases, the play button, a measure that is hidden
        browser.run("document.querySelectorAll('.phases button')[2].click()")
        assert shows(browser, left[4, 1], LIGHT.color(0))
        browser.run("document.querySelector('.legend button').click()")
        assert not shows(browser, left[4, 1], LIGHT.color(0)) and shows(browser, right[4, 1], LIGHT.color(1))
        browser.run("document.querySelector('.legend button').click()")
        browser.run("document.querySelector('.play').click()")
        browser.until("document.querySelector('.clock').textContent === 't = 4' && document.querySelector('.play').textContent === 'Play'")
        # a click on a curve
        browser.run("document.querySelector('.curves > div').emit('plotly_click', {points: [{pointIndex: 1}]})")
        assert browser.run("document.querySelector('input').value") == "1"
        # dark, by the button and by the system
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        browser.run("document.querySelector('button.paper').click()")
        assert browser.run("getComputedStyle(document.body).backgroundColor") == "rgb(17, 22, 28)"
        assert shows(browser, left[1, 1], DARK.color(0))
        # every control can be reached with the tabulator
        order = browser.run("[...document.querySelectorAll('button, canvas, input')].map((e) => e.tabIndex)")
        assert len(order) == 9 and set(order) == {0}
        assert browser.errors == []


@pytest.mark.slow
def test_five_thousand_points_in_a_browser(tmp_path):
    """The globe is drawn within 3 s of the beginning of the page, and follows the slider."""
    pytest.importorskip("plotly")
    needs_browser()
    with Browser(tmp_path / "profile", 800, 900, dark=True) as browser:
        browser.open(written(tmp_path, large(5000, 60)))
        browser.until("document.querySelector('.curves')?.dataset.ready === 'true'")
        assert browser.run("performance.getEntriesByName('globe')[0].startTime") < 3000
        picture = "document.querySelector('canvas').toDataURL()"
        before = browser.run(picture)
        browser.run("goTo(30)")
        browser.run(DRAWN)
        moved = browser.run(picture)
        browser.run("document.querySelector('canvas').focus()")
        browser.key("ArrowLeft", 37)
        browser.run(DRAWN)
        assert len({before, moved, browser.run(picture)}) == 3
        assert browser.errors == []


@pytest.mark.slow
@pytest.mark.parametrize("ground", ["globe", "ball", "plane", "space"])
def test_every_ground_is_drawn(tmp_path, ground):
    needs_browser()
    with Browser(tmp_path / "profile", 1000, 900) as browser:
        browser.open(written(tmp_path, turning(ground=ground)))
        browser.until("document.readyState === 'complete'")
        browser.run("goTo(1)")
        browser.run(DRAWN)
        found = np.array([list(map(int, color.split(","))) for color in browser.run(COLORS)])
        for color in LIGHT.palette[:2]:
            assert np.abs(found - rgb(color)).max(axis=1).min() < 30
        assert browser.errors == []
