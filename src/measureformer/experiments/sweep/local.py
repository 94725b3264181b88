"""Jobs on this machine: worker processes that stay warm, each on one thread, replaced when one dies."""

import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import connection, get_context, parent_process
from typing import Any

from ...errors import InputError
from .jobs import FAILED, Outcome, Outcomes, find, run_job
from .plan import Plan

# Small arrays run fastest on one thread, and the bits of a sum do not depend on how many cores a machine has. XLA sizes its pool by NPROC.
ONE_THREAD = {"NPROC": "1", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
TRIES = 3  # for a job whose process dies
_SHORT = 0.2  # seconds; a worker whose jobs take less is told of the next one before it asks


def local(plan: Plan, jobs: Iterable[int], origin: str, workers: int) -> Outcomes:
    """Run jobs on ``workers`` processes; yields (job, outcome) in the order in which they finish, and None at least once a second.

    A job whose process dies is given to another one, three times at most; then it has failed.

    Raises:
        InputError: no worker can start.
    """
    left, again, deaths = iter(jobs), deque[int](), Counter[int]()
    pool: list[_Worker] = []

    def feed(worker: _Worker) -> None:
        while len(worker.queue) < worker.depth and (index := again.popleft() if again else next(left, None)) is not None:
            worker.give(index)

    try:
        for _ in range(workers):
            pool.append(_Worker(plan, origin))
            feed(pool[-1])
        while any(worker.queue for worker in pool):
            ready = connection.wait([worker.pipe for worker in pool], timeout=1.0)
            if not ready:
                yield None
            for k, worker in enumerate(pool):
                if worker.pipe not in ready:
                    continue
                done = worker.take()
                if done is None:
                    code, head = worker.end(), worker.queue.popleft() if worker.queue else None
                    again.extend(worker.queue)
                    pool[k] = _Worker(plan, origin)
                    if head is not None:
                        deaths[head] += 1
                        if deaths[head] < TRIES:
                            again.appendleft(head)
                        else:
                            done = head, Outcome(FAILED, error=_death(code))
                if done is not None:
                    yield done
                for each in pool:
                    feed(each)
    finally:
        for worker in pool:
            worker.end()


class _Worker:
    """A process and the jobs that it has been given, in order."""

    def __init__(self, plan: Plan, origin: str):
        context = get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=_serve, args=(other, plan, origin), daemon=True)
        with _environment(ONE_THREAD):
            self.process.start()
        other.close()
        self.queue: deque[int] = deque()
        self.since, self.depth = time.monotonic(), 1

    def give(self, index: int) -> None:
        """Tell it of a job: a number only, which never fills the pipe."""
        self.queue.append(index)
        try:
            self.pipe.send(index)
        except OSError:  # it has died: the end of the pipe says so
            pass

    def take(self) -> tuple[int, Outcome] | None:
        """A job that it has finished; None if it has died.

        Raises:
            InputError: it could not even start.
        """
        try:
            index, outcome = self.pipe.recv()
        except (EOFError, OSError):
            return None
        if index is None:
            raise InputError(f"the workers cannot start: {outcome}")
        self.queue.remove(index)
        now = time.monotonic()
        self.since, self.depth = now, 2 if now - self.since < _SHORT else 1
        return index, outcome

    def end(self) -> int | None:
        """Stop it at once, and say how it ended."""
        self.pipe.close()
        self.process.join(0 if self.queue else 2)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        return self.process.exitcode


def _serve(pipe: Any, plan: Plan, origin: str) -> None:
    """The life of a worker. It ends when its pipe does, and at once when the program that started it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (connection.wait([parent.sentinel]), os._exit(1)), daemon=True).start()
    try:
        find(plan.kind)
    except Exception as error:
        pipe.send((None, f"{type(error).__name__}: {error}"))
        return
    while True:
        try:
            index = pipe.recv()
            pipe.send((index, run_job(plan.kind, plan.tables(index), origin)))
        except (EOFError, OSError):
            os._exit(0)  # nobody listens any more, and nothing here needs to be tidied up


def _death(code: int | None) -> str:
    how = signal.Signals(-code).name if code is not None and code < 0 else f"exit code {code}"
    return f"the process of the job died {TRIES} times ({how}); is there memory enough for it?"


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
