"""The pages: what they show runs, what they name exists, and what they draw can be drawn."""

import ast
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from docs_extension import extension

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("theory/*.md")])
EXAMPLES = sorted((ROOT / "examples").glob("*/plot_*.py"))
SECTIONS = ("interpolation", "dynamics", "gaussian", "incontext", "scale")


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a page in one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


SLOW = {"gaussian.md"}  # steers several Gaussians, and compiles for it
FRAGMENTS = {"scaling.md", "trajectories.md"}  # lines from longer programs, which need several hosts or a run that is there


def with_python() -> list:
    found = [page for page in PAGES if blocks(page, "python") and page.name not in FRAGMENTS]
    return [pytest.param(page, id=page.name, marks=[pytest.mark.slow] if page.name in SLOW else []) for page in found]


@pytest.mark.parametrize("page", with_python())
def test_code_runs(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for k, block in enumerate(blocks(page, "python")):
        exec(compile(block, f"{page.name}, block {k + 1}", "exec"), names)
    if page.name == "getting-started.md":
        assert names["certificate"]["passed"]


def test_every_page_is_in_the_contents():
    contents = re.findall(r"^```\{toctree\}\n(.*?)^```", (DOCS / "index.md").read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    listed = {line for block in contents for line in block.split("\n")} | {"index"}
    left_out = {str(page.relative_to(DOCS).with_suffix("")) for page in PAGES} - listed
    assert not left_out, f"add {sorted(left_out)} to a toctree of docs/index.md"


def test_configurations_are_valid():
    from measureformer.cli.config import simulation_of

    for page in PAGES:
        for block in blocks(page, "toml"):
            tables = tomllib.loads(block)
            if page.name == "getting-started.md":
                simulation_of(tables, page.name)


def test_commands_exist_with_their_options():
    from typer.main import get_command

    from measureformer.cli.app import app

    group: Any = get_command(app)
    commands = group.commands
    known = {name: {option for parameter in command.params for option in parameter.opts} for name, command in commands.items()}
    shown = 0
    for page in PAGES:
        for line in re.findall(r"^ {4}(measureformer [^#\n]+)", page.read_text(encoding="utf-8"), re.MULTILINE):
            words = shlex.split(line)
            shown += 1
            if words[1].startswith("-"):
                continue
            assert words[1] in known, f"{page.name}: {line}"
            options = {word for word in words[2:] if word.startswith("--")}
            assert options <= known[words[1]] | {"--help"}, f"{page.name}: {line}"
    assert shown > 5


@pytest.mark.parametrize("page", [page for page in PAGES if page.parent.name == "theory"], ids=lambda page: page.name)
def test_tests_and_files_that_theory_names_exist(page):
    named = re.findall(r"\{(?:test|source)\}`([^`]+)`", page.read_text(encoding="utf-8"))
    assert named or page.name == "index.md"
    missing = extension("checked").missing
    problems = [problem for name in named if (problem := missing(name))]
    assert not problems


def test_examples_are_many_whole_and_in_their_sections():
    assert len(EXAMPLES) >= 15
    assert {path.parent.name for path in EXAMPLES} == set(SECTIONS)
    conf = (DOCS / "conf.py").read_text(encoding="utf-8")
    for section in SECTIONS:
        assert (ROOT / "examples" / section / "GALLERY_HEADER.rst").is_file()
        assert f'"{section}"' in conf, f"{section} has no place in subsection_order of docs/conf.py"
    for path in EXAMPLES:
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        lines = (ast.get_docstring(tree) or "").split("\n")
        assert len(lines) > 3 and set(lines[1]) == {"="}, f"{path.name} needs a title, underlined, and a few words"
        assert "plt.show()" in text, f"{path.name} shows nothing"
        compile(text, path.name, "exec")


def test_pages_show_pictures_of_examples_that_exist():
    names = {(path.parent.name, path.stem) for path in EXAMPLES}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        shown = re.findall(r"gallery/(\w+)/images/sphx_glr_(\w+)_\d+\.png", text) + re.findall(r"gallery/(\w+)/(plot_\w+)\b", text)
        assert set(shown) <= names, page.name


def formulas() -> list[tuple[str, str]]:
    """Every formula of the docstrings and the pages, with where it stands."""
    texts = [(page.name, page.read_text(encoding="utf-8")) for page in PAGES]
    for path in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and (text := ast.get_docstring(node)):
                texts.append((f"{path.relative_to(ROOT)}: {getattr(node, 'name', 'module')}", text))
    code = re.compile(r"```.*?```|``.*?``|`[^`\n]*`", re.DOTALL)
    found = [(where, re.findall(r"\$\$(.+?)\$\$|\$([^$]+?)\$", code.sub("", text), re.DOTALL)) for where, text in texts]
    return [(where, display or inline) for where, pairs in found for display, inline in pairs]


def test_formulas_can_be_drawn():
    from matplotlib.font_manager import FontProperties
    from matplotlib.mathtext import MathTextParser

    parser, font, regular = MathTextParser("path"), FontProperties(size=10), extension("mathtext").regular
    found = {tex: where for where, tex in formulas()}
    assert len(found) > 300
    bad = []
    for tex, where in found.items():
        try:
            parser.parse(f"${regular(tex)}$", 72, font)
        except ValueError as problem:
            bad.append(f"{where}: {tex!r}: {str(problem).splitlines()[-1]}")
    assert not bad, "\n".join(bad)


def test_a_formula_is_a_picture_on_the_line():
    drawn = extension("mathtext").svg(r"\frac12 \sqrt d \le \Bigl( \int e^{x} dx \Bigr)")
    assert drawn.startswith("<svg") and "vertical-align:-" in drawn and "<path d=" in drawn
    with pytest.raises(ValueError):
        extension("mathtext").svg(r"\nosuchsymbol")
