"""``measureformer demo``: what a new user runs first."""

import json

from measureformer.data import ATTRIBUTION


def test_the_same_cities_go_to_two_continents(cli, tmp_path):
    """Certified to 1e-6, where the best map of points without attention stays far away; the picture names its data."""
    out = tmp_path / "demo"
    done = cli("demo", "--out", out, "--json")
    assert (done.code, done.err) == (0, "")
    result = json.loads(done.out)
    assert result["passed"] is True and result["eps"] <= 1e-6
    assert [(p["n_source"], p["n_target"]) for p in result["pairs"]] == [(200, 200), (100, 100)]
    assert max(p["w2_after"] for p in result["pairs"]) <= 1e-6
    assert max(result["without_attention"]["w2"]) > 0.3
    assert ATTRIBUTION in (out / "report.html").read_text(encoding="utf-8")
    assert cli("verify", out).code == 0

    again = cli("demo", "--out", out)
    assert (again.code, again.out) == (2, "")
    assert "another run" in again.err and "--force" in again.err
