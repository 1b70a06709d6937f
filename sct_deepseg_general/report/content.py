"""What the page of one person shows, gathered from the results of a job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general import __version__
from sct_deepseg_general.change.measure import ALL
from sct_deepseg_general.change.output import ALL_WORDS, Visits
from sct_deepseg_general.change.output import rows as change_rows
from sct_deepseg_general.csa.c2c3 import c2c3_of
from sct_deepseg_general.image.las import AXES
from sct_deepseg_general.job.levels import c2c3_words
from sct_deepseg_general.job.values import Done
from sct_deepseg_general.levels.slices import HIGHEST_LEVEL, covered_name, level_name
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.norms.assess import Assessment
from sct_deepseg_general.norms.centile import Place

__all__ = ["COLUMNS", "LIMITS", "Content", "Picture", "TableRow", "change_lines", "content_of"]

LIMITS = (
    "For research. The areas depend on the model and on where it draws the edge of the cord; a "
    "centile or a change is not a diagnosis."
)
COLUMNS = (
    "Level",
    "Area (mm²)",
    "As in the norm (mm²)",
    "Centile",
    "Norm's median (mm²)",
    "Change (%)",
    "% a year",
)
"""Heads of the table; a column without any text is left out."""
EXPLAINED = {
    "Area (mm²)": "In brackets: 90 % intervals.",
    "As in the norm (mm²)": "As in the norm: the area times the model's ratio to the norm's areas.",
    "Change (%)": "Change: in per cent of the mean of both areas.",
}
"""What is to be known of a column, below the table where the column is there."""
_HALF = 18.0
"""Half the width (mm) of the axial pictures."""
_SAGITTAL = 35.0
"""What the sagittal picture shows in front of and behind the cord, mm."""
_MOST_AXIAL = 6
_C2C3 = "C2-C3"


@dataclass(frozen=True, eq=False)
class Picture:
    """A part of the image with the mask's, rows from the top down; `size` in mm (across, down)."""

    title: str
    image: NDArray[np.float32]
    mask: NDArray[np.bool_]
    size: tuple[float, float]


