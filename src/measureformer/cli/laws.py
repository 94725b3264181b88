"""What ``measureformer laws`` prints."""

import dataclasses

from rich.console import Console
from rich.table import Table

from ..errors import InputError
from ..fields import LAWS
from ..fields.laws import nearest


def law_rows(name: str | None = None) -> list[dict]:
    """A row for each law, or for one: what it says about itself, and the parameters that a configuration may give.

    Raises:
        InputError: there is no such law.
    """
    if name is not None and name not in LAWS:
        raise InputError(f"there is no law {name!r}; {nearest(name, LAWS)}")
    shown = LAWS.values() if name is None else [LAWS[name]]
    return [{**dataclasses.asdict(law.about), "parameters": [f.name for f in dataclasses.fields(law)]} for law in shown]


def show_law(row: dict) -> None:
    """A row, a line for each column."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for key, value in row.items():
        table.add_row(key, (", ".join(value) if isinstance(value, list) else str(value)).replace("[", "\\["))
    Console().print(table, highlight=False)


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
