"""What a sweep runs: grids, ensembles, keys with dots."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from measureformer import InputError
from measureformer.experiments.sweep import read_plan
from measureformer.experiments.sweep.ensembles import Ensemble
from measureformer.experiments.sweep.jobs import file_digests, replaced

KINDS = {"simulate": "module:NAME"}


def plan(**tables):
    return read_plan(tables, KINDS, "a.toml", {})


def test_a_grid_is_sorted_and_its_last_axis_runs_fastest():
    found = plan(field={"beta": 7.0, "law": "softmax"}, grid={"field.beta": [4.0, 1.0], "measure": {"seed": [1, 0]}})
    assert [found.parameters(k) for k in range(found.size)] == [{"field.beta": b, "measure.seed": s} for b in (1.0, 4.0) for s in (0, 1)]
    assert found.tables(1) == {"field": {"beta": 1.0, "law": "softmax"}, "measure": {"seed": 1}}
    assert [axis.repeats for axis in found.axes] == [False, True]
    assert len(set(found.jobs)) == 4


def test_keys_go_through_lists_and_leave_the_rest_alone():
    tables = {"field": {"heads": [{"beta": 1.0}, {"beta": 2.0, "law": "l2"}]}}
    assert replaced(tables, "field.heads.1.beta", 3.0) == {"field": {"heads": [{"beta": 1.0}, {"beta": 3.0, "law": "l2"}]}}
    assert tables["field"]["heads"][1]["beta"] == 2.0
    with pytest.raises(InputError, match="no item"):
        replaced(tables, "field.heads.2.beta", 3.0)
    with pytest.raises(InputError, match="leads into 1.0"):
        replaced(tables, "field.heads.0.beta.deep", 3.0)


def test_hashes_know_the_files(tmp_path):
    (tmp_path / "V.npy").write_bytes(b"one")
    tables = {"field": {"V": "V.npy"}, "grid": {"field.beta": [1.0, 2.0]}}
    first = read_plan(tables, KINDS, "a.toml", file_digests(tables, tmp_path))
    (tmp_path / "V.npy").write_bytes(b"two")
    second = read_plan(tables, KINDS, "a.toml", file_digests(tables, tmp_path))
    assert first.files.keys() == {"V.npy"} and not set(first.jobs) & set(second.jobs)


LAWS = {
    "a": {"law": "uniform", "low": -1.0, "high": 2.0},
    "b": {"law": "loguniform", "low": 0.1, "high": 10.0},
    "c": {"law": "normal", "mean": 1.0, "std": 0.5},
    "d": {"law": "integers", "low": 3, "high": 5},
    "e": {"law": "choice", "values": ["softmax", "l2"]},
    "f": {"law": "symmetric", "shape": [4, 4]},
    "g": {"law": "orthogonal", "shape": ["measure.d", "measure.d"], "std": 2.0},
}


def test_the_laws_of_ensembles():
    tables = {"measure": {"d": 3}}
    draws = [Ensemble(600, LAWS, 5).draw(k, tables) for k in range(600)]
    for key, mean, std in (("a", 0.5, 3 / 12**0.5), ("c", 1.0, 0.5), ("d", 4.0, (2 / 3) ** 0.5)):
        values = np.array([draw[key] for draw in draws])
        assert abs(values.mean() - mean) < 4 * std / 600**0.5 and abs(values.std() / std - 1) < 0.1
    logs = np.log10([draw["b"] for draw in draws])
    assert abs(logs.mean()) < 4 * 2 / 12**0.5 / 600**0.5 and abs(logs).max() <= 1
    assert {draw["e"] for draw in draws} == {"softmax", "l2"} and {draw["d"] for draw in draws} == {3, 4, 5}
    F, Q = np.array([draw["f"] for draw in draws]), np.array([draw["g"] for draw in draws])
    np.testing.assert_array_equal(F, F.swapaxes(1, 2))
    # (G + G^T) / sqrt 2: variance 2 on the diagonal, 1 beside it
    assert abs(F[:, range(4), range(4)].var() - 2) < 0.2 and abs(F[:, 0, 1].var() - 1) < 0.15
    np.testing.assert_allclose(Q @ Q.swapaxes(1, 2), np.broadcast_to(4 * np.eye(3), Q.shape), atol=1e-13)
    assert abs(Q.mean(0)).max() < 4 * 2 / 3**0.5 / 600**0.5  # the Haar measure is centred; QR alone is not


@given(st.integers(0, 5), st.sampled_from(sorted(LAWS)))
def test_each_key_has_its_own_stream(sample, key):
    alone, together = Ensemble(9, {key: LAWS[key]}, 1), Ensemble(9, LAWS, 1)
    tables = {"measure": {"d": 3}}
    assert alone.draw(sample, tables)[key] == together.draw(sample, tables)[key]


def test_an_ensemble_multiplies_the_grid_and_is_the_same_at_each_point():
    found = plan(measure={"d": 2}, grid={"measure.d": [2, 3]}, random={"samples": 3, "field.V": {**LAWS["g"]}, "field.beta": LAWS["a"]})
    assert found.shape == (2, 3)
    assert [np.shape(found.tables(k)["field"]["V"]) for k in (0, 5)] == [(2, 2), (3, 3)]
    betas = [found.parameters(k)["field.beta"] for k in range(6)]
    assert betas[:3] == betas[3:] and len(set(betas)) == 3


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({}, "nothing is swept"),
        ({"grid": {"field.beta": 1.0}}, "must be a list of values"),
        ({"grid": {"field.beta": []}}, "must be a list of values"),
        ({"grid": {"field.beta": [1.0, 1]}}, "twice"),
        ({"grid": {"field.beta": [1.0, float("nan")]}}, "finite"),
        ({"grid": [1]}, "must be a table"),
        ({"grid": {"a": [1]}, "sweep": {"kind": "simulat"}}, "did you mean 'simulate'"),
        ({"grid": {"a": [1]}, "sweep": {"sed": 1}}, "did you mean 'seed'"),
        ({"grid": {"a": [1]}, "sweep": {"seed": -1}}, "at least 0"),
        ({"grid": {"a": [1]}, "sweep": {"confidence": 95}}, "between 0 and 1"),
        ({"grid": {"a": [1]}, "random": {"samples": 2, "a": LAWS["a"]}}, "keep one"),
        ({"a": 1, "grid": {"a.b": [1]}}, "no table"),
        ({"random": {"a": LAWS["a"]}}, "random.samples = None"),
        ({"random": {"samples": 2, "a": {"law": "unifrm"}}}, "did you mean 'uniform'"),
        ({"random": {"samples": 2, "a": {"law": "uniform", "low": 0}}}, "needs high"),
        ({"random": {"samples": 2, "a": {"law": "uniform", "low": 1, "high": 0}}}, "do not bound"),
        ({"random": {"samples": 2, "a": {"law": "normal", "sd": 1}}}, "no parameter 'sd'"),
        ({"random": {"samples": 2, "a": {"law": "integers", "low": 0.5, "high": 2}}}, "whole number"),
        ({"random": {"samples": 2, "a": {"law": "orthogonal", "shape": [2, 3]}}}, "square matrices"),
        ({"random": {"samples": 2, "a": {"law": "normal", "shape": ["measure.d"]}}}, "no size in this configuration"),
        ({"random": {"samples": 2, "a": {"law": "choice", "values": 3}}}, "list of what to choose from"),
    ],
)
def test_what_is_refused(tables, message):
    with pytest.raises(InputError, match=message):
        plan(**tables)
