"""The modules of ``docs/_ext``, for tests."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "docs" / "_ext"
_loaded: dict[str, ModuleType] = {}


def extension(name: str) -> ModuleType:
    """A module of ``docs/_ext``; the test is skipped where Sphinx is not installed (``make docs`` installs it)."""
    pytest.importorskip("sphinx")
    if name not in _loaded:
        spec = importlib.util.spec_from_file_location(f"docs_{name}", FOLDER / f"{name}.py")
        assert spec and spec.loader
        _loaded[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(_loaded[name])
    return _loaded[name]
