"""Classifies a function of a user in this process, for a parent that watches the clock: python -m measureformer.incontext.worker FILE."""

import importlib
import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .._files import write_whole
from ..errors import InputError


def load_function(target: str) -> Callable[..., Any]:
    """The function that MODULE:FUNCTION names; a module of the working directory, an installed one, or the path of a file.

    Raises:
        InputError: the text has another form, the module cannot be imported, or it has no such function.
    """
    module_name, _, name = target.rpartition(":")
    if not module_name or not name:
        raise InputError(f"{target!r} does not name a function; write MODULE:FUNCTION, as in mymaps:f for the function f of mymaps.py")
    sys.path.insert(0, str(Path.cwd()))
    try:
        module = _from_file(Path(module_name)) if module_name.endswith(".py") else importlib.import_module(module_name)
    except Exception as error:  # whatever the user's code does
        if isinstance(error, ModuleNotFoundError) and error.name == module_name:
            raise InputError(f"there is no module {module_name}; give its file, as in {module_name}.py:{name}, or install it") from None
        raise InputError(f"the module {module_name} cannot be imported: {_short(error)}") from None
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part, None)
    if not callable(found):
        there = sorted(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))[:8]
        raise InputError(f"{module_name} has no function {name}; it has {', '.join(there) or 'none'}")
    return found


def work(task: dict[str, Any]) -> dict[str, Any]:
    """The answer for the parent: {"verdict", "evidence"}, or {"error"}."""
    from .classify import classify
    from .domain import Ball
    from .evidence import evidence

    try:
        function = load_function(task["target"])
    except InputError as error:
        return {"error": str(error)}

    def guarded(points, weights):
        try:
            return function(points, weights)
        except InputError:
            raise
        except Exception as error:  # whatever the user's code does
            shapes = f"points {points.shape} and weights {weights.shape}"
            raise InputError(f"the function {task['target']} crashed when called with {shapes}: {_short(error)}") from None

    try:
        found = classify(guarded, Ball(task["dim"]), seed=task["seed"], rounds=task["rounds"])
    except InputError as error:
        return {"error": str(error)}
    return {"verdict": found.verdict.value, "evidence": evidence(found)}


def main(path: str) -> None:
    """Read the task from a file, write the answer beside it."""
    task = json.loads(Path(path).read_text(encoding="utf-8"))
    answer = work(task)
    write_whole(task["answer"], json.dumps(answer, allow_nan=False).encode())


def _from_file(path: Path) -> Any:
    specification = importlib.util.spec_from_file_location(path.stem, path)
    if specification is None or specification.loader is None or not path.is_file():
        raise InputError(f"there is no file {path}")
    module = importlib.util.module_from_spec(specification)
    sys.modules[path.stem] = module
    specification.loader.exec_module(module)
    return module


def _short(error: Exception) -> str:
    """The error with the line of the user's code where it happened."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f" ({Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno})" if trace is not None else ""
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said[:300]}{where}"


if __name__ == "__main__":
    main(sys.argv[1])
