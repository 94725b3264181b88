"""``measureformer laws``."""

import json

from measureformer.fields import LAWS


def test_the_table_has_every_law(cli):
    done = cli("laws")
    assert (done.code, done.err) == (0, "")
    for name, law in LAWS.items():
        assert f"│ {name} " in done.out
        assert law.about.source.split(",")[0].split(";")[0] in done.out


def test_as_json(cli):
    done = cli("laws", "--json")
    rows = json.loads(done.out)
    assert [row["name"] for row in rows] == list(LAWS)
    for row in rows:
        assert {"name", "formula", "gradient", "gaussian", "mean_field", "source", "parameters"} == set(row)
        assert all(row[key] for key in row)
    assert next(row for row in rows if row["name"] == "sinkhorn")["parameters"] == ["beta", "Q", "K", "V", "eps", "tol", "iterations"]
