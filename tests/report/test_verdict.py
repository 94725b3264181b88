"""The page of a verdict: the witness with its masses, the course of the light atom, every atom in numbers."""

import numpy as np
import pytest

import incontext_samples as samples
from measureformer.incontext import Ball, classify
from measureformer.incontext.evidence import evidence
from measureformer.report.literature import draw_picture
from measureformer.report.theme import LIGHT, drawing
from measureformer.report.verdict import verdict_page


def page(name, d=1):
    found = classify(getattr(samples, name), Ball(d), rounds=1)
    return found, verdict_page({"verdict": found.verdict.value, "evidence": evidence(found), "function": f"/a/b.py:{name}", "dimension": d})


def test_light_atoms_are_seen():
    found, shown = page("e1")
    assert shown.title == "b.py:e1: no regular part"
    measures, images = shown.pictures[0].panels
    assert measures.log_y and images.log_y
    dots = [one for one in images.series if one.look == "dots" and one.label in ("first", "second")]
    for one, (x, a) in zip(dots, found.witness.images, strict=True):
        np.testing.assert_array_equal(one.x, x[:, 0])
        np.testing.assert_array_equal(one.y, a)
    course = shown.pictures[1].panels[1]
    assert course.title == "where a light atom goes" and np.ptp(course.series[0].y) > 0.3
    assert [row[1] for row in shown.tables[0].rows[:2]] == pytest.approx(found.witness.measures[0][1].tolist())
    with drawing():
        for picture in shown.pictures:
            assert len(draw_picture(picture, LIGHT).axes) == 2


def test_one_curve_stands_beside_the_witness():
    _, shown = page("batch_norm")
    (picture,) = shown.pictures
    assert [panel.title for panel in picture.panels] == ["measures", "images", "f: W₁ of images"]
    assert not picture.panels[0].log_y and picture.panels[0].ylim[1] > 1


def test_in_the_plane_without_curves():
    _, shown = page("bayes", 2)
    (picture,) = shown.pictures
    assert all(panel.kind == "plane" for panel in picture.panels) and len(shown.tables) == 1
    assert len(shown.tables[0].rows) == 4  # two atoms, two images
