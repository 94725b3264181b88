"""What needs no trained model: the fit of time and temperature, the numbers of a measure, and messages where packages are missing."""

import importlib.util

import numpy as np
import pytest
from typer.testing import CliRunner

from measureformer.cli.app import app
from measureformer.dynamics import equiangular
from measureformer.errors import InputError
from measureformer.models import fit_equiangular
from measureformer.models.quantities import QUANTITIES, quantities


@pytest.mark.parametrize("beta, time, start", [(0.0, 0.2, 0.0), (1.0, 0.4, 0.1), (5.0, 2.0, 0.3), (12.0, 40.0, 0.2)])
def test_the_fit_finds_what_made_the_curve(beta, time, start):
    curve = equiangular(time * np.arange(13), beta, 32, start=start)
    fit = fit_equiangular(curve, 32)
    assert fit.residual < 1e-6
    np.testing.assert_allclose(fit.curve, curve, atol=1e-5)
    assert fit.beta == pytest.approx(beta, abs=0.01)
    assert fit.time == pytest.approx(time, rel=0.02)


def test_no_fit_where_cosines_fall():
    assert fit_equiangular([0.5, 0.4, 0.3, 0.2], 10) is None
    with pytest.raises(InputError, match="at least 3 layers"):
        fit_equiangular([0.5, 0.6], 10)
    with pytest.raises(InputError, match="lie in"):
        fit_equiangular([-0.5, 0.6, 0.7], 10)


def test_numbers_of_known_measures():
    """Orthonormal tokens, and a single point."""
    named = dict(zip(QUANTITIES, quantities(np.eye(8), 0.45)[0], strict=True))
    assert named["mean_cosine"] == 0 and named["clusters"] == 8 and named["largest_cluster"] == 1 / 8
    assert named["effective_rank"] == pytest.approx(8) and named["anisotropy"] == pytest.approx(1 / 8)
    assert named["order_parameter"] == pytest.approx(8**-0.5)
    assert named["energy_beta_4"] == pytest.approx((1 + 7 * np.exp(-4)) / 8)
    values, counts = quantities(np.tile(np.eye(8)[:1], (5, 1)), 0.45)
    named = dict(zip(QUANTITIES, values, strict=True))
    one = [named[name] for name in ("mean_cosine", "energy_beta_16", "clusters", "effective_rank", "largest_cluster", "order_parameter")]
    np.testing.assert_allclose(one, 1, rtol=1e-14)
    assert counts[-1] == counts.sum() == 10


def run(tmp_path, *options, text="one\ntwo"):
    file = tmp_path / "texts.txt"
    file.write_text(text)
    return CliRunner().invoke(app, ["analyze", "no-such-model", "--text", str(file), "--out", str(tmp_path / "out"), *options])


def test_missing_packages_and_models(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    found = run(tmp_path)
    assert found.exit_code == 2
    if importlib.util.find_spec("transformers") is None:
        assert "measureformer[models]" in found.output
    elif importlib.util.find_spec("torch") is None:
        assert "install torch" in found.output
    else:
        assert "give the path of a folder" in found.output


def test_empty_and_missing_texts(tmp_path):
    assert "is empty" in run(tmp_path, text="\n \n").output
    found = CliRunner().invoke(app, ["analyze", "m", "--text", str(tmp_path / "no.txt"), "--out", str(tmp_path / "out")])
    assert found.exit_code == 2 and "No such file" in found.output
