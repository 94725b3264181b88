"""Our docstrings in the words of Sphinx: Google sections, formulas between dollars, shapes of arrays in signatures.

A docstring is plain text with ``code`` in double backquotes, $formulas$ and $$displays$$. Nothing else in it is markup: an asterisk is an
asterisk, |x| is a norm. So all is escaped but what is on this list, and paragraphs are set on one line each, however they were broken.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any, get_args

_SECTION = re.compile(r"^(Args|Attributes|Returns|Raises|References|Examples?|Notes?):\s*$")
_TITLES = {"Args": "Arguments", "References": "Sources", "Example": "Example"}
_ITEM = re.compile(r"^(\*{0,2}\w[\w., *'()-]*?):\s+(.*)$", re.DOTALL)
_BULLET = re.compile(r"^(\s*)([*-]|\d+\.|\([a-z0-9]\))\s+(.*)$")
_KEPT = re.compile(r"(``.+?``|\$\$.+?\$\$|\$[^$]+?\$)", re.DOTALL)


def convert(lines: list[str]) -> list[str]:
    """A docstring as reStructuredText."""
    text = inspect.cleandoc("\n".join(lines)).expandtabs()
    return _blocks(text.split("\n"))


def _blocks(lines: list[str]) -> list[str]:
    out: list[str] = []
    k = 0
    while k < len(lines):
        line = lines[k]
        if not line.strip():
            k += 1
            continue
        if found := _SECTION.match(line):
            body, k = _indented(lines, k + 1)
            out += _section(found.group(1), body)
        elif line.lstrip().startswith(">>>"):
            end = next((j for j in range(k, len(lines)) if not lines[j].strip()), len(lines))
            out += [*(text.strip() for text in lines[k:end]), ""]
            k = end
        elif line.startswith("    ") and not _BULLET.match(line):
            body, k = _indented(lines, k)
            out += ["::", "", *("    " + text.replace("``", "") for text in body), ""]
        elif _BULLET.match(line):
            item, k = _list_item(lines, k)
            out += item
        else:
            end = _end_of_paragraph(lines, k)
            out += _paragraph(" ".join(text.strip() for text in lines[k:end]))
            k = end
    return out


def _end_of_paragraph(lines: list[str], k: int) -> int:
    """Where the paragraph ends that begins at line k: at an empty line, a list, a section or an indented block; a display is kept whole."""
    end = k + 1
    while end < len(lines) and lines[end].strip():
        inside = " ".join(lines[k:end]).count("$$") % 2
        if not inside and (_BULLET.match(lines[end]) or _SECTION.match(lines[end]) or lines[end].startswith("    ")):
            break
        end += 1
    return end


def _indented(lines: list[str], k: int) -> tuple[list[str], int]:
    """The lines from k on that are indented or empty, with the indent of the first taken off; and where they end."""
    end = k
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
        end += 1
    body = inspect.cleandoc("\n" + "\n".join(lines[k:end])).split("\n")
    return body, end


def _list_item(lines: list[str], k: int) -> tuple[list[str], int]:
    found = _BULLET.match(lines[k])
    assert found
    indent, mark, first = found.groups()
    inner, end = len(indent) + len(mark) + 1, k + 1
    while end < len(lines) and lines[end].strip() and lines[end].startswith(" " * (len(indent) + 1)):
        end += 1
    while end + 1 < len(lines) and not lines[end].strip() and lines[end + 1].startswith(" " * inner) and not _BULLET.match(lines[end + 1]):
        end += 1  # a further paragraph of the item
        while end < len(lines) and lines[end].strip() and lines[end].startswith(" " * inner):
            end += 1
    body = _blocks([first, *(text.strip() for text in lines[k + 1 : end])])
    mark = mark if mark[0] in "*-" or mark[-1] == "." else f"\\{mark}"
    pad = " " * (len(mark) + 1)
    return [f"{mark} {body[0]}", *(pad + text if text else "" for text in body[1:]), ""], end


def _section(name: str, body: list[str]) -> list[str]:
    if name in ("Args", "Attributes", "Raises"):
        inner = _items(body)
    else:
        inner = _blocks(body)
    return ["", f":{_TITLES.get(name, name)}:", *("    " + text if text else "" for text in inner), ""]


def _items(body: list[str]) -> list[str]:
    groups: list[list[str]] = []
    for line in body:
        if line and not line.startswith(" "):
            groups.append([line])
        elif groups:
            groups[-1].append(line)
    out: list[str] = []
    for group in groups:
        found = _ITEM.match(group[0])
        first = f"**{escaped(found.group(1))}**: {found.group(2)}" if found else group[0]
        rest = inspect.cleandoc("\n" + "\n".join(group[1:])).split("\n") if len(group) > 1 else []
        head = f"{first}" if not found else found.group(2)
        lines = _blocks([head, *rest]) if head or rest else [""]
        name = f"**{escaped(found.group(1))}**: " if found else ""
        out += [f"* {name}{lines[0]}", *("  " + text if text else "" for text in lines[1:])]
    return [*out, ""]


def _paragraph(text: str) -> list[str]:
    out: list[str] = []
    for piece in re.split(r"(\$\$.+?\$\$)", text):
        if piece.startswith("$$"):
            out += [".. math::", "", "    " + " ".join(piece[2:-2].split()), ""]
        elif piece.strip():
            out += [escaped(piece.strip()), ""]
    return out


def escaped(text: str) -> str:
    """Text of a docstring, in which only code and formulas between dollars are markup."""
    out = []
    for piece in _KEPT.split(text):
        if piece.startswith("``") and len(piece) > 4:
            out.append(f"\\ {piece}\\ ")
        elif piece.startswith("$") and len(piece) > 2:
            out.append(f"\\ :math:`{' '.join(piece[1:-1].split())}`\\ ")
        else:
            out.append(re.sub(r"([\\*|_`<>])", r"\\\1", piece))
    joined = "".join(out)
    return joined.removeprefix("\\ ") if joined.startswith("\\ ") else joined


def _named() -> dict[Any, str]:
    from measureformer import _types

    return {
        _types.Array: "array",
        _types.OptionalArray: "array | None",
        _types.Scalar: "number",
        _types.Matrix: "matrix",
        _types.Numbers: "numbers",
        _types.Seen: "mask",
    }


def shown(annotation: Any) -> str:
    """An annotation in short: arrays by their shape, everything else by its name.

    >>> from jaxtyping import Float
    >>> import numpy as np
    >>> shown(Float[np.ndarray, "n d"] | None)
    "'n d' | None"
    """
    for known, name in _named().items():
        if annotation == known:
            return name
    if annotation is None or annotation is type(None):
        return "None"
    if isinstance(annotation, str):
        return annotation
    if hasattr(annotation, "dim_str"):
        return repr(annotation.dim_str)
    origin = getattr(annotation, "__origin__", None)
    if origin is Callable or str(annotation).startswith("collections.abc.Callable"):
        return "Callable"
    if arguments := get_args(annotation):
        if "Union" in type(annotation).__name__ or "Union" in str(origin):
            return " | ".join(dict.fromkeys(shown(part) for part in arguments))
        name = getattr(origin, "__name__", str(origin))
        return f"{name}[{', '.join('...' if part is Ellipsis else shown(part) for part in arguments)}]"
    return getattr(annotation, "__name__", str(annotation).replace("typing.", ""))


def _default(value: Any) -> str:
    text = repr(value)
    return text if re.fullmatch(r"[-+\w.'\"()\[\], ]*", text) and len(text) < 40 else "..."


def _signature(app, what, name, obj, options, args, returned):
    if what not in ("function", "class", "method"):
        return None
    try:
        signature = inspect.signature(obj)
    except (TypeError, ValueError):
        return None
    parts, starred = [], False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            parts.append("*")
            starred = True
        stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        starred = starred or stars == "*"
        text = stars + parameter.name
        if parameter.annotation is not parameter.empty and parameter.annotation is not Any:
            text += f": {shown(parameter.annotation)}"
        if parameter.default is not parameter.empty:
            text += f" = {_default(parameter.default)}"
        parts.append(text)
    answer = signature.return_annotation
    told = shown(answer) if what != "class" and answer is not signature.empty and answer is not Any else None
    return f"({', '.join(parts)})", told


def _docstring(app, what, name, obj, options, lines):
    lines[:] = convert(lines)


def setup(app):
    app.connect("autodoc-process-docstring", _docstring)
    app.connect("autodoc-process-signature", _signature)
    return {"parallel_read_safe": True}
