"""Trajectories in Zarr: what went in comes out, whatever happened on the way, and memory holds one chunk."""

import resource

import numpy as np
import pytest

from measureformer import Empirical, InputError, flow
from measureformer.experiments import TrajectoryStore, open_trajectory, trajectory_store, unfinished
from measureformer.fields import ParticleField, Softmax
from measureformer.flows import Checkpoint, Moment, OnDisk
from measureformer.report.dynamics import frames

COUNT = 7
MEASURES = {"a": Empirical(np.eye(3)), "b": Empirical(np.eye(3)[:2], np.array([1.0, 3.0]))}
PROBES = np.eye(3)[:1]


@pytest.fixture(autouse=True)
def small_chunks_and_no_waiting(monkeypatch):
    monkeypatch.setattr(trajectory_store, "_BYTES", 3 * 15 * 8)  # three states in float64, six in float32
    monkeypatch.setattr(unfinished, "SECONDS", -1.0)


def state(k):
    """A saved state of both measures with their probe; the second one is filled up."""
    x = np.random.default_rng(k).normal(size=(2, 4, 3))
    return Moment(0.5 * k, x, {"work": np.array([k, 2.0 * k])}, {"energy": np.array([1.0, k])})


def store(folder, **how):
    how = {"identity": "me", "probes": PROBES, **how}
    return TrajectoryStore(folder, MEASURES, COUNT, **how)


def fill(states, start=0, end=COUNT):
    for k in range(start, end):
        states.append(state(k))
        states.keep(Checkpoint(states, {"steps": np.asarray(k)}))


def points(k):
    """What belongs into the store of state k."""
    x = state(k).points
    return np.concatenate([x[0, :3], x[1, :2]]), np.stack([x[0, 3], x[1, 2]])


def files(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted((folder / "trajectory.zarr").rglob("*")) if p.is_file()}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_what_is_in_it(tmp_path, dtype):
    xr = pytest.importorskip("xarray")
    states = store(tmp_path, dtype=dtype)
    fill(states)
    states.finish()
    found = xr.open_zarr(tmp_path / "trajectory.zarr").load()
    assert found.points.dims == ("time", "token", "axis") and found.points.dtype == dtype
    np.testing.assert_array_equal(found.points, np.stack([points(k)[0] for k in range(COUNT)]).astype(dtype))
    np.testing.assert_array_equal(found.probes, np.stack([points(k)[1] for k in range(COUNT)]).astype(dtype))
    np.testing.assert_array_equal(found.time, 0.5 * np.arange(COUNT))
    np.testing.assert_array_equal(found.energy.sel(label="b"), np.arange(COUNT))
    np.testing.assert_array_equal(found.work.sel(label="b"), 2.0 * np.arange(COUNT))
    assert found.measure.values.tolist() == ["a"] * 3 + ["b"] * 2
    np.testing.assert_allclose(found.weight, [1 / 3] * 3 + [0.25, 0.75])

    ours = open_trajectory(tmp_path)
    np.testing.assert_array_equal(ours.times, found.time)
    np.testing.assert_array_equal(ours.points["b"], found.points[:, 3:])
    np.testing.assert_array_equal(ours.points["a"][1::2, -1], found.points[1::2, 2])
    np.testing.assert_array_equal(ours.probes["b"][-1], found.probes[-1, 1:])
    np.testing.assert_array_equal(ours.quantities["energy"][1], np.arange(COUNT))
    mu = ours.measures(-1)["b"]
    assert mu.points.dtype == dtype and abs(mu.weights - [0.25, 0.75]).max() < 1e-7
    assert repr(ours.points["a"]) == "OnDisk(shape=(7, 3, 3))"


def test_only_the_last_state_stays_in_memory(tmp_path):
    states = store(tmp_path, dtype="float32")
    fill(states)
    assert [isinstance(moment.points, np.ndarray) for moment in states] == [False] * (COUNT - 1) + [True]
    np.testing.assert_array_equal(states[-1].points, state(COUNT - 1).points)
    for k in (0, 3, 5):
        expected = state(k).points.astype(np.float32)
        expected[1, 3] = np.nan  # what b is filled up with is not kept
        np.testing.assert_array_equal(np.asarray(states[k].points), expected)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("stop", [1, 3, 4, COUNT])
def test_an_interruption_does_not_show(tmp_path, dtype, stop):
    whole = store(tmp_path / "whole", dtype=dtype)
    fill(whole)
    whole.finish()
    states = store(tmp_path / "run", dtype=dtype)
    fill(states, end=stop)
    (tmp_path / "run" / "trajectory.zarr" / "points" / "c" / "0" / "0" / "0.1f.partial").write_bytes(b"half")
    assert len(open_trajectory(tmp_path / "run").times) == stop
    again = store(tmp_path / "run", dtype=dtype)
    checkpoint = again.load()
    assert len(again) == stop and again.run.restarts == 1 and int(checkpoint.memory["steps"]) == stop - 1
    np.testing.assert_array_equal(again[-1].points, state(stop - 1).points)
    assert [m.time for m in again] == [0.5 * k for k in range(stop)]
    np.testing.assert_array_equal(again[0].integrals["work"], state(0).integrals["work"])
    fill(again, start=stop)
    again.finish()
    assert files(tmp_path / "run") == files(tmp_path / "whole")
    assert len(list((tmp_path / "run" / "parts").glob("state-*"))) == 1


