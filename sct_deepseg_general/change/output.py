"""The change as rows of a table and as a JSON record, and its picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sct_deepseg_general import __version__, files
from sct_deepseg_general.change.measure import (
    Change,
    Comparison,
    Progress,
    Scan,
    Slices,
    compared,
)
from sct_deepseg_general.change.repeat import LEVEL, Repeatability, per_year
from sct_deepseg_general.files import write_whole
from sct_deepseg_general.inference.predictor import Predictor
from sct_deepseg_general.levels.slices import level_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = [
    "ALL_WORDS",
    "COLUMNS",
    "Visits",
    "as_record",
    "compared_visits",
    "rows",
    "save_plot",
    "write_csv",
    "write_json",
]

COLUMNS = (
    "baseline", "followup", "level", "length_mm", "baseline_mm2", "followup_mm2", "change_mm2",
    "change_percent", "lower_percent", "upper_percent", "exceeds_repeat_error",
    "boundary_shift_percent", "percent_per_year",
)  # fmt: skip
ALL_WORDS = "all of the cord that both images show"
"""What the row `measure.ALL` is of."""
COLOUR, GREY, LIGHT = "#1f6fb2", "#7a8794", "#e6e9ec"
_NARROWEST = 0.025
"""Share of the plot that a level must take up for its name to be written."""


@dataclass(frozen=True, eq=False)
class Visits:
    """One comparison: whose images, how far apart in time, and what was found."""

    baseline: Path
    followup: Path
    years: float | None
    """Years from baseline to follow-up; None where the dates are not known."""
    comparison: Comparison
    repeat: Repeatability | None
    """The model's repeat error; None where it was not measured: no interval then."""
    model: str


def compared_visits(
    first: tuple[Path, Scan],
    second: tuple[Path, Scan],
    years: float | None,
    predictor: Predictor,
    progress: Progress | None = None,
) -> Visits:
    """Compare a baseline with a follow-up, each with the name it has in tables, `years` apart.

    `progress` is called with (steps done, steps in all).

    Raises
    ------
    ImageError
        As `measure.compared`.
    """
    comparison = compared(first[1], second[1], predictor, progress)
    repeat = Repeatability.from_record(predictor.model.change)
    return Visits(first[0], second[0], years, comparison, repeat, predictor.model.key)


def rows(visits: Visits) -> list[dict[str, Any]]:
    """A row for C2-C3, for each level, and for all that both images share."""
    return [_row(visits, change) for change in visits.comparison.changes]


def write_csv(path: Path, comparisons: Sequence[Visits]) -> None:
    """The rows of comparisons as a CSV file, written whole.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    stream = io.StringIO(newline="")
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    for one in comparisons:
        writer.writerows(rows(one))
    with write_whole(path) as temporary:
        temporary.write_text(stream.getvalue(), encoding="utf-8")


def as_record(visits: Visits) -> dict[str, Any]:
    """One comparison for a JSON file."""
    return {
        "Baseline": visits.baseline.name,
        "FollowUp": visits.followup.name,
        "Years": None if visits.years is None else round(visits.years, 3),
        "Correlation": round(visits.comparison.likeness, 4),
        "Model": visits.model,
        "Version": __version__,
        "IntervalLevel": LEVEL if visits.repeat else None,
        "RepeatPairs": visits.repeat.pairs if visits.repeat else None,
        "Levels": [
            {key: value for key, value in row.items() if key not in {"baseline", "followup"}}
            for row in rows(visits)
        ],
    }


def write_json(path: Path, comparisons: Sequence[Visits]) -> None:
    """Comparisons as a JSON file, written whole.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    files.write_json(path, [as_record(one) for one in comparisons])


def save_plot(path: Path, visits: Visits) -> None:
    """Both areas along the shared cord, and their difference, as a PNG file.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    from matplotlib.figure import Figure

    slices = visits.comparison.slices
    drawn = Figure(figsize=(8.0, 4.6), layout="constrained", facecolor="white")
    above, below = drawn.subplots(2, 1, sharex=True, height_ratios=(2, 1))
    above.plot(slices.position, slices.first, color=GREY, lw=1.6, label=visits.baseline.name)
    above.plot(slices.position, slices.second, color=COLOUR, lw=1.6, label=visits.followup.name)
    above.set_ylabel("area (mm²)")
    above.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False, fontsize=8,
        borderaxespad=0.2,
    )  # fmt: skip
    below.axhline(0, color=GREY, lw=0.8)
    mean = (slices.first + slices.second) / 2
    below.plot(slices.position, 100 * (slices.second - slices.first) / mean, color=COLOUR, lw=1.6)
    below.set_ylabel("change (%)")
    below.set_xlabel("mm along the cord, half-way between the images (inferior to superior)")
    for axes in (above, below):
        axes.grid(axis="y", color=LIGHT, lw=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    _draw_levels(above, below, slices)
    with write_whole(path) as temporary:
        drawn.savefig(temporary, format="png", dpi=130)


def _draw_levels(above: Axes, below: Axes, slices: Slices) -> None:
    """A line between levels, and the name of each above the curves."""
    position, level = slices.position, slices.level
    low, high = above.get_ylim()
    above.set_ylim(low, high + 0.08 * (high - low))
    for at in np.flatnonzero(np.diff(level)):
        for axes in (above, below):
            middle = (position[at] + position[at + 1]) / 2
            axes.axvline(middle, color=GREY, lw=0.7, ls=(0, (3, 3)), zorder=0)
    for number in np.unique(level[level > 0]).tolist():
        own = position[level == number]
        if np.ptp(own) >= _NARROWEST * np.ptp(position):
            above.text(
                float(own.mean()), 0.985, level_name(number), ha="center", va="top", fontsize=8,
                color=GREY, transform=above.get_xaxis_transform(),
            )  # fmt: skip


def _row(visits: Visits, change: Change) -> dict[str, Any]:
    repeat, percent = visits.repeat, change.percent
    lower, upper = repeat.interval(percent, change.length) if repeat else (None, None)
    boundary = change.boundary_percent
    return {
        "baseline": visits.baseline.name,
        "followup": visits.followup.name,
        "level": change.name,
        "length_mm": round(change.length, 1),
        "baseline_mm2": round(change.first, 3),
        "followup_mm2": round(change.second, 3),
        "change_mm2": round(change.difference, 3),
        "change_percent": round(percent, 3),
        "lower_percent": None if lower is None else round(lower, 3),
        "upper_percent": None if upper is None else round(upper, 3),
        "exceeds_repeat_error": repeat.exceeded(percent, change.length) if repeat else None,
        "boundary_shift_percent": None if boundary is None else round(boundary, 3),
        "percent_per_year": (
            None if visits.years is None else round(per_year(percent, visits.years), 3)
        ),
    }
