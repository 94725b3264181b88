"""The store: the same files whatever happened on the way, and damage is found."""

import resource
import shutil
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import InputError
from measureformer.experiments.sweep import layout as layouts
from measureformer.experiments.sweep import sweep
from measureformer.experiments.sweep.jobs import find, run_job
from measureformer.experiments.sweep.layout import layout_of
from measureformer.experiments.sweep.store import Store
from sweep_kinds import contents, here, plan_of

PLAN = plan_of(count=5, seeds=3, bad=3)


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    monkeypatch.setattr(layouts, "_JOBS", 5)


@pytest.fixture
def whole(tmp_path):
    """A finished sweep: its directory."""
    sweep(PLAN, tmp_path / "whole", here)
    return tmp_path / "whole"


def opened(directory, plan=PLAN):
    directory.mkdir(exist_ok=True)
    return Store(directory, plan, layout_of(plan, find(plan.kind)))


@settings(max_examples=5)
@given(st.permutations(range(PLAN.size)), st.lists(st.tuples(st.integers(0, PLAN.size), st.booleans()), max_size=3))
def test_neither_order_nor_interruptions_show(tmp_path_factory, order, stops):
    """Left at any moment, with or without a flush, with a torn line in the journal, and taken up again."""
    folder = tmp_path_factory.mktemp("store")
    store = opened(folder / "a")
    for index in range(PLAN.size):
        store.put(index, run_job(PLAN.kind, PLAN.tables(index), ""))
    store.close()
    store, stops = opened(folder / "b"), dict(stops)
    for k, index in enumerate(order):
        if k in stops:
            if stops[k]:
                store.flush()
            store.journal.file.write(b'0badf00d {"job": "torn')
            store.journal.file.close()
            store = opened(folder / "b")
            assert sorted(store.pending()) == sorted(order[k:])
        store.put(index, run_job(PLAN.kind, PLAN.tables(index), ""))
    store.close()
    assert contents(folder / "a") == contents(folder / "b")
    shutil.rmtree(folder)


def test_what_is_in_it(whole):
    xr = pytest.importorskip("xarray")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = xr.open_zarr(whole / "store.zarr").load()
    assert found["path"].dims == ("seed", "x", "k")
    x, k = found["x"].values.astype(float), found["k"].values
    good = x != 3
    np.testing.assert_array_equal(found["path"].values[1][good], ((x[:, None] / 7) ** k)[good])
    np.testing.assert_array_equal(found["square"].sel(seed=2).values[good], (x**2 / 3 + 2)[good])
    assert np.isnan(found["square"].sel(x=3)).all() and np.isnan(found["none"]).all()
    assert (found["word"].sel(x=4) == "x4").all() and (found["word"].sel(x=3) == "").all()
    np.testing.assert_array_equal(found["status"].sel(seed=0), [1, 1, 1, 2, 1])
    assert found["job"].values.ravel().tolist() == PLAN.jobs
    trace = found["trace"].sel(x=3, seed=1).item()
    assert "Traceback" in trace and "in _run" in trace and "ZeroDivisionError: x = 3" in trace
    assert found["error"].sel(x=3, seed=1).item() == "ZeroDivisionError: x = 3 at <object object at 0x...>"


@pytest.mark.parametrize("name", ["path", "word", "status"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "flipped"])
def test_a_damaged_chunk_is_done_again(whole, name, damage):
    before = contents(whole)
    file = whole / "store.zarr" / name / "c" / "1" / "0" / ("0" if name == "path" else "")
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        flipped = bytes([content[0] ^ 16]) + content[1:]
        file.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "flipped": flipped}[damage])
    ran = []
    summary = sweep(PLAN, whole, lambda plan, jobs: here(plan, [ran.append(k) or k for k in jobs]))
    assert ran == [5, 6, 7, 8, 9]
    assert summary.damaged == ((name, damage) != ("status", "gone"))  # without the status, written last, it was not finished
    assert contents(whole) == before


def test_metadata_and_coordinates_are_mended(whole):
    before = contents(whole)
    (whole / "store.zarr" / "zarr.json").write_text("{")
    (whole / "store.zarr" / "x" / "c" / "0").write_bytes(b"")
    (whole / "store.zarr" / "square" / "zarr.json").unlink()
    (whole / "table.csv").unlink()
    (whole / "store.zarr" / "square" / "c" / "0" / "0.1f.partial").write_bytes(b"half")
    assert sweep(PLAN, whole, here).ran == 0
    assert contents(whole) == before


def test_another_sweep_is_refused(whole, tmp_path, monkeypatch):
    before = contents(whole)
    with pytest.raises(InputError, match=r"config.base.bad is 3 there and 2 here"):
        sweep(plan_of(count=5, seeds=3, bad=2), whole, here)
    with pytest.raises(InputError, match=r"config.grid.x"):
        sweep(plan_of(count=6, seeds=3, bad=3), whole, here)
    with monkeypatch.context() as patch:
        patch.setattr("measureformer.experiments.sweep.manifest.versions", lambda: {"measureformer": "9.9"})
        with pytest.raises(InputError, match="versions.measureformer"):
            sweep(PLAN, whole, here)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "summary.json").write_text("{}")
    with pytest.raises(InputError, match="another run"):
        sweep(PLAN, tmp_path / "other", here)
    with pytest.raises(InputError, match="no key colour"):
        sweep(plan_of(count=2, colour=1), tmp_path / "new", here)
    assert contents(whole) == before and not (tmp_path / "new").exists()
    assert sweep(plan_of(count=2, seeds=3), whole, here, force=True).jobs == 6


def test_two_at_once_are_refused(whole):
    def inside(plan, jobs):
        with pytest.raises(InputError, match="another process is working"):
            sweep(PLAN, whole, here)
        yield from here(plan, jobs)

    assert sweep(PLAN, whole, inside, retry=True).ran == 3


def test_failed_jobs_are_left_alone_unless_asked_for(whole):
    before = contents(whole)
    assert sweep(PLAN, whole, here).ran == 0
    summary = sweep(PLAN, whole, here, retry=True)
    assert (summary.ran, summary.failed, summary.done) == (3, 3, 12)
    assert contents(whole) == before


@pytest.mark.parametrize("most", [700, 2500])
def test_the_disk_is_full(whole, tmp_path, most):
    """No file can grow beyond ``most`` bytes: at first the journal cannot, then a chunk. The sweep stops, and goes on with more room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def no_room(plan, jobs):
        for index, outcome in here(plan, jobs):
            resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
            yield index, outcome

    try:
        with pytest.raises(OSError, match="File too large"):
            sweep(PLAN, tmp_path / "full", no_room)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    store = opened(tmp_path / "full")
    kept = PLAN.size - len(list(store.pending()))
    store.journal.close()
    assert 0 < kept < PLAN.size and store.damaged == 0
    assert sweep(PLAN, tmp_path / "full", here).ran == PLAN.size - kept
    assert contents(tmp_path / "full") == contents(whole)
