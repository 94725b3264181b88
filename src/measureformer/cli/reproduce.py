"""What ``measureformer reproduce`` does."""

import json
import time
from pathlib import Path

from rich.console import Console

from .._files import write_whole
from ..errors import InputError
from ..experiments.literature import FIGURES, Page, Settings, reproduce
from ..experiments.literature.catalogue import figure_named
from ..experiments.shelf import discard_shelf
from ..interpolation.interpolate import SIMULATION_FILE, check_free, claim, versions
from .console import stages

PARTS = "parts"


def figure_rows() -> list[dict[str, str]]:
    """A row for each figure that can be reproduced."""
    return [{"name": name, "shows": shows, "source": source} for name, (_, shows, source) in FIGURES.items()]


def show_figures() -> None:
    """The list, on stdout."""
    from rich.table import Table

    console = Console()
    table = Table("figure", "shows", "source", box=None)
    for row in figure_rows():
        table.add_row(*row.values())
    console.width = max(console.width, 150) if not console.is_terminal else console.width
    console.print(table, highlight=False)


def run_reproduce(name: str | None, out: Path | None, *, full: bool, seed: int, force: bool, as_json: bool) -> dict:
    """``measureformer reproduce``: the summary. What a long figure has done is in ``parts`` until it is finished; the same command goes on.

    Raises:
        InputError: no figure or no directory is named; the figure is not known; the directory holds another run.
    """
    if name is None:
        raise InputError("no figure is named; measureformer reproduce --list shows them")
    figure_named(name)
    if out is None:
        raise InputError("--out is missing; name the directory for the figure, --out DIR")
    check_free(out, force=force)
    if force:
        discard_shelf(out / PARTS)
    start = time.perf_counter()
    with stages() as stage:
        page = reproduce(name, Settings(full, seed, stage, out / PARTS))
        stage("drawing")
        claim(out, force=force)
        for pattern in ("figures/*.png", "tables/*.csv"):
            for path in out.glob(pattern):
                path.unlink()
        from ..report import write_page

        files = [str(path.relative_to(out)) for path in write_page(out, page)]
        summary = {
            "figure": page.name,
            "title": page.title,
            "source": page.source,
            "statement": list(page.statement),
            "parameters": [dict(zip(("parameter", "authors", "here", "why"), row, strict=True)) for row in page.parameters],
            "defects": list(page.defects),
            "numbers": page.numbers,
            "full": full,
            "seed": seed,
            "files": files,
            "wall_s": time.perf_counter() - start,
            "versions": versions(),
        }
        write_whole(out / SIMULATION_FILE, (json.dumps(summary, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())
        discard_shelf(out / PARTS)
    if not as_json:
        _show(page, out, summary["wall_s"])
    return {**summary, "out": str(out)}


def _show(page: Page, out: Path, seconds: float) -> None:
    console = Console()
    lines = [f"{page.title} ({page.source})", *page.statement]
    lines += [f"Known defect of the published figure: {defect}" for defect in page.defects]
    for line in [*lines, f"Written: {out} ({seconds:.1f} s); report.html has the figures."]:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