def test_a_state_without_its_checkpoint_is_left_out(tmp_path):
    """Ctrl-C after the state was saved and before the integrator said what it knows there."""
    states = store(tmp_path)
    fill(states, end=3)
    states.append(state(3))
    states.flush()
    assert len(store(tmp_path).load().moments) == 3


def test_a_flow_that_ends_early_leaves_no_empty_states(tmp_path):
    xr = pytest.importorskip("xarray")
    states = store(tmp_path)
    fill(states, end=5)
    states.finish()
    found = xr.open_zarr(tmp_path / "trajectory.zarr").load()
    assert found.sizes["time"] == 5 and not found.isnull().any().to_dataarray().any()


@pytest.mark.parametrize("name", ["points", "probes", "time"])
@pytest.mark.parametrize("damage", ["cut", "gone", "flipped"])
def test_damage_is_found(tmp_path, name, damage):
    states = store(tmp_path)
    fill(states)
    states.flush()
    file = tmp_path / "trajectory.zarr" / name / "c" / "0"
    file = file / "0" / "0" if name != "time" else file
    content = file.read_bytes()
    if damage == "gone":
        file.unlink()
    else:
        file.write_bytes(content[: len(content) // 2] if damage == "cut" else bytes([content[0] ^ 16]) + content[1:])
    with pytest.raises(InputError, match="cannot be read .*give --force"):
        store(tmp_path).load()
    if name == "points":
        found = open_trajectory(tmp_path)
        assert np.isfinite(found.points["a"][3:]).all()
        with pytest.raises(InputError, match="points at time number 2 cannot be read"):
            found.points["a"][2]
    elif damage != "gone":
        with pytest.raises(InputError, match="cannot be read"):
            open_trajectory(tmp_path).probes["a"][0]


def test_another_run_is_refused(tmp_path):
    fill(store(tmp_path), end=2)
    for how in ({"identity": "you"}, {"dtype": "float32"}):
        with pytest.raises(InputError, match="another configuration; .* --force"):
            store(tmp_path, **how).load()
    with pytest.raises(InputError, match="dtype must be 'float64' or 'float32', got 'float16'"):
        store(tmp_path, dtype="float16")
    with pytest.raises(InputError, match="holds no trajectory.zarr"):
        open_trajectory(tmp_path / "elsewhere")


def test_the_disk_is_full(tmp_path, monkeypatch):
    """Files cannot grow beyond 300 bytes: the state file does not fit. What was there stays, and the run goes on with more room."""
    monkeypatch.setattr(unfinished, "SECONDS", 1e9)
    states = store(tmp_path)
    fill(states, end=4)  # the first one is on disk
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (300, hard))
        with pytest.raises(OSError, match="File too large"):
            states.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    again = store(tmp_path)
    assert len(again.load().moments) == 1
    fill(again, start=1)
    again.finish()
    np.testing.assert_array_equal(open_trajectory(tmp_path).points["a"][5], points(5)[0][:3])


def test_without_zarr(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "zarr", None)
    with pytest.raises(InputError, match=r"needs zarr, which is not installed: pip install 'measureformer\[data\]'"):
        store(tmp_path)


def test_a_flow_writes_into_it(tmp_path):
    field, measures, probes = ParticleField(Softmax(2.0)), list(MEASURES.values()), PROBES
    how = {"saveat": COUNT - 1, "probes": probes, "quantities": {"first": lambda x, w: x[0, 0]}}
    expected = flow(field, measures, 1.0, **how)
    states = store(tmp_path)
    result = flow(field, measures, 1.0, into=states, keep=states.keep, **how)
    states.finish()
    for ours, theirs in zip([*result.points, *result.probes], [*expected.points, *expected.probes], strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(result.measures[1].points, expected.points[1][-1])
    np.testing.assert_array_equal(open_trajectory(tmp_path).points["b"], expected.points[1])
    np.testing.assert_array_equal(open_trajectory(tmp_path).quantities["first"], expected.quantities["first"])
    ours, theirs = frames(result, 3, 2), frames(expected, 3, 2)
    for a, b in zip([*ours.tokens, *ours.probes], [*theirs.tokens, *theirs.probes], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("index", [
    0, -1, slice(None), slice(1, 5, 2), slice(None, None, -1), [3, 1], (2, 1), (slice(2), slice(None), 0), (..., 1), (slice(3, 3), 0),
])  # fmt: skip
def test_on_disk_is_indexed_as_an_array(index):
    x = np.arange(60.0).reshape(5, 4, 3)
    np.testing.assert_array_equal(OnDisk(lambda k: x[k], x.shape)[index], x[index])
    with pytest.raises(IndexError):
        OnDisk(lambda k: x[k], x.shape)[5]
