"""Tokens that are spread over devices and processes: the same flow, and what it sends."""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import diffrax
import numpy as np
import pytest

import sharded_runs
from measureformer import Empirical, InputError, flow
from measureformer.fields import Causal, Hardmax, MultiHead, ParticleField, Scaled, Sinkhorn, Softmax
from measureformer.fields.sharded import check_parallel
from measureformer.fields.traffic import read
from measureformer.flows import join, token_mesh
from measureformer.flows.rollcall import call_roll

TESTS = Path(__file__).parents[1]
ROUNDING = 1e-14


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def started(*words: object) -> subprocess.Popen:
    command = [sys.executable, str(TESTS / "sharded_runs.py"), *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=TESTS)


def results(*processes: subprocess.Popen, timeout: float = 400.0) -> list[dict]:
    """What they print last. No process outlives the test."""
    try:
        said = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for process, (_, complaints) in zip(processes, said, strict=True):
        assert process.returncode == 0, complaints
    return [json.loads(out.splitlines()[-1]) for out, _ in said]


def run(*words: object) -> dict:
    return results(started(*words))[0]


@pytest.mark.slow
def test_velocities_of_every_parallel_law_on_four_devices():
    found = run("laws", 4)
    assert len(found) == 9
    assert max(found.values()) < ROUNDING, found


def test_two_processes_make_the_same_flow():
    address = f"127.0.0.1:{free_port()}"
    first, second = results(*(started("path", 1, address, i, 2) for i in range(2)))
    assert first == second and first["devices"] == 2
    mu = sharded_runs.tokens(21, 3)
    alone = flow(ParticleField(Softmax(4.0)), mu, 1.0, step=0.05, solver=diffrax.Heun())
    assert abs(np.array(first["points"]) - alone.points[0]).max() < ROUNDING
    assert abs(alone.points[0][-1] - alone.points[0][0]).max() > 0.1


@pytest.mark.slow
def test_two_processes_of_two_devices():
    address = f"127.0.0.1:{free_port()}"
    for first in (results(*(started("path", 2, address, i, 2) for i in range(2)))[0], run("path", 4)):
        assert first["devices"] == 4
        assert abs(np.array(first["points"]) - np.array(run("path", 1)["points"])).max() < ROUNDING


@pytest.mark.slow
def test_harmonics_on_four_devices():
    found = run("harmonics", 4)
    assert found.pop("are far") == 12
    assert max(found.values()) < ROUNDING, found


@pytest.mark.slow
def test_harmonics_send_moments_only():
    found = run("volume", 4)
    for name in ("few", "many"):
        L = found[name]["degree"]
        # the moments, the mass of all tokens, and the number of those that are far from it: nothing grows with n
        assert found[name]["always"] == {"all-reduce": [2, 8 * (2 * (L + 1) ** 2 + 2)]}
    assert found["few"]["always"] == found["many"]["always"]
    # pairs: the n / 4 tokens of a device, d coordinates and a weight, three times
    assert found["pairs"] == {"always": {"collective-permute": [6, 3 * 1024 * 4 * 8]}, "at_times": {}}


@pytest.mark.slow
def test_flows_with_all_that_belongs_to_them():
    found = run("paths", 4)
    assert found.pop("happenings") > 2
    assert max(found.values()) < ROUNDING, found


@pytest.mark.slow
def test_many_devices_finish_what_one_began():
    found = run("resumed", 4)
    assert found["begun"] == 0.5 and found["steps"]
    assert found["difference"] < ROUNDING


@pytest.mark.slow
def test_two_hundred_thousand_tokens():
    found = run("linear_time", 4)
    assert found["kernel"] == "harmonic" and found["steps"][0] == found["steps"][1]
    assert found["difference"] < 1e-12


def test_what_does_not_spread_is_refused():
    check_parallel(ParticleField(MultiHead((Softmax(1.0), Scaled(Softmax(2.0))))))
    for field, words in (
        (ParticleField(Sinkhorn(1.0)), "Sinkhorn"),
        (ParticleField(MultiHead((Softmax(1.0), Scaled(Hardmax())))), "Hardmax"),
        (ParticleField(Softmax(1.0), mask=Causal()), "mask"),
        (lambda x, points, weights, t: x, "function"),
    ):
        with pytest.raises(InputError, match=words):
            check_parallel(field)
    with pytest.raises(InputError, match="Sinkhorn"):
        flow(ParticleField(Sinkhorn(1.0)), Empirical(np.eye(3)), 1.0, mesh=token_mesh())


