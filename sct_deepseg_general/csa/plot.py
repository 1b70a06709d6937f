"""CSA along the cord as a picture: the area, its interval, the levels, and what is doubtful."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.files import write_whole
from sct_deepseg_general.levels.slices import covered_name
from sct_deepseg_general.morphometry.morphometrics import Morphometrics

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PlotOptions", "draw", "figure", "save_plot"]

INK, GREY, LIGHT = "#1b2a3a", "#7a8794", "#e6e9ec"
AREA, SOFT, DOUBT, NORM = "#1f6fb2", "#2a9d8f", "#d1495b", "#8a6d3b"

_NARROWEST = 0.025
"""Share of the plot that a level must take up for its name to be written."""

Floats = NDArray[np.float64]
Levels = NDArray[np.int64]


@dataclass(frozen=True)
class PlotOptions:
    """What is drawn around the curve.

    `title` above it; `in_mm` puts millimetres along the cord on the x axis instead of slice
    numbers; `flagged` are slices to mark as doubtful; `covers` are levels
    that hold more than one vertebra; `bands` holds, by vertebral level, the 5th
    centile, median and 95th centile of a norm (mm²), and `band_label` says whose it is;
    `size` is in inches and `dpi` per inch.
    """

    title: str = ""
    in_mm: bool = False
    flagged: tuple[int, ...] = ()
    covers: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    bands: Mapping[int, tuple[float, float, float]] = field(default_factory=dict)
    band_label: str = ""
    size: tuple[float, float] = (8.0, 3.6)
    dpi: int = 150


def save_plot(
    path: Path,
    morphometrics: Morphometrics,
    levels: Levels | None = None,
    options: PlotOptions | None = None,
) -> None:
    """Write the picture of the areas (mm²) along the cord as a PNG file. `levels` is the vertebral
    level of each slice (0: none).

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    options = options or PlotOptions()
    drawn = figure(morphometrics, levels, options)
    with write_whole(path) as temporary:
        drawn.savefig(temporary, format="png", dpi=options.dpi)


def figure(
    morphometrics: Morphometrics,
    levels: Levels | None = None,
    options: PlotOptions | None = None,
) -> Figure:
    """The picture as a matplotlib figure that belongs to no window.

    `levels` is the vertebral level of each slice (0: none). Inferior is on the left.
    """
    from matplotlib.figure import Figure

    options = options or PlotOptions()
    drawn = Figure(figsize=options.size, layout="constrained", facecolor="white")
    draw(drawn.add_subplot(), morphometrics, levels, options)
    return drawn


def draw(
    axes: Axes, morphometrics: Morphometrics, levels: Levels | None, options: PlotOptions
) -> None:
    """Draw the areas (mm²) along the cord in axes of a larger picture. `levels` is the vertebral
    level of each slice (0: none).
    """
    x = _positions(morphometrics, in_mm=options.in_mm)
    if morphometrics.slices.size:
        _curves(axes, x, morphometrics)
        _flags(axes, x, morphometrics, options.flagged)
        _limits(axes, x, morphometrics, options.bands)
        if levels is not None:
            _bands(axes, x, levels, options)
            _levels(axes, x, levels, morphometrics, options.covers)
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=8,
            borderaxespad=0.2, handlelength=1.6,
        )  # fmt: skip
    else:
        axes.text(0.5, 0.5, "no cord", transform=axes.transAxes, ha="center", color=GREY)
    _dress(axes, options)


def _positions(morphometrics: Morphometrics, *, in_mm: bool) -> Floats:
    """Where each slice is drawn: its number, or mm along the cord from the lowest slice of it."""
    numbers = np.arange(len(morphometrics.shapes), dtype=np.float64)
    if not in_mm or not morphometrics.slices.size:
        return numbers
    thickness = morphometrics.column("length")
    thickness[np.isnan(thickness)] = morphometrics.spacing[2]
    along = np.cumsum(thickness)
    return np.asarray(along - along[morphometrics.slices[0]])


