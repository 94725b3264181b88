"""Every link of the built pages that stays on the site leads to a page and a place on it, and nothing is loaded from elsewhere.

    python docs/check_links.py docs/_build/html

Links to other sites are counted and not followed.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {"script": "src", "img": "src", "link": "href", "iframe": "src", "source": "src"}
HARMLESS = {"canonical", "license"}


class Page(HTMLParser):
    """The links, the places and the loaded files of a page."""

    def __init__(self, path: Path):
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Note what the tag refers to, and its own name."""
        given = {key: value for key, value in attrs if value}
        self.places |= {given[key] for key in ("id", "name") if key in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if LOADED.get(tag) in given and given.get("rel") not in HARMLESS:
            self.loaded.append(given[LOADED[tag]])


def broken(root: Path) -> tuple[list[str], int]:
    """What is wrong, one line each, and how many links were looked at."""
    pages = {path: Page(path) for path in sorted(root.rglob("*.html"))}
    problems, seen = [], 0
    for path, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                if link in page.loaded and parts.scheme != "data":
                    problems.append(f"{path.relative_to(root)}: loads {link} from another site")
                continue
            seen += 1
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            if target.is_dir():
                target = target / "index.html"
            if not target.is_file():
                problems.append(f"{path.relative_to(root)}: {link} leads nowhere")
            elif parts.fragment and target.suffix == ".html":
                known = pages.get(root / target.relative_to(root.resolve()))
                if known is not None and unquote(parts.fragment) not in known.places:
                    problems.append(f"{path.relative_to(root)}: there is no place #{parts.fragment} on {parts.path or 'the page'}")
    return problems, seen


def main() -> int:
    """Print what is broken; 1 if anything is."""
    root = Path(sys.argv[1])
    if not (root / "index.html").is_file():
        print(f"{root} has no index.html; build the pages first: make docs", file=sys.stderr)
        return 2
    problems, seen = broken(root)
    print(*problems, f"{seen} links inside, {len(problems)} broken", sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
