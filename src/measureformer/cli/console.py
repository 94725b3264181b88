"""What all commands share: messages and progress on stderr, results on stdout, exit codes."""

import errno
import json
import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ..errors import InputError
from . import INTERRUPTED

BAD_INPUT, NOT_CERTIFIED = 2, 3
USAGE_ERROR: Any = typer.BadParameter.__base__  # of click, or of the copy of it that newer versions of typer bring along
_LOSES = ("_xla_gc_callback", "__del__")  # functions in which an exception is printed and forgotten


class _CtrlC:
    """Remembers that Ctrl-C was pressed: an exception that is raised inside a finaliser or a callback of a library is lost, and one that
    interrupts the loading of a compiled module can crash the interpreter. While modules load it is raised afterwards; in a callback
    of the garbage collector, a moment later."""

    pressed = False

    def __call__(self, _: int, frame: FrameType | None) -> None:
        self.pressed = True
        while frame is not None:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                return
            if frame.f_code.co_name in _LOSES:
                again = threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGINT))
                again.daemon = True
                again.start()
                return
            frame = frame.f_back
        raise KeyboardInterrupt


@contextmanager
def exit_codes() -> Iterator[None]:
    """Turn bad input into one message and exit code 2, and Ctrl-C into exit code 130."""
    before = signal.signal(signal.SIGINT, ctrl_c := _CtrlC())
    try:
        yield
        if ctrl_c.pressed:
            raise KeyboardInterrupt
    except InputError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except OSError as error:  # a folder that is none, no permission, no space left
        where = f"{error.filename}: " if error.filename else ""
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        remedy = "make room and give the same command again" if full else "check that what --out or --output names can be written"
        typer.echo(f"error: {where}{error.strerror or error}; {remedy}", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except KeyboardInterrupt:
        typer.echo("interrupted: what was not finished is not certified", err=True)
        raise typer.Exit(INTERRUPTED) from None
    finally:
        signal.signal(signal.SIGINT, before)


def show_usage_error(error: Any) -> int:
    """What is wrong with the options, in one line like any other message; the help if there are none. Returns the exit code."""
    path = error.ctx.command_path if error.ctx else "measureformer"
    message = " ".join(error.format_message().split()).removesuffix(".")
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.ctx.get_help(), err=True)
    else:
        option, wrong = re.fullmatch(r"(?:Invalid value for '?([^':]+)'?: )?(?:Value error, )?(.*)", message).groups()  # type: ignore[union-attr]
        message = f"{option}: {wrong[:1].lower()}{wrong[1:]}" if option else f"{wrong[:1].lower()}{wrong[1:]}"
        typer.echo(f"error: {message}; {path} --help shows what there is", err=True)
    return BAD_INPUT


@contextmanager
def stages(quiet: bool = False):
    """A progress bar on stderr; yields ``stage(what, done, total, note)``, to be called whenever there is news (total 0: not known)."""
    console = Console(stderr=True)
    columns = (
        *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as progress:
        current: dict[str, TaskID] = {}

        def stage(what: str, done: int = 0, total: int = 0, note: str = "") -> None:
            if getattr(signal.getsignal(signal.SIGINT), "pressed", False):
                raise KeyboardInterrupt
            if what not in current:
                for task in current.values():
                    progress.remove_task(task)
                current.clear()
                current[what] = progress.add_task(what, total=total or None, note=note)
            progress.update(current[what], completed=done, total=total or None, note=note)

        yield stage


def show_json(value: object) -> None:
    """The machine-readable result: JSON on stdout and nothing else there."""
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def number(value: float | None) -> str:
    """A number for a table; a dash for one that does not exist."""
    return "-" if value is None else f"{value:.3g}"
