"""A reproduced figure on paper: its panels drawn, its tables written, its page put together."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np

from .._files import write_whole
from ..experiments.literature import Page, Panel, Picture, Series, Table
from .figures import figure_of
from .globe import draw_circle
from .parts import figure, number, table, text
from .pixels import pixels, save, small_png
from .theme import DARK, LIGHT, Theme, drawing, readable
from .write import page_of

_STYLES = {"line": ("-", 1.7), "thin": ("-", 0.6), "dashed": ("--", 1.7), "dotted": (":", 1.7)}
_CELL = (3.9, 3.5)  # inches of a panel


def write_page(directory: Path, page: Page) -> list[Path]:
    """Write ``report.html``, ``figures/*.png`` and ``tables/*.csv`` of a reproduced figure.

    Args:
        directory: created if need be.
        page: what was reproduced.

    Returns:
        The paths.
    """
    paths, pictures = [], []
    for folder in ("figures", "tables"):
        (directory / folder).mkdir(parents=True, exist_ok=True)
    with drawing():
        for picture in page.pictures:
            light, dark = pixels(draw_picture(picture, LIGHT)), pixels(draw_picture(picture, DARK))
            paths.append(directory / "figures" / f"{picture.name}.png")
            save(paths[-1], light)
            pictures.append(figure(small_png(light), small_png(dark), picture.caption, text(picture.caption), light.size))
    for sheet in page.tables:
        paths.append(directory / "tables" / f"{sheet.name}.csv")
        write_whole(paths[-1], _csv(sheet).encode())
    paths.append(directory / "report.html")
    write_whole(paths[-1], page_of(page.title, _body(page, pictures)).encode())
    return paths


def draw_picture(picture: Picture, theme: Theme) -> Any:
    """The panels of a picture as one matplotlib figure."""
    columns = min(picture.columns, len(picture.panels))
    rows = -(-len(picture.panels) // columns)
    drawn = figure_of((columns * _CELL[0] + 0.3, rows * _CELL[1] + 0.1), theme)
    for place, panel in enumerate(picture.panels):
        row, column = divmod(place, columns)
        ax = drawn.add_subplot(rows, columns, row * columns + column + 1)
        _draw_panel(drawn, ax, panel, theme)
    drawn.set_layout_engine("tight", pad=0.8, w_pad=1.2, h_pad=1.2)
    return drawn


def _draw_panel(drawn: Any, ax: Any, panel: Panel, theme: Theme) -> None:
    ax.set_facecolor(theme.paper)
    ax.set_title(panel.title, color=theme.ink, fontsize=11.5)
    if panel.kind == "circle":
        draw_circle(ax, theme)
    else:
        ax.set_xlabel(panel.xlabel, color=theme.faint_ink)
        ax.set_ylabel(panel.ylabel, color=theme.faint_ink)
        ax.tick_params(colors=theme.faint_ink, labelsize=9, which="both")
        ax.spines[:].set_visible(False)
    if panel.image is not None:
        x, y = _edges(panel.image.x), _edges(panel.image.y)
        mesh = ax.pcolormesh(x, y, panel.image.z, cmap="viridis", vmin=panel.image.low, vmax=panel.image.high, rasterized=True)
        bar = drawn.colorbar(mesh, ax=ax, fraction=0.05, pad=0.03)
        bar.ax.tick_params(colors=theme.faint_ink, labelsize=8)
        bar.outline.set_visible(False)
        bar.set_label(panel.image.label, color=theme.faint_ink, fontsize=9)
    elif panel.kind != "circle":
        ax.grid(color=theme.grid, linewidth=0.5, alpha=0.7)
    for series in panel.series:
        _draw_series(ax, series, theme)
    if panel.kind != "circle" and not panel.log_x:
        ax.locator_params(axis="x", nbins=6)
    if panel.log_x:
        ax.set_xscale("log")
        _powers(ax.xaxis)
    if panel.log_y:
        ax.set_yscale("log")
        _powers(ax.yaxis)
    if panel.kind == "plane":
        ax.set_aspect("equal", adjustable="datalim")
    if panel.xlim:
        ax.set_xlim(*panel.xlim)
    if panel.ylim:
        ax.set_ylim(*panel.ylim)
    if any(series.label for series in panel.series):
        legend = ax.legend(frameon=True, labelcolor=theme.ink, fontsize=8, loc="best")
        legend.get_frame().set(facecolor=theme.paper, edgecolor="none", alpha=0.85)


def _draw_series(ax: Any, series: Series, theme: Theme) -> None:
    color = theme.ink if series.color < 0 else theme.color(series.color)
    x, y = np.asarray(series.x, float), np.asarray(series.y, float)
    label = series.label or None
    if series.look == "dots":
        ax.plot(
            x, y, "o", color=color, markersize=4.5 if x.size < 300 else 2, markeredgecolor=theme.paper, markeredgewidth=0.3, label=label
        )
    elif series.look == "band":
        ax.fill_between(x, y, np.asarray(series.top, float), color=color, alpha=0.22, linewidth=0, label=label)
    else:
        style, width = _STYLES[series.look]
        ax.plot(x, y, style, color=color, linewidth=width, label=label)


def _powers(axis: Any) -> None:
    """Labels of a logarithmic axis as plain text, at most seven of them."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(10, numticks=7))
    axis.set_major_formatter(FuncFormatter(lambda value, _: readable(float(value))))
    axis.set_minor_formatter(NullFormatter())


def _edges(centers: Any) -> np.ndarray:
    """The borders of cells whose centres are given."""
    c = np.asarray(centers, float)
    if c.size == 1:
        return np.array([c[0] - 0.5, c[0] + 0.5])
    inner = (c[1:] + c[:-1]) / 2
    return np.concatenate([[2 * c[0] - inner[0]], inner, [2 * c[-1] - inner[-1]]])


def _csv(sheet: Table) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(sheet.columns)
    writer.writerows(sheet.rows)
    return buffer.getvalue()


def _body(page: Page, pictures: list[str]) -> str:
    said = "".join(f"<p>{text(paragraph)}</p>" for paragraph in page.statement)
    parts = [f"<header><p class='kind'>{text(page.source)}</p><h1>{text(page.title)}</h1>{said}</header>", *pictures]
    for sheet in page.tables:
        if sheet.shown:
            rows = [("", [_cell(value) for value in row]) for row in sheet.rows]
            parts.append(f"<section><h2>{text(sheet.caption)}</h2>{table([text(c) for c in sheet.columns], rows)}</section>")
    if page.parameters:
        rows = [("", [text(cell) for cell in row]) for row in page.parameters]
        parts.append(f"<section><h2>Parameters</h2>{table(['parameter', 'authors', 'here', 'why'], rows, words=4)}</section>")
    if page.defects:
        listed = "".join(f"<li>{text(defect)}</li>" for defect in page.defects)
        parts.append(f"<section><h2>Known defects of the published figure and its script</h2><ul>{listed}</ul></section>")
    files = ", ".join(f"tables/{sheet.name}.csv" for sheet in page.tables)
    return "\n".join([*parts, f"<footer><p>Numbers: {text(files or 'summary.json')}. Made with measureformer.</p></footer>"])


def _cell(value: Any) -> str:
    return number(float(value), 4) if isinstance(value, float | np.floating) else number(value)