@dataclass(frozen=True)
class TableRow:
    """One line of the table, as text: level, area, area as in the norm, centile, median of the norm
    (each with its interval), and the change since an earlier image, in all and per year.
    """

    level: str
    area: str
    as_norm: str = ""
    centile: str = ""
    median: str = ""
    change: str = ""
    yearly: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The texts in the order of `COLUMNS`."""
        texts = (self.level, self.area, self.as_norm, self.centile, self.median)
        return (*texts, self.change, self.yearly)


@dataclass(frozen=True, eq=False)
class Content:
    """All that the page shows."""

    title: str
    status: str
    reasons: tuple[str, ...]
    pictures: tuple[Picture, ...]
    rows: tuple[TableRow, ...]
    norms: str
    """Whose norm it is, or why there is none; "" where none was asked for."""
    change: tuple[str, ...]
    """Sentences about the change since an earlier image, whose numbers are in the rows."""
    facts: tuple[tuple[str, str], ...]
    done: Done

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
        """The heads of the columns that hold something, and the cells of each row."""
        held = [n for n in range(len(COLUMNS)) if any(row.cells[n] for row in self.rows)]
        heads = tuple(COLUMNS[n] for n in held)
        return heads, [tuple(row.cells[n] for n in held) for row in self.rows]

    @property
    def explained(self) -> str:
        """What is to be known of the columns of the table, in a line; "" without a table."""
        return " ".join(EXPLAINED[head] for head in self.table[0] if head in EXPLAINED)


def content_of(done: Done, model: str, earlier: Visits | None = None) -> Content:
    """The page's content.

    Parameters
    ----------
    done
        The results of a job.
    model
        The model's key.
    earlier
        The comparison with an earlier image, where there is one.

    Returns
    -------
    Content
        What the page shows, as text, numbers and pictures.
    """
    spacing = " x ".join(f"{mm:.2g}" for mm in done.result.image.grid.spacing)
    return Content(
        title=done.job.image.name,
        status=done.quality.status,
        reasons=done.quality.reasons,
        pictures=_pictures(done),
        rows=_rows(done) if earlier is None else _with_change(_rows(done), earlier),
        norms=_whose(done.norms),
        change=() if earlier is None else tuple(change_lines(earlier)),
        facts=(
            *_c2c3_fact(done),
            ("Mean area", _mean_area(done)),
            *_average_fact(done),
            ("Voxel size", f"{spacing} mm"),
            ("Model", model),
            ("Version", __version__),
        ),
        done=done,
    )


def _c2c3_fact(done: Done) -> tuple[tuple[str, str], ...]:
    words = c2c3_words(done.c2c3)
    return ((f"{_C2C3} area", words),) if words else ()


def _average_fact(done: Done) -> tuple[tuple[str, str], ...]:
    """That the areas are those of the average person, where they are."""
    shift = done.table.shift
    return (("All areas", f"as in the average person ({shift:+.1f} mm²)"),) if shift else ()


def _mean_area(done: Done) -> str:
    if done.interval is None:
        return "no cord found"
    low, high = done.interval
    where = f"of {done.region_name}" if done.region_name else "over all slices"
    return f"{done.mean_area:.1f} mm² ({low:.1f} to {high:.1f}) {where}"


def _whose(norms: Assessment | None) -> str:
    if norms is None:
        return ""
    if norms.reason:
        return f"No centile: {norms.reason}."
    who = norms.request.subject
    people = f"{'women' if who.sex == 'F' else 'men'} of {who.age:g} years"
    if norms.request.private:
        people = "people of that age and sex"
    source = f"{norms.request.family}; {norms.request.norms.source.name}"
    return f"Centiles among {people} ({source}). {norms.against_fifth}".rstrip()


def _rows(done: Done) -> tuple[TableRow, ...]:
    """C2-C3 and each level from the top down: its area, and its place where norms were asked for.

    The norms take only a part of a C2 that reaches to the top of the image: the row has the area of
    that part then, which is what the centile is of.
    """
    plain = {row.level: row for row in _plain_rows(done)}
    for one in done.norms.places if done.norms is not None else ():
        if one.measure == "area":
            row = plain.get(one.level, TableRow(one.level, ""))
            if not row.area.startswith(f"{one.measured:.1f} "):
                row = replace(row, area=f"{one.measured:.1f}")
            plain[one.level] = _placed(row, one.place, one.reason)
    return _in_order(plain)


def _in_order(rows: Mapping[str, TableRow]) -> tuple[TableRow, ...]:
    """C2-C3 first, then the levels, of which one may hold several vertebrae, from the top down."""
    order = ["", *(level_name(n) for n in range(1, HIGHEST_LEVEL + 1))]

    def place(name: str) -> int:
        first = "" if name == _C2C3 else name.partition("-")[0]
        return order.index(first) if first in order else len(order)

    return tuple(rows[name] for name in sorted(rows, key=place))


def _placed(row: TableRow, place: Place | None, reason: str) -> TableRow:
    if place is None:
        return replace(row, centile=reason)
    return replace(
        row,
        as_norm=f"{place.value:.1f} ({place.lower:.1f} to {place.upper:.1f})",
        centile=f"{place.centile:.0f} ({place.centile_lower:.0f} to {place.centile_upper:.0f})",
        median=f"{place.median:.1f}",
    )


def _plain_rows(done: Done) -> tuple[TableRow, ...]:
    """C2-C3 and each level: the area with its interval in mm²."""
    levels, table = done.measured.levels, done.table
    if levels is None:
        return ()
    held = np.where(np.isfinite(table.area), levels, 0)
    parts = {
        covered_name(number, done.measured.covers): np.flatnonzero(held == number)
        for number in np.unique(held[held > 0]).tolist()
    }
    rows = [TableRow(name, _area(table, part)) for name, part in parts.items()]
    both = done.c2c3 or c2c3_of(done.measured)
    if both.area is None:
        return tuple(rows)
    return (TableRow(_C2C3, c2c3_words(both, unit="")), *rows)


def _area(table: Morphometrics, slices: NDArray[np.int64]) -> str:
    """The mean area of the slices with its interval, in mm²."""
    ends = table.mean_interval(slices)
    interval = "" if ends is None else f" ({ends[0]:.1f} to {ends[1]:.1f})"
    return f"{table.area[slices].mean():.1f}{interval}"


def _with_change(rows: tuple[TableRow, ...], earlier: Visits) -> tuple[TableRow, ...]:
    """The rows with the change of each level, and those levels that only the change knows."""
    found = {row.level: row for row in rows}
    for one in change_rows(earlier):
        if one["level"] != ALL:
            own = found.get(one["level"], TableRow(one["level"], ""))
            found[one["level"]] = replace(own, change=_change_text(one), yearly=_yearly(one))
    return _in_order(found)


def _change_text(row: Mapping[str, Any]) -> str:
    text = f"{row['change_percent']:+.1f}"
    if row["lower_percent"] is not None:
        text += f" ({row['lower_percent']:+.1f} to {row['upper_percent']:+.1f})"
    return text


def _yearly(row: Mapping[str, Any]) -> str:
    return "" if row["percent_per_year"] is None else f"{row['percent_per_year']:+.1f}"


def change_lines(earlier: Visits) -> list[str]:
    """The change since an earlier image over all that both images show, where it exceeds the repeat
    error, and what is not known of it, as sentences.
    """
    found = change_rows(earlier)
    shared = next(row for row in found if row["level"] == ALL)
    name, text = earlier.baseline.name, f"{_change_text(shared)} %"
    if shared["percent_per_year"] is not None:
        text += f", {_yearly(shared)} % a year"
    lines = [f"Change since {name}, over {ALL_WORDS}: {text}."]
    if earlier.repeat is None:
        lines.append("The repeat error of this model was not measured: no interval of the change.")
    else:
        beyond = [row["level"] for row in found if row["exceeds_repeat_error"]]
        levels = ", ".join(name for name in beyond if name != ALL)
        places = [f"at {levels}"] if levels else []
        places += ["over all that both images show"] if ALL in beyond else []
        where = " and ".join(places) or "nowhere"
        lines.append(f"The change exceeds the repeat error {where}.")
    if earlier.years is None:
        lines.append("The dates are not known, or are the same: no change per year.")
    return lines


def _pictures(done: Done) -> tuple[Picture, ...]:
    """A sagittal picture through the cord, and axial ones from the top down."""
    image = done.result.image.reoriented(AXES)
    mask = done.result.segmentation.reoriented(AXES).data > 0
    if not mask.any():
        return ()
    data = np.asarray(image.data, np.float32)
    x = int(np.median(np.nonzero(mask)[0]))
    dx, dy, dz = image.grid.spacing
    y = np.flatnonzero(mask.any(axis=(0, 2)))
    near = slice(max(0, int(y[0] - _SAGITTAL / dy)), int(y[-1] + _SAGITTAL / dy) + 1)
    plane = data[x, near]
    sagittal = Picture(
        "sagittal",
        plane.T[::-1, ::-1],
        mask[:, near].any(axis=0).T[::-1, ::-1],
        (dy * plane.shape[0], dz * plane.shape[1]),
    )
    held = np.flatnonzero(mask.any(axis=(0, 1)))
    chosen = held[np.linspace(0, held.size - 1, min(_MOST_AXIAL, held.size) + 2).astype(int)[1:-1]]
    axial = [_axial(data, mask, int(z), (dx, dy), _label(done, int(z))) for z in chosen[::-1]]
    return (sagittal, *axial)


def _label(done: Done, z: int) -> str:
    levels = done.measured.levels
    level = f"slice {z}"
    if levels is not None and levels[z]:
        level = covered_name(int(levels[z]), done.measured.covers)
    return f"{level}, {done.table.area[z]:.0f} mm²"


def _axial(
    data: NDArray[np.float32],
    mask: NDArray[np.bool_],
    z: int,
    spacing: tuple[float, float],
    title: str,
) -> Picture:
    """A square around the cord of one slice; left of the person is on the right."""
    centre = [int(np.mean(index)) for index in np.nonzero(mask[:, :, z])]
    parts = []
    for middle, mm, length in zip(centre, spacing, data.shape[:2], strict=True):
        reach = max(4, int(_HALF / mm))
        parts.append(slice(max(0, middle - reach), min(length, middle + reach + 1)))
    part = (parts[0], parts[1], z)
    size = (
        (parts[0].stop - parts[0].start) * spacing[0],
        (parts[1].stop - parts[1].start) * spacing[1],
    )
    return Picture(title, data[part].T[::-1, :], mask[part].T[::-1, :], size)
