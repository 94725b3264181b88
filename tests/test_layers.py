"""The layers of the house: an import points down, or sideways without ever closing a circle."""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "measureformer"

# From the ground up. A new subpackage gets its place here.
LAYERS = [
    {"errors", "_brief", "_files", "_types"},
    {"geometry", "measures"},
    {"fields", "schedule", "kernels", "data"},
    {"flows", "diagnostics", "transport", "export"},
    {"interpolation", "dynamics", "gaussian", "incontext", "models", "experiments"},
    {"report", "cli", "__main__"},
]
HEIGHT = {part: height for height, layer in enumerate(LAYERS) for part in layer}

# Packages that belong to one part of the house, and packages that are imported inside functions because they are heavy or rarely needed.
AT_HOME = {"typer": "cli", "click": "cli", "rich": "cli", "pydantic": "cli", "plotly": "report", "matplotlib": "report"}
INSIDE_FUNCTIONS = {"matplotlib", "plotly", "ot", "scipy", "pyarrow", "onnx", "onnxruntime", "zarr", "xarray", "dask", "distributed"}
NEVER = {"torch"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The subpackage (or top-level module) that a file belongs to: flows/shear.py -> flows, errors.py -> errors."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path, nodes: Iterator[ast.AST] | None = None) -> Iterator[str]:
    """Absolute dotted names of what a file imports, relative imports resolved; ``from a import b`` gives ``a.b``."""
    package = ["measureformer", *path.relative_to(PACKAGE).parts[:-1]]
    for node in nodes or ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base = [*base, *(node.module.split(".") if node.module else [])]
            yield from (".".join([*base, alias.name]) for alias in node.names)


def imports_when_loaded(path: Path) -> Iterator[str]:
    """The same, without the imports inside functions."""

    def outside_functions(node: ast.AST) -> Iterator[ast.AST]:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                yield child
                yield from outside_functions(child)

    return imports(path, outside_functions(ast.parse(path.read_text(encoding="utf-8"))))


def parts_used(path: Path) -> set[str]:
    """The other parts of the package that a file imports."""
    names = (name.split(".") for name in imports(path))
    used = {name[1] for name in names if name[0] == "measureformer" and name[1:] != ["__version__"]}
    return used - {part_of(path)}


def test_the_walk_sees_every_kind_of_import(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    file = tmp_path / "flows" / "shear.py"
    file.parent.mkdir()
    file.write_text(
        "import ot.lp\nfrom .. import errors\nfrom ..fields.softmax import A\ndef f():\n    from . import boost\n    import jax as j\n"
    )
    assert set(imports(file)) == {
        "ot.lp",
        "measureformer.errors",
        "measureformer.fields.softmax.A",
        "measureformer.flows.boost",
        "jax",
    }
    assert parts_used(file) == {"errors", "fields"}
    assert set(imports_when_loaded(file)) == {"ot.lp", "measureformer.errors", "measureformer.fields.softmax.A"}


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_down_or_sideways(path):
    part = part_of(path)
    if part == "__init__":
        pytest.skip("the front door shows names from every layer")
    unknown = ({part} | parts_used(path)) - HEIGHT.keys()
    assert not unknown, f"{path.name}: {sorted(unknown)} have no place in LAYERS; import names from where they are defined"
    upward = {other for other in parts_used(path) if HEIGHT[other] > HEIGHT[part]}
    assert not upward, f"{part}/{path.name} imports {sorted(upward)} from above; move what is shared down, or the caller up"


def test_no_circle_between_parts():
    graph: dict[str, set[str]] = {}
    for path in modules():
        if part_of(path) != "__init__":
            graph.setdefault(part_of(path), set()).update(parts_used(path))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as circle:
        pytest.fail(f"parts import each other in a circle: {' -> '.join(circle.args[1])}")


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_packages_stay_at_home(path):
    for name in imports(path):
        package = name.split(".")[0]
        assert package not in NEVER, f"{path.name} imports {package}, on which nothing here may depend"
        assert AT_HOME.get(package, part_of(path)) == part_of(path), f"{path.name} imports {package}, which only {AT_HOME[package]} may"
    heavy = {name for name in imports_when_loaded(path) if name.split(".")[0] in INSIDE_FUNCTIONS}
    assert not heavy, f"{path.name} imports {sorted(heavy)} when it is loaded; import inside the function that needs it"
