"""The API reference, written from the packages themselves before each build: what ``__init__.py`` shows, in the order of the files."""

import ast
import importlib
import inspect
from pathlib import Path

PACKAGES = {
    "measures": "Measures",
    "geometry": "Geometry",
    "fields": "Fields: attention laws, masks, layers",
    "kernels": "Kernels: sums over pairs",
    "schedule": "Schedules",
    "flows": "Flows",
    "transport": "Transport",
    "diagnostics": "Diagnostics",
    "dynamics": "Dynamics: closed forms and engines",
    "interpolation": "Interpolation",
    "interpolation.paper": "Interpolation: the proof, lemma by lemma",
    "gaussian": "Gaussian closures",
    "gaussian.steering": "Gaussian closures: steering",
    "incontext": "In-context maps",
    "incontext.kernels": "In-context maps: velocities",
    "export": "Export",
    "experiments": "Experiments",
    "experiments.sweep": "Experiments: sweeps",
    "experiments.literature": "Experiments: figures of the literature",
    "models": "Trained models",
    "report": "Reports",
    "data": "Data",
}


def shown_names(package: str) -> dict[str, list[str]]:
    """For each module from which a package shows names, in order, the names; those defined in the package itself under its own name."""
    module = importlib.import_module(f"measureformer.{package}")
    assert module.__file__
    names: dict[str, list[str]] = {}
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.level and any(alias.asname == alias.name for alias in node.names):
            home = importlib.import_module("." * node.level + (node.module or ""), module.__name__).__name__
            names.setdefault(home, []).extend(alias.name for alias in node.names if alias.asname == alias.name)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            names.setdefault(module.__name__, []).append(node.name)
    return names


def page(package: str) -> str:
    """The page of one package in reStructuredText."""
    title = f"{PACKAGES[package]}"
    full = f"measureformer.{package}"
    text = [title, "=" * len(title), "", f".. module:: {full}", "   :no-index-entry:", "", f".. autodocstring:: {full}", ""]
    for home, names in shown_names(package).items():
        if home != full and home.startswith("measureformer."):
            heading = home.removeprefix("measureformer.").replace(".", "/") + ".py"
            text += ["", heading, "-" * len(heading), "", f".. autodocstring:: {home}", ""]
        text += [f".. currentmodule:: {full}", ""]
        for name in names:
            thing = getattr(importlib.import_module(full), name)
            if inspect.isclass(thing):
                enumeration = hasattr(thing, "__members__")
                text += [f".. autoclass:: {name}", "   :members:", *(["   :undoc-members:"] if enumeration else []), ""]
            elif callable(thing):
                text += [f".. autofunction:: {name}", ""]
            else:
                text += [f".. autodata:: {name}", "   :no-value:", ""]
    return "\n".join(text)


def write(app) -> None:
    """Write the pages of all packages; files that do not change keep their date, so that they are not read again."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    pages = {f"{package}.rst": page(package) for package in PACKAGES}
    entries = "\n".join(f"   {package}" for package in PACKAGES)
    pages["index.rst"] = (
        "API reference\n=============\n\n"
        "The names that a user needs, file by file. A file holds one idea; its formulas and their sources stand with the functions.\n"
        "Shapes of arrays stand in quotes: ``'n d'`` is n rows of d numbers, ``'*batch n d'`` any number of them in front. ``number`` is\n"
        "a float or an array without axes; ``matrix`` is an array, a function of time, or None for the identity.\n\n"
        f".. toctree::\n   :maxdepth: 1\n\n{entries}\n"
    )
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")


def setup(app):
    from docstrings import convert
    from docutils.statemachine import StringList
    from sphinx.util.docutils import SphinxDirective

    class AutoDocstring(SphinxDirective):
        """The docstring of a module, without its names."""

        required_arguments = 1

        def run(self):
            module = importlib.import_module(self.arguments[0])
            self.env.note_dependency(str(module.__file__))
            lines = StringList(convert((module.__doc__ or "").split("\n")), source=str(module.__file__))
            return self.parse_text_to_nodes("\n".join(lines))

    app.add_directive("autodocstring", AutoDocstring)
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
