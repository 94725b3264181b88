"""``measureformer doctor``: all is well here, and what is wrong is said with its remedy and exit code 3."""

import json

import pytest

from measureformer.cli import doctor


def test_all_is_well(cli):
    done = cli("doctor", "--json")
    assert (done.code, done.err) == (0, "")
    found = json.loads(done.out)
    assert found["passed"] and found["problems"] == []
    assert (
        set(found["packages"]) >= {"measureformer", "jax", "jaxlib", "diffrax", "numpy", "pot"} and None not in found["packages"].values()
    )
    assert found["devices"] and found["float64"]["kept"] and found["float64"]["largest_relative_error"] < 1e-14
    assert set(found["extras"]) == set(doctor._USES)  # an extra in pyproject.toml needs its line
    assert found["extras"]["data"]["install"] == "pip install 'measureformer[data]'"


def test_what_is_shown(cli):
    done = cli("doctor")
    assert done.code == 0 and "All is well." in done.out and "extra data" in done.out


@pytest.mark.parametrize(("what", "found", "message"), [
    ("float64", {"kept": True, "largest_relative_error": 0.3}, "computes wrong float64 numbers (relative error 0.3): pip install 'jax!="),
    ("float64", {"kept": False, "largest_relative_error": 1e-7}, "unset JAX_ENABLE_X64"),
    ("packages", ({"jax": "0.10.1", "pot": None}, {}), "pot is not installed"),
])  # fmt: skip
def test_what_is_wrong_is_said(cli, monkeypatch, what, found, message):
    monkeypatch.setattr(doctor, what, lambda: found)
    done = cli("doctor")
    assert done.code == 3 and message in done.out and "Something is wrong." in done.out
    done = cli("doctor", "--json")
    assert done.code == 3 and not json.loads(done.out)["passed"]


def test_jax_that_does_not_compute(cli, monkeypatch):
    def broken():
        raise RuntimeError("no backend")

    monkeypatch.setattr(doctor, "devices", broken)
    done = cli("doctor")
    assert done.code == 3 and "JAX does not compute (no backend): install it again" in done.out


def test_extras_that_are_not_there(monkeypatch):
    monkeypatch.setattr(doctor, "requires", lambda _: ["numpy<3,>=2.1", "zarr>=3.1; extra == 'data'", "no-such-package; extra == 'train'"])
    core, extras = doctor.packages()
    assert core["numpy"] and not extras["train"]["present"] and extras["train"]["packages"] == {"no-such-package": None}
    assert "jax" not in core
