"""Roles that cannot rot: a test or a file that is named in the pages has to exist."""

import ast
from functools import cache
from html import escape
from pathlib import Path

from docutils import nodes

ROOT = Path(__file__).parents[2]


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The functions that a Python file defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def missing(text: str) -> str | None:
    """What is wrong with ``path`` or ``path::function``, relative to the root of the repository; None if it is there."""
    name, _, function = text.partition("::")
    path = ROOT / name
    if not path.exists():
        return f"there is no {name}"
    if function and function not in functions_of(path):
        return f"{name} has no function {function}"
    return None


def _role(role, rawtext, text, lineno, inliner, options=None, content=None):
    if problem := missing(text):
        message = inliner.reporter.error(f"{problem}; it was renamed or removed: name the right one", line=lineno)
        return [inliner.problematic(rawtext, rawtext, message)], [message]
    shown = escape(text.removeprefix("tests/") if role == "test" else text)
    for mark in ("/", "::", "_"):  # where a narrow column may break the line
        shown = shown.replace(mark, f"{mark}<wbr>")
    return [nodes.raw(rawtext, f'<code class="literal checked">{shown}</code>', format="html")], []


def setup(app):
    app.add_role("test", _role)
    app.add_role("source", _role)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
