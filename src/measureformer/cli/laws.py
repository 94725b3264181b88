"""What ``measureformer laws`` prints."""

import dataclasses

from rich.console import Console
from rich.table import Table

from ..fields import LAWS


def law_rows() -> list[dict]:
    """A row for each law: what it says about itself, and the parameters that a configuration may give."""
    return [{**dataclasses.asdict(law.about), "parameters": [f.name for f in dataclasses.fields(law)]} for law in LAWS.values()]


def show_laws() -> None:
    """The table, on stdout."""
    console = Console()
    table = Table("law", "A[μ](x)", "gradient structure", "keeps Gaussians", "mean-field limit", "source", show_lines=True)
    for row in law_rows():
        cells = (row["name"], row["formula"], row["gradient"], row["gaussian"], row["mean_field"], row["source"])
        table.add_row(*(cell.replace("[", "\\[") for cell in cells))
    # in a pipe the table is as wide as it has to be
    console.width = max(console.width, 150) if not console.is_terminal else console.width
    console.print(table, highlight=False)
