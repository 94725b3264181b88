"""`interpolate --strategy paper`: a schedule without a network, certified, verified and applied like any other."""

import json

import pytest

from instances import overlapping_caps


@pytest.mark.slow
def test_the_proof_runs(cli, table, tmp_path, no_report):
    sources, targets = ([mu.points for mu in side] for side in overlapping_caps(3, 2, 3, seed=0, shared=0.4))
    s, t = table(tmp_path / "s.csv", sources, ("a", "b")), table(tmp_path / "t.csv", targets, ("a", "b"))
    run = tmp_path / "run"
    done = cli("interpolate", "--sources", s, "--targets", t, "--eps", "1e-4", "--strategy", "paper", "--out", run, "--json")
    assert done.code == 0
    certificate = json.loads(done.out)
    assert certificate["passed"] and certificate["strategy"] == "paper" and certificate["network"] is None
    assert max(pair["w2_after"] for pair in certificate["pairs"]) <= 1e-4
    used, bound = certificate["schedule"]["segments"], certificate["paper_bound"]
    assert used <= sum(bound.values())
    assert not (run / "network.json").exists()
    assert cli("verify", run).code == 0


def test_width_is_the_papers(cli, table, tmp_path):
    sources, targets = ([mu.points for mu in side] for side in overlapping_caps(3, 2, 3, seed=0))
    s, t = table(tmp_path / "s.csv", sources, ("a", "b")), table(tmp_path / "t.csv", targets, ("a", "b"))
    done = cli(
        "interpolate", "--sources", s, "--targets", t, "--eps", "1e-4", "--strategy", "paper", "--width", "8", "--out", tmp_path / "run"
    )
    assert done.code == 2 and "width" in done.err
