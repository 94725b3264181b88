"""``measureformer reproduce``: the list, one whole figure, what is refused."""

import json

from measureformer.experiments.literature import FIGURES


def test_the_list(cli):
    done = cli("reproduce", "--list")
    assert done.code == 0 and all(name in done.out for name in FIGURES)
    rows = json.loads(cli("reproduce", "--list", "--json").out)
    assert [row["name"] for row in rows] == list(FIGURES)


def test_a_figure(cli, tmp_path):
    out = tmp_path / "figure"
    done = cli("reproduce", "kinetic", "--out", out, "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert (summary["figure"], summary["full"], summary["seed"]) == ("kinetic", False, 0)
    assert len(summary["numbers"]["merges"]["flow"]) == 4
    for name in summary["files"]:
        assert (out / name).stat().st_size > 0
    assert {"report.html", "figures/kinetic.png", "tables/merges.csv"} <= set(summary["files"])
    saved = json.loads((out / "summary.json").read_text())
    assert saved["parameters"] == summary["parameters"]
    page = (out / "report.html").read_text()
    assert "364.1" in page and "Known defects" in page and "<script src" not in page
    again = cli("reproduce", "kinetic", "--out", out)
    assert (again.code, again.out) == (2, "") and "--force" in again.err


def test_what_is_refused(cli, tmp_path):
    done = cli("reproduce", "kinetik", "--out", tmp_path / "x")
    assert done.code == 2 and "'kinetic'" in done.err
    assert "--list" in cli("reproduce").err
    assert "--out" in cli("reproduce", "kinetic").err
    assert not (tmp_path / "x").exists()
