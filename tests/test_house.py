"""House rules that a machine can keep: small files, short functions, a quick front door, nothing about where packages come from."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src").rglob("*.py"))

# The letters in brackets keep this file from matching itself.
PACKAGE_INDEX = re.compile(
    r"pyp[i]\.org|pythonhoste[d]\.org|pytorch\.or[g]/whl|npmjs\.or[g]|anaconda\.or[g]"
    r"|/simpl[e]/|(?<=\s)--(extra-)?index-ur[l]|(?<=\s)--find-link[s]|file:/[/]",
    re.IGNORECASE,
)
HEAVY = ["jax", "equinox", "diffrax", "scipy", "matplotlib", "pyarrow", "ot"]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    assert lines <= 600, f"{path.name} has {lines} lines; the aim is 400, one concept a file: split it"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= 80, f"{path.name}: {node.name} has {length} lines; 80 is the most"


def committed_files() -> list[Path]:
    """What git tracks, or would if everything were added."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listing.splitlines() if (ROOT / name).is_file()]


def test_no_file_names_a_package_index():
    found = []
    for path in committed_files():
        if path.suffix in {".parquet", ".png", ".npz", ".safetensors", ".gz"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match.group()}" for match in PACKAGE_INDEX.finditer(text)]
    assert not found, f"files are to be fetched from wherever pip is configured to; remove {found}"


def test_locks_hold_hashes_and_nothing_of_the_machine():
    for name in ("core.txt", "dev.txt"):
        text = (ROOT / "requirements" / name).read_text(encoding="utf-8")
        pins = re.split(r"^(?=\w)", text, flags=re.MULTILINE)[1:]
        assert len(pins) > 30
        assert all("==" in pin and "--hash=sha256:" in pin for pin in pins)
        assert not re.search(r"://|(?<!\w)/\w", text), f"requirements/{name} names a URL or a path; run make lock"


def loaded_by(code: str) -> set[str]:
    """The heavy packages that a fresh interpreter has imported after running the code."""
    program = f"{code}\nimport sys\nprint('loaded:', *(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].removeprefix("loaded:").split())


def test_the_package_opens_quickly():
    assert loaded_by("import measureformer") == set()


HELP = """
import sys
from measureformer.cli import main
sys.argv = ["measureformer", "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code
"""


def test_help_opens_quickly():
    if not (ROOT / "src/measureformer/cli/__init__.py").is_file():
        pytest.skip("there is no command line yet")
    assert loaded_by(HELP) == set()
