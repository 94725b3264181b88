"""Sweeps on real processes: workers that die, programs that are killed."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from measureformer.experiments.sweep import sweep
from measureformer.experiments.sweep.local import ONE_THREAD, local
from sweep_kinds import contents, here, plan_of

TESTS = Path(__file__).parents[2]


def on(workers):
    return lambda plan, jobs: local(plan, jobs, "powers.toml", workers)


def test_workers_that_die_are_replaced(tmp_path):
    """A job that kills its process three times has failed; the others are done."""
    more = {"count": 6, "seeds": 1, "bad": 1}
    before = os.environ.copy()
    killed = sweep(plan_of(**more, deadly=4), tmp_path / "killed", on(2))
    assert (killed.done, killed.failed) == (4, 2)
    assert os.environ.copy() == before and "NPROC" in ONE_THREAD
    error = killed.errors[1]
    assert error[0]["x"] == 4 and "died 3 times (SIGKILL)" in error[1]


class Program:
    """``python -m MODULE ...`` in a session of its own, which is gone with all its processes when the block ends."""

    def __init__(self, *words: object):
        self.process = subprocess.Popen(
            [sys.executable, "-m", *map(str, words)], cwd=TESTS, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.stderr.close()
        self.process.wait(30)

    def children(self) -> list[int]:
        """Processes of its session, but for itself."""
        found = subprocess.run(["ps", "-o", "pid=", "--sid", str(self.process.pid)], capture_output=True, text=True, check=False).stdout
        return [int(pid) for pid in found.split() if int(pid) != self.process.pid]

    def wait_for_jobs(self, log: Path, count: int):
        """Until so many jobs have begun."""
        deadline = time.monotonic() + 90
        while len(log.read_text().splitlines() if log.exists() else ()) < count and self.process.poll() is None:
            assert time.monotonic() < deadline, "no job began"
            time.sleep(0.01)

    def kill(self):
        """SIGKILL to the program alone; the workers have to notice."""
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
        deadline = time.monotonic() + 20
        while self.children():
            assert time.monotonic() < deadline, f"workers are left: {self.children()}"
            time.sleep(0.02)


def killed_again_and_again(tmp_path, kills, delay):
    """SIGKILL at random moments of a sweep of 48 jobs; at last it runs to its end. Returns the number of jobs that ran twice."""
    seed = random.SystemRandom().randrange(2**32)
    print("seed of the moments:", seed)  # a failure shows it
    rng, log, directory = random.Random(seed), tmp_path / "log", tmp_path / "run"
    done = 0
    for _ in range(kills):
        with Program("sweep_kinds", directory, log, delay) as program:
            program.wait_for_jobs(log, min(done + rng.randint(1, 6), 48))
            time.sleep(rng.random() * 0.1)
            program.kill()
            done = len(log.read_text().splitlines())
    with Program("sweep_kinds", directory, log, delay) as program:
        assert program.process.wait(120) == 0, program.process.stderr.read().decode()
    runs = Counter(log.read_text().splitlines())
    assert len(runs) == 48
    plan = plan_of(log=str(log), delay=delay)
    sweep(plan, tmp_path / "undisturbed", here)
    assert contents(directory) == contents(tmp_path / "undisturbed")
    return sum(runs.values()) - 48


@pytest.mark.slow
def test_killed_twice(tmp_path):
    """What is done again is at most what two workers had in hand, each time: the job that runs, and the next one."""
    assert killed_again_and_again(tmp_path, 2, 0.02) <= 2 * 4


@pytest.mark.slow
def test_killed_ten_times(tmp_path):
    assert killed_again_and_again(tmp_path, 10, 0.05) <= 10 * 4


@contextmanager
def dask_on(port: int, workers: int):
    """A scheduler and workers, as processes; yields them."""
    with ExitStack() as stack:
        own = ("--host", "127.0.0.1", "--no-dashboard")
        scheduler = stack.enter_context(Program("distributed.cli.dask_scheduler", "--port", port, *own))
        options = (f"tcp://127.0.0.1:{port}", "--nthreads", 1, "--no-nanny", *own)
        yield scheduler, [stack.enter_context(Program("distributed.cli.dask_worker", *options)) for _ in range(workers)]


@pytest.mark.slow
def test_on_a_cluster(tmp_path):
    """A worker is killed midway, then the scheduler; the same command continues on a new one, and nothing of it shows in the files."""
    pytest.importorskip("distributed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log, directory = tmp_path / "log", tmp_path / "run"
    words = ("sweep_kinds", directory, log, 0.2, f"tcp://127.0.0.1:{port}")
    with dask_on(port, 2) as (scheduler, workers), Program(*words) as program:
        program.wait_for_jobs(log, 6)
        workers[0].kill()
        program.wait_for_jobs(log, 12)
        assert program.process.poll() is None
        scheduler.kill()
        assert program.process.wait(60) == 1
        assert "is gone; what was finished is kept" in program.process.stderr.read().decode()
    before = len(log.read_text().splitlines())
    with dask_on(port, 2) as (_, workers), Program(*words) as program:
        program.wait_for_jobs(log, before + 4)
        workers[1].kill()
        assert program.process.wait(120) == 0, program.process.stderr.read().decode()
    runs = Counter(log.read_text().splitlines())
    assert len(runs) == 48 and sum(runs.values()) - 48 <= 3 * 4  # twice the threads, at each of the three deaths
    sweep(plan_of(log=str(log), delay=0.2), tmp_path / "undisturbed", here)
    assert contents(directory) == contents(tmp_path / "undisturbed")
