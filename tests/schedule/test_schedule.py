import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from measureformer import Empirical, InputError, Schedule, Segment, TransformerField, flow, load_schedule, save_schedule
from measureformer.schedule import balance
from schedule_samples import random_schedule
from strategies import points, seeds


def end(schedule: Schedule, x: np.ndarray) -> np.ndarray:
    return flow(schedule, [Empirical(x)]).measures[0].points


@settings(max_examples=6)
@given(seeds(), points(5, 3))
def test_inverse_undoes(seed, x):
    theta = random_schedule(seed)
    np.testing.assert_allclose(end(theta >> ~theta, x), x, atol=1e-6)  # kinks of the perceptron cost the integrator digits


@settings(max_examples=6)
@given(seeds(), points(5, 3), st.floats(0.1, 10))
def test_rescaling_and_balancing_time_change_nothing(seed, x, horizon):
    theta = random_schedule(seed)
    there = end(theta, x)
    for other in (theta.rescale(horizon), balance(theta, horizon)):
        assert other.horizon == pytest.approx(horizon)
        assert other.segments_by_phase() == theta.segments_by_phase()
        np.testing.assert_allclose(end(other, x), there, atol=1e-6)
    assert balance(theta, horizon).sup_norm() <= 1.12 * theta.rescale(horizon).sup_norm()  # neurons are rescaled by powers of two


@settings(max_examples=6)
@given(seeds(), points(5, 3))
def test_composition_is_one_after_the_other(seed, x):
    theta, other = random_schedule(seed), random_schedule(seed + 1)
    np.testing.assert_allclose(end(theta >> other, x), end(other, end(theta, x)), atol=1e-12)


def test_counts():
    theta = random_schedule(0)
    assert (len(theta), theta.switches, theta.dimension, theta.width) == (5, 4, 3, 4)
    assert theta.segments_by_phase() == {"a": 1, "b": 2, "c": 2}
    assert theta.switches_by_phase() == {"a": 0, "b": 2, "c": 2}
    assert sum(theta.switches_by_phase().values()) == theta.switches
    assert Schedule([]).switches == 0


def test_sup_norm_by_hand():
    theta = Schedule(
        [Segment(TransformerField(V=3 * np.eye(3)), 1.0), Segment(TransformerField(W=np.ones((3, 1)), b=np.array([5.0])), 2.0)]
    )
    assert theta.sup_norm() == pytest.approx(np.sqrt(28))
    assert theta.rescale(6.0).sup_norm() == pytest.approx(np.sqrt(3 / 4 + 25))


def test_balance_reaches_the_least_level():
    """Two boosts of strengths 1 and 3 on [0, 1]: |theta|^2 = 2 S / t is equal for t = 1/4 and 3/4, so |theta|^2 = 8, up to 12 %."""
    boosts = [Segment(TransformerField(W=s * np.eye(3)[:, :1], b=np.ones(1)), 1.0) for s in (1.0, 3.0)]
    balanced = balance(Schedule(boosts), 1.0)
    assert [s.duration for s in balanced] == pytest.approx([0.25, 0.75])
    assert np.sqrt(8) <= balanced.sup_norm() + 1e-12 <= 1.12 * np.sqrt(8)


@given(seeds())
def test_files_keep_every_bit(tmp_path_factory, seed):
    theta = random_schedule(seed)
    path = tmp_path_factory.mktemp("schedule") / "s.safetensors"
    save_schedule(path, theta)
    back = load_schedule(path)
    assert [s.phase for s in back] == [s.phase for s in theta]
    for one, two in zip(theta, back, strict=True):
        assert one.duration == two.duration
        for name in ("V", "B", "W", "U", "b"):
            a, b = getattr(one.field, name), getattr(two.field, name)
            assert (a is None and b is None) or np.array_equal(a, b)


def test_file_layout_is_the_contract(tmp_path):
    from safetensors import safe_open

    save_schedule(tmp_path / "s.safetensors", random_schedule(0))
    with safe_open(str(tmp_path / "s.safetensors"), framework="numpy") as file:
        assert set(file.keys()) == {
            "duration", "segment.0.V", "segment.0.B", "segment.1.V", "segment.2.W", "segment.2.b", "segment.3.W", "segment.3.U",
            "segment.4.W", "segment.4.U", "segment.4.b",
        }  # fmt: skip
        assert set(file.metadata()) == {"format", "d", "horizon", "phases"}
        assert file.get_tensor("duration").shape == (5,)


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "s.safetensors"
    with pytest.raises(InputError, match="there is no such schedule"):
        load_schedule(path)
    save_schedule(path, random_schedule(0))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be read"):
        load_schedule(path)
    theta = random_schedule(0)
    bad = Schedule([*theta.segments[:-1], Segment(TransformerField(W=np.full((3, 3), np.nan), b=np.ones(3)), 1.0)])
    save_schedule(path, bad)
    with pytest.raises(InputError, match=r"segment.4.W holds numbers that are not finite"):
        load_schedule(path)


@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_bad_durations_and_horizons(value):
    with pytest.raises(InputError, match="duration"):
        Segment(TransformerField(), value)
    with pytest.raises(InputError, match="horizon"):
        random_schedule(0).rescale(value)
    with pytest.raises(InputError, match="horizon"):
        balance(random_schedule(0), value)


def test_dimensions_must_agree():
    with pytest.raises(InputError, match="dimensions"):
        random_schedule(0, 3) >> random_schedule(0, 4)