def _curves(axes: Axes, x: Floats, table: Morphometrics) -> None:
    if table.area_lower is not None and table.area_upper is not None:
        axes.fill_between(
            x, table.area_lower, table.area_upper, color=AREA, alpha=0.18, lw=0, label="interval"
        )
    axes.plot(x, table.area, color=AREA, lw=1.8, marker="o", ms=_marker(table), label="CSA")
    if table.soft_area is not None:
        axes.plot(x, table.soft_area, color=SOFT, lw=1.2, ls="--", label="soft CSA")


def _marker(table: Morphometrics) -> float:
    return 3.5 if table.slices.size <= 40 else 0.0


def _flags(axes: Axes, x: Floats, table: Morphometrics, flagged: Sequence[int]) -> None:
    marked = np.array([z for z in flagged if 0 <= z < len(table.shapes)], dtype=np.int64)
    held = marked[~np.isnan(table.area[marked])] if marked.size else marked
    if held.size:
        axes.plot(
            x[held], table.area[held], ls="none", marker="o", ms=7, mfc="none", mec=DOUBT,
            mew=1.5, label="to check",
        )  # fmt: skip
    for z in sorted(set(marked.tolist()) - set(held.tolist())):
        axes.axvline(x[z], color=DOUBT, lw=1, alpha=0.6)


def _bands(axes: Axes, x: Floats, levels: Levels, options: PlotOptions) -> None:
    """The norm's range and median as a step over each level."""
    label = options.band_label or None
    for level, (low, median, high) in sorted(options.bands.items()):
        at = x[levels == level]
        if not at.size:
            continue
        ends = (float(at.min()) - 0.5 * _step(x), float(at.max()) + 0.5 * _step(x))
        axes.fill_between(ends, low, high, color=NORM, alpha=0.16, lw=0, label=label, zorder=0)
        axes.plot(ends, (median, median), color=NORM, lw=1.0, zorder=0)
        label = None


def _step(x: Floats) -> float:
    return float(np.median(np.diff(x))) if x.size > 1 else 1.0


def _limits(
    axes: Axes,
    x: Floats,
    table: Morphometrics,
    bands: Mapping[int, tuple[float, float, float]],
) -> None:
    held = table.slices
    step = _step(x)
    axes.set_xlim(x[held[0]] - step, x[held[-1]] + step)
    shown = [table.area, table.soft_area, table.area_lower, table.area_upper]
    values = np.concatenate([column for column in shown if column is not None])
    values = np.concatenate([values, *(np.array(band) for band in bands.values())])
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = max(high - low, 0.15 * high) * 0.15
    axes.set_ylim(max(0.0, low - room), high + 1.6 * room)


def _levels(
    axes: Axes,
    x: Floats,
    levels: Levels,
    table: Morphometrics,
    covers: Mapping[int, tuple[int, ...]],
) -> None:
    """A line between levels, and each level's name above its middle."""
    held = np.zeros(x.size, dtype=bool)
    held[table.slices[0] : table.slices[-1] + 1] = True
    changes = np.flatnonzero((np.diff(levels) != 0) & held[:-1] & held[1:])
    for z in changes:
        axes.axvline((x[z] + x[z + 1]) / 2, color=GREY, lw=0.7, ls=(0, (3, 3)), zorder=0)
    ends = axes.get_xlim()
    for level in np.unique(levels[held & (levels > 0)]):
        own = x[held & (levels == level)]
        if own.size * _step(x) < _NARROWEST * (ends[1] - ends[0]):
            continue
        axes.text(
            float(own.mean()), 0.985, covered_name(int(level), covers), ha="center", va="top",
            fontsize=8, color=GREY, transform=axes.get_xaxis_transform(),
        )  # fmt: skip


def _dress(axes: Axes, options: PlotOptions) -> None:
    axes.set_xlabel(
        "mm along the cord" if options.in_mm else "slice (inferior to superior)", color=INK
    )
    axes.set_ylabel("CSA (mm²)", color=INK)
    if options.title:
        axes.set_title(options.title, loc="right", fontsize=9, color=INK)
    axes.grid(axis="y", color=LIGHT, lw=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=GREY, labelsize=8, length=3)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(GREY)
