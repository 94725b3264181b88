"""A sweep from beginning to end, or from wherever it was left."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..._files import write_whole
from ...errors import InputError
from .jobs import DONE, FAILED, Outcomes, find
from .layout import layout_of
from .manifest import begun, claimed
from .plan import Plan
from .store import Store
from .table import as_csv, interval_rows, job_rows

TABLE, INTERVALS = "table.csv", "intervals.csv"
_FLUSH = 2.0  # seconds between writes of chunks that are not complete
Execute = Callable[[Plan, Iterable[int]], Outcomes]


@dataclass(frozen=True)
class Summary:
    """How a sweep ended.

    Attributes:
        jobs, done, failed: of the whole sweep.
        ran: jobs that ran this time; the others had been finished before.
        damaged: chunks of the store that were found damaged, and were done again.
        seconds: how long this time took.
        store: what was found.
        errors: the first failures, as (parameters that are numbers or texts, error).
    """

    jobs: int
    done: int
    failed: int
    ran: int
    damaged: int
    seconds: float
    store: Store
    errors: list[tuple[dict, str]]


def sweep(
    plan: Plan,
    directory: str | Path,
    execute: Execute,
    *,
    origin: str = "configuration",
    force: bool = False,
    retry: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Summary:
    """Run what is left of a sweep, and write ``sweep.json``, ``store.zarr``, ``table.csv`` and, with seeds or samples, ``intervals.csv``.

    Killed at any moment, it goes on when it is called again, and ends with the same files, bit for bit.

    Args:
        plan: what to run.
        directory: created if need be.
        execute: runs jobs in any order, ``local`` or ``cluster``; it may yield None when there is no news.
        origin: path of the configuration, for messages and for the files that it names.
        force: replace whatever the directory holds.
        retry: run jobs again that have failed.
        progress: called as ``progress(done, total, note)``; the note has the rate and the time left.

    Raises:
        InputError: the directory holds something else, or no job of the sweep is valid.
        OSError: the disk is full, say; what was finished is in the store and the journal.
    """
    start, directory = time.monotonic(), Path(directory)
    kind = find(plan.kind)
    if force or not begun(directory):
        check_any(plan, origin)
    with claimed(directory, plan, force=force):
        store = Store(directory, plan, layout_of(plan, kind))
        left = list(store.pending(retry=retry))
        ran, flushed, first = 0, time.monotonic(), time.monotonic()
        try:
            with closing(execute(plan, left)) if left else closing(_nothing()) as outcomes:
                for done in outcomes:
                    if done is not None:
                        store.put(*done)
                        ran += 1
                    now = time.monotonic()
                    if now - flushed > _FLUSH:
                        store.flush()
                        flushed = now
                    if progress:
                        progress(plan.size - len(left) + ran, plan.size, pace(ran, len(left), now - first))
        finally:
            store.close()
        errors = _tables(store, directory)
    flat = store.status
    return Summary(
        plan.size, int((flat == DONE).sum()), int((flat == FAILED).sum()), ran, store.damaged, time.monotonic() - start, store, errors
    )


def check_any(plan: Plan, origin: str) -> None:
    """Refuse a sweep all of whose jobs are refused, say for a key that does not exist; single bad values are recorded as failed jobs.

    Raises:
        InputError: of the first job.
    """
    first: InputError | None = None
    for tables in plan.configurations():
        try:
            find(plan.kind).check(tables, origin)
            return
        except InputError as error:
            first = first or error
        except Exception:  # the job will tell
            return
    if first is not None:
        raise first


def pace(ran: int, left: int, seconds: float) -> str:
    """The rate and the time left, in words."""
    if not ran or seconds <= 0:
        return "starting"
    rate = ran / seconds
    rest = int((left - ran) / rate + 0.5)
    clock = f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}" if rest >= 3600 else f"{rest // 60}:{rest % 60:02d}"
    return f"{rate:.3g} a second, {clock} left" if rate >= 1 else f"{60 * rate:.3g} a minute, {clock} left"


def _nothing() -> Outcomes:
    """No job is left."""
    yield from ()


def _tables(store: Store, directory: Path) -> list[tuple[dict, str]]:
    columns, rows = job_rows(store)
    write_whole(directory / TABLE, as_csv(columns, rows))
    header, means = interval_rows(store)
    if header:
        write_whole(directory / INTERVALS, as_csv(header, means))
    bad = np.flatnonzero(store.status.reshape(-1) == FAILED)[:5]
    parameters = [{key: v for key, v in store.plan.parameters(int(k)).items() if not isinstance(v, list)} for k in bad]
    return [(own, rows[int(k)][-1]) for own, k in zip(parameters, bad, strict=True)]
