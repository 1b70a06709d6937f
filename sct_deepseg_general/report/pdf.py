"""The page as a PDF of one A4 sheet."""

from __future__ import annotations

from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING

import numpy as np

from sct_deepseg_general.csa.plot import PlotOptions, draw
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.report.content import LIMITS, Content, Picture

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["curve_figure", "picture_figure", "write_pdf"]

INK, GREY, CONTOUR = "#1b2a3a", "#7a8794", "#ff5a36"
_A4 = (8.27, 11.69)
_WIDTHS = {
    "Level": 0.08, "Area (mm²)": 0.18, "As in the norm (mm²)": 0.18, "Centile": 0.13,
    "Norm's median (mm²)": 0.17, "Change (%)": 0.17, "% a year": 0.09,
}  # fmt: skip
"""Widths of the table's columns, as shares of the sheet's."""
_MOST_ROWS = 14
_MOST_LINES, _LONGEST_LINE = 8, 150
_WORDS = 0.125
"""Where the sentences below the table begin, as a share of the sheet's height."""
_STATUS = {"ok": "#2e7d32", "warn": "#b26a00", "fail": "#b3261e"}


def write_pdf(path: Path, content: Content) -> None:
    """Write the page as a PDF file.

    Parameters
    ----------
    path
        The file; it appears complete or not at all.
    content
        What `content.content_of` gathered.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    sheet = Figure(figsize=_A4, facecolor="white")
    _head(sheet, content)
    _pictures(sheet, content, top=0.885, bottom=0.66)
    axes = sheet.add_axes((0.09, 0.44, 0.86, 0.17))
    _curve(axes, content)
    _table(sheet, content)
    _words(sheet, content)
    with write_whole(path) as temporary:
        sheet.savefig(temporary, format="pdf", metadata={"CreationDate": None})


def picture_figure(content: Content) -> Figure:
    """The pictures alone, side by side."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(8.0, 2.7), facecolor="white")
    _pictures(drawn, content, top=0.9, bottom=0.02)
    return drawn


def curve_figure(content: Content) -> Figure:
    """The area along the cord alone."""
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(8.0, 3.0), facecolor="white", layout="constrained")
    _curve(drawn.add_subplot(), content)
    return drawn


def _curve(axes: Axes, content: Content) -> None:
    done = content.done
    norms = done.norms
    options = PlotOptions(
        flagged=done.quality.flagged,
        covers=done.measured.covers,
        bands=norms.plotted() if norms else {},
        band_label=norms.whose if norms else "",
    )
    draw(axes, done.table, done.measured.levels, options)


def _head(sheet: Figure, content: Content) -> None:
    sheet.text(0.06, 0.957, "Spinal cord: area", size=16, color=INK, weight="bold")
    sheet.text(0.06, 0.935, content.title, size=10, color=INK)
    sheet.text(0.06, 0.915, f"Quality: {content.status}", size=10, color=_STATUS[content.status])
    for index, (name, value) in enumerate(content.facts):
        y = 0.962 - 0.0155 * index
        sheet.text(0.52, y, name, size=8, color=GREY)
        sheet.text(0.63, y, value, size=8, color=INK)


def _pictures(sheet: Figure, content: Content, top: float, bottom: float) -> None:
    if not content.pictures:
        sheet.text(0.06, (top + bottom) / 2, "No cord was found.", size=10, color=INK)
        return
    sagittal, *axial = content.pictures
    _show(sheet.add_axes((0.05, bottom, 0.28, top - bottom)), sagittal)
    half = (top - bottom) / 2
    for index, picture in enumerate(axial):
        x, y = 0.36 + 0.205 * (index % 3), top - half * (1 + index // 3)
        _show(sheet.add_axes((x, y, 0.19, half * 0.86)), picture)


def _show(axes: Axes, picture: Picture) -> None:
    low, high = np.percentile(picture.image, (1, 99.5))
    across, down = picture.size
    extent = (0.0, across, down, 0.0)
    axes.imshow(picture.image, cmap="gray", vmin=low, vmax=high, extent=extent, aspect="equal")
    if picture.mask.any() and not picture.mask.all():
        rows, columns = picture.mask.shape
        x, y = (np.arange(columns) + 0.5) * across / columns, (np.arange(rows) + 0.5) * down / rows
        axes.contour(x, y, picture.mask, levels=[0.5], colors=CONTOUR, linewidths=0.9)
    axes.set_title(picture.title, size=7, color=GREY, pad=2)
    axes.set_axis_off()


def _table(sheet: Figure, content: Content) -> None:
    if not content.rows:
        sheet.text(0.06, 0.37, "The vertebral levels are not known: no table.", size=9, color=INK)
        return
    axes = sheet.add_axes((0.06, 0.15, 0.88, 0.24))
    axes.set_axis_off()
    heads, cells = content.table
    shown = cells if len(cells) <= _MOST_ROWS else cells[: _MOST_ROWS - 1]
    table = axes.table(
        [list(row) for row in shown], colLabels=list(heads), loc="upper left",
        cellLoc="left", colLoc="left", colWidths=[_WIDTHS[head] for head in heads],
        edges="horizontal",
    )  # fmt: skip
    for cell in table.get_celld().values():
        cell.set_edgecolor("#e6e9ec")
    table.auto_set_font_size(False)
    table.set_fontsize(8)
    table.scale(1, 1.15)
    more = len(cells) - len(shown)
    text = f"{more} more levels are in the table of areas and in the sidecar." if more else ""
    sheet.text(0.06, _WORDS + 0.0125, f"{text} {content.explained}".strip(), size=6.5, color=GREY)


def _words(sheet: Figure, content: Content) -> None:
    texts = [content.norms, *(f"{content.status}: {reason}" for reason in content.reasons)]
    texts.extend(content.change)
    lines = [line for text in texts if text for line in wrap(text, _LONGEST_LINE)]
    if len(lines) > _MOST_LINES:
        lines = [*lines[: _MOST_LINES - 1], "More is in the sidecar (.json)."]
    for index, line in enumerate(lines):
        sheet.text(0.06, _WORDS - 0.0125 * index, line, size=7, color=INK)
    sheet.text(0.06, 0.02, LIMITS, size=6.5, color=GREY)
