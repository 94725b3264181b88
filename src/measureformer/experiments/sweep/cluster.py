"""Jobs on a cluster of Dask: the same jobs, and one writer, so that the store is the same too."""

import logging
import os
import sys
import time
from collections.abc import Iterable
from concurrent.futures import CancelledError
from typing import Any

from ...errors import InputError
from ...interpolation.interpolate import versions
from .jobs import FAILED, Outcome, Outcomes, run_job
from .local import ONE_THREAD
from .plan import Plan

_PATIENCE = 60.0  # seconds that workers have to appear
_LOST = 20.0  # seconds after which a scheduler that does not answer is given up
_AHEAD = 2  # jobs for each thread of the workers


def cluster(plan: Plan, jobs: Iterable[int], origin: str, address: str, workers: int) -> Outcomes:
    """Run jobs on the workers of a scheduler; see ``local``. Dask gives the jobs of a worker that dies to another one.

    Args:
        plan, jobs, origin: see ``local``; files that the configuration names must be there for the workers, under the same path.
        address: of the scheduler, "tcp://host:8786".
        workers: wait until there are so many.

    Raises:
        InputError: nobody answers at the address, too few workers come, their versions are not those of this program, or the scheduler is
            lost on the way.
    """
    client = _connect(address, workers)
    try:
        yield from _run(client, plan, jobs, origin, address)
    finally:
        client.close(timeout=2)


def _run(client: Any, plan: Plan, jobs: Iterable[int], origin: str, address: str) -> Outcomes:
    """Submit a few jobs for each thread, and more as they finish; a scheduler that does not answer for a while is given up."""
    import distributed

    wait: Any = distributed.wait
    gone = InputError(f"the scheduler at {address} is gone; what was finished is kept: start it again, and give the same command")
    left, flying, heard = iter(jobs), {}, time.monotonic()
    while True:
        if client.status in ("closing", "closed"):
            raise gone
        try:
            threads = sum(client.nthreads().values())
            heard = time.monotonic()
            while len(flying) < _AHEAD * max(threads, 1) and (index := next(left, None)) is not None:
                key = f"measureformer-{plan.jobs[index]}-{index}"
                flying[client.submit(run_job, plan.kind, plan.tables(index), origin, key=key, pure=False)] = index
            if not flying:
                return
            with client.as_current():
                done = wait(list(flying), timeout=1.0, return_when="FIRST_COMPLETED").done
            finished = [(flying.pop(job), _outcome(job)) for job in done]
        except (OSError, CancelledError) as error:  # TimeoutError is an OSError
            if isinstance(error, CancelledError) or time.monotonic() - heard > _LOST:
                raise gone from None
            yield None
            continue
        yield from finished


def _outcome(job: Any) -> Outcome:
    """Of a job that has ended, also because Dask gave it up.

    Raises:
        CancelledError: the scheduler is gone.
    """
    if job.status == "cancelled":
        raise CancelledError
    if job.status == "finished":
        return job.result()
    error = job.exception()
    return Outcome(FAILED, error=f"{type(error).__name__}: the workers of the job died; is there memory enough for it?")


def _connect(address: str, workers: int) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise InputError("--scheduler needs dask and distributed: pip install 'measureformer[cluster]'") from None
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # what it would say is said by the errors here
    try:
        client: Any = Client(address, timeout=10, set_as_default=False)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"--scheduler {address}: no scheduler answers there ({reason}); start one: dask scheduler") from None
    try:
        client.wait_for_workers(workers, timeout=_PATIENCE)
        client.register_plugin(_one_thread(), name="measureformer-one-thread")
        ours = versions()
        for worker, theirs in client.run(versions).items():
            for name in ours:
                if name != "python" and theirs[name] != ours[name]:
                    raise InputError(f"the worker {worker} has {name} {theirs[name]}, this program {ours[name]}; they must agree")
    except TimeoutError:
        client.close(timeout=2)
        raise InputError(
            f"--scheduler {address}: there are fewer than {workers} workers after {_PATIENCE:g} s; start some: dask worker {address}"
        ) from None
    except BaseException:
        client.close(timeout=2)
        raise
    return client


def _one_thread() -> Any:
    """A plugin of Dask's workers, those that come later too: one thread of arithmetic for each thread of jobs, unless JAX is loaded yet."""
    from distributed import WorkerPlugin

    class OneThread(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            if "jax" not in sys.modules:
                os.environ.update(ONE_THREAD)

    return OneThread()
