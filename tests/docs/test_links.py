"""The checker of links finds what is broken."""

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs" / "check_links.py"


def test_broken_links_missing_places_and_files_from_elsewhere(tmp_path):
    spec = importlib.util.spec_from_file_location("check_links", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "a").mkdir()
    (tmp_path / "index.html").write_text('<a href="a/page.html#here">x</a><a href="https://example.org/">x</a><img src="a/none.png">')
    (tmp_path / "a" / "page.html").write_text(
        '<h1 id="here"></h1><a href="../index.html#there"></a><script src="https://example.org/x.js"></script><a href="#here"></a>'
    )
    problems, seen = module.broken(tmp_path)
    assert seen == 4
    assert problems == [
        "a/page.html: there is no place #there on ../index.html",
        "a/page.html: loads https://example.org/x.js from another site",
        "index.html: a/none.png leads nowhere",
    ]