def test_more_devices_than_there_are():
    import jax

    have = len(jax.devices())
    assert token_mesh().size == have
    with pytest.raises(InputError, match=f"devices = {have + 1}, and there are {have}"):
        token_mesh(have + 1)


def test_one_device_is_a_mesh():
    mu = Empirical(np.eye(3), [1.0, 2.0, 3.0])
    alone, meshed = (flow(ParticleField(Softmax(1.0)), mu, 0.2, step=0.1, mesh=mesh) for mesh in (None, token_mesh(1)))
    np.testing.assert_allclose(meshed.points[0], alone.points[0], rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(
    ("address", "process", "of", "words"),
    [
        ("127.0.0.1", 0, 2, "HOST:PORT"),
        (":5000", 0, 2, "HOST:PORT"),
        ("127.0.0.1:99999", 0, 2, "HOST:PORT"),
        ("h:1", 2, 2, "process_id = 2"),
    ],
)
def test_addresses_and_numbers_are_checked(address, process, of, words):
    with pytest.raises(InputError, match=words):
        join(address, process, of, timeout=0.1)


def roll(*processes: tuple[int, int], timeout: float = 20.0) -> list[str]:
    """What each of the processes (number, of how many) is told; "" if all is well."""
    port, told = free_port(), [""] * len(processes)

    def answer(k: int, number: int, of: int) -> None:
        try:
            call_roll("127.0.0.1", port, number, of, timeout)
        except InputError as error:
            told[k] = str(error)

    threads = [threading.Thread(target=answer, args=(k, *process)) for k, process in enumerate(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout + 10)
        assert not thread.is_alive()
    return told


def test_roll_call():
    assert roll((0, 1)) == [""]
    assert roll((2, 3), (1, 3), (0, 3)) == [""] * 3
    assert all("num_processes = 3, process 0 says 2" in text for text in roll((0, 2), (1, 3)))
    assert all("two processes say process_id = 1" in text for text in roll((0, 3), (1, 3), (1, 3)))


def test_roll_call_gives_up():
    assert "cannot be reached" in roll((1, 2), timeout=0.3)[0]
    assert "process 1, 2 of 3 did not report" in roll((0, 3), timeout=0.3)[0]
    told = roll((0, 3), (2, 3), timeout=1.0)
    assert all("process 1 of 3 did not report" in text for text in told)


def test_roll_call_at_a_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port} of 127.0.0.1 is in use"):
            call_roll("127.0.0.1", port, 0, 2, 1.0)
        other = threading.Thread(target=lambda: server.accept()[0].close())
        other.start()
        with pytest.raises(InputError, match="not process 0 of a run"):
            call_roll("127.0.0.1", port, 1, 2, 5.0)
        other.join(5)


PROGRAM = """HloModule step
%body (p: f64[4]) -> f64[4] {
  %sent = (f64[4]{0}, f32[2,3]{1,0}) collective-permute-start(%a, %b), channel_id=1
}
%rare (p: f64[4]) -> f64[4] {
  %r = f64[8]{0} all-gather(%p), channel_id=2
}
%never_called (p: f64[4]) -> f64[4] {
  %q = f64[1000]{0} all-reduce(%p), channel_id=4
}
ENTRY %main (x: f64[4]) -> f64[4] {
  %loop = f64[4]{0} while(%x), condition=%c, body=%body, backend_config={"known_trip_count":{"n":"3"}}
  %choice = f64[4]{0} conditional(%p, %x, %x), branch_computations={%rare, %other}
  ROOT %sum = (f64[4]{0}, pred[]) all-reduce(%x, %y), channel_id=3
}
"""


def test_traffic_is_read_from_a_program():
    found = read(PROGRAM)
    assert found.always == {"collective-permute": (3, 3 * (32 + 24)), "all-reduce": (1, 33)}
    assert found.at_times == {"all-gather": (1, 64)}
