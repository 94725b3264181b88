"""What a directory's sweep is: its configuration and the versions that made it. Another one is refused."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..._files import write_whole
from ...errors import InputError
from ...interpolation.interpolate import SWEEP_FILE, check_free, claim, versions
from .plan import Plan

FORMAT = 1


def describe(plan: Plan) -> dict[str, Any]:
    """The manifest: everything on which the results depend."""
    grid = {axis.key: list(axis.values) for axis in plan.axes}
    random = None if plan.ensemble is None else {"laws": plan.ensemble.laws, "seed": plan.ensemble.seed}
    config = {"base": plan.base, "grid": grid, "random": random, "confidence": plan.confidence}
    return {"format": FORMAT, "kind": plan.kind, "versions": versions(), "config": config, "files": plan.files}


def begun(directory: Path) -> bool:
    """Whether a sweep was begun there."""
    return (directory / SWEEP_FILE).exists()


@contextmanager
def claimed(directory: Path, plan: Plan, *, force: bool) -> Iterator[bool]:
    """Hold the directory for this sweep; yields whether it goes on with one that was begun.

    Raises:
        InputError: the directory holds another run, another sweep, or one that another process is working on; ``force`` replaces the
            first two.
    """
    path, ours = directory / SWEEP_FILE, json.loads(json.dumps(describe(plan)))
    there = path.exists()
    if there and not force:
        _compare(path, ours)
    elif not there:
        check_free(directory, force=force)
    if not there:
        claim(directory, force=force)
        write_whole(path, _text(ours))
    with path.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{directory}: another process is working on this sweep; wait for it, or give another --out") from None
        if there and force:
            _clear(directory)
            path.write_bytes(_text(ours))  # in place: the lock is on this file
        yield there and not force


def _text(manifest: dict[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=2, ensure_ascii=False) + "\n").encode()


def _clear(directory: Path) -> None:
    from .store import FILE, JOURNAL

    for name in (JOURNAL, "table.csv", "intervals.csv"):
        (directory / name).unlink(missing_ok=True)
    shutil.rmtree(directory / FILE, ignore_errors=True)


def _compare(path: Path, ours: dict[str, Any]) -> None:
    try:
        theirs = dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        raise InputError(f"{path} cannot be read: the sweep there cannot be continued; --force begins it anew") from None
    for manifest in (theirs, ours):
        manifest["versions"] = {name: v for name, v in manifest.get("versions", {}).items() if name != "python"}
    if (difference := _difference(theirs, ours)) is not None:
        key, there, here = difference
        raise InputError(
            f"{path.parent} holds another sweep: {key} is {there} there and {here} here; give another --out, or --force to replace it"
        )


def _difference(a: Any, b: Any, path: str = "") -> tuple[str, str, str] | None:
    """The first place at which two manifests differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *(k for k in b if k not in a)]:
            if (found := _difference(a.get(key), b.get(key), f"{path}.{key}" if path else key)) is not None:
                return found
        return None
    if a == b and type(a) is type(b):
        return None
    there, here = (text if len(text := json.dumps(v)) < 60 else f"{text[:56]} ..." for v in (a, b))
    return path, there, here
