"""From the shape of every slice to the rows of a table: per slice, per level, or over a region."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.csa.selection import Selection, SliceGroup, number_list, selected
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.morphometry.slice_shape import SliceShape
from sct_deepseg_general.morphometry.slice_symmetry import SliceSymmetry

__all__ = [
    "TEXTS",
    "Profile",
    "Row",
    "Statistic",
    "Table",
    "Value",
    "aggregated",
    "per_slice",
    "profiles",
]

Floats = NDArray[np.float64]
Statistic = Literal["MEAN", "STD", "SUM"]
Value: TypeAlias = "float | str | None"
"""What a cell holds: a number, words in the columns `TEXTS`, None where there is nothing."""
TEXTS = frozenset({"INTERVAL_AGAINST_P5(area)"})


@dataclass(frozen=True, eq=False)
class Profile:
    """One measure along the cord: a value for each slice of the image, NaN where there is none."""

    name: str
    values: Floats
    statistics: tuple[Statistic, ...] = ("MEAN", "STD")
    mean: Callable[[NDArray[np.int64]], float | None] | None = None
    """The mean over several slices where it is not that of their values; it may be unknown."""


@dataclass(frozen=True)
class Row:
    """The slices and levels that a row covers, its distance from the PMJ in mm, and its values.

    `remarks` say how the row differs from what its name promises, such as a level that holds two
    vertebrae.
    """

    slices: tuple[int, ...]
    levels: tuple[int, ...]
    pmj_distance: float | None
    values: tuple[Value, ...]
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The row in words: its levels, its distance from the PMJ in mm, and its slices."""
        levels = f"level {number_list(self.levels)}, " if self.levels else ""
        distance = "" if self.pmj_distance is None else f"{self.pmj_distance:g} mm from the PMJ, "
        return f"{levels}{distance}slices {number_list(self.slices)}"


@dataclass(frozen=True)
class Table:
    """Named columns and rows of values, None where there is nothing to measure."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    spelled: bool = False
    """Whether a file of it has ranges of slices and levels as "4 to 17", which no spreadsheet takes
    for a time, in place of SCT's "4:17"."""

    def column(self, name: str) -> Floats:
        """A column's values, NaN where there is none."""
        index = self.columns.index(name)
        values = [row.values[index] for row in self.rows]
        return np.array([np.nan if value is None else float(value) for value in values])

    def with_column(self, name: str, values: Sequence[Value]) -> Table:
        """The same table with one more column at the end: a value for each row, in the column's own
        unit.
        """
        rows = tuple(
            replace(row, values=(*row.values, value))
            for row, value in zip(self.rows, values, strict=True)
        )
        return replace(self, columns=(*self.columns, name), rows=rows)


def profiles(morphometrics: Morphometrics, *, lengths: bool = True) -> tuple[Profile, ...]:
    """The table's measures in the order of SCT's columns, and ours after them; the column of the
    lengths is empty where they do not carry over, as on a template.
    """
    measures = [
        Profile(_sct_name(field.name), morphometrics.column(field.name))
        for field in fields(SliceShape)
        if field.name != "length"
    ]
    measures.extend(_anatomical(morphometrics))
    length = morphometrics.column("length")
    length = length if lengths else np.full(length.shape, np.nan)
    measures.append(Profile("length", length, ("SUM",)))
    if morphometrics.soft_area is not None:
        measures.append(Profile("area_soft", morphometrics.soft_area))
    if morphometrics.area_lower is not None and morphometrics.area_upper is not None:
        for end, values in enumerate((morphometrics.area_lower, morphometrics.area_upper)):
            name = ("area_lower", "area_upper")[end]
            measures.append(Profile(name, values, ("MEAN",), partial(_end, morphometrics, end)))
    return tuple(measures)


def per_slice(morphometrics: Morphometrics) -> Table:
    """A row for each slice of the image, as SCT's `-perslice 1`."""
    return aggregated(profiles(morphometrics), Selection(per_slice=True))


def aggregated(
    measures: Sequence[Profile],
    selection: Selection,
    levels: NDArray[np.int64] | None = None,
    distances: Floats | None = None,
    covers: Mapping[int, Sequence[int]] | None = None,
    template: bool = False,
) -> Table:
    """The rows that `selection` asks for, ascending by slice.

    Parameters
    ----------
    measures : sequence of Profile
        The columns; the first is the area in mm², NaN where there is no cord.
    selection : Selection
        The slices and levels of the rows.
    levels : ndarray of int, shape (slices,), optional
        The vertebral level of each slice, 0 where there is none.
    distances : ndarray of float, shape (slices,), optional
        The distance in mm of each slice from the pontomedullary junction, NaN where unknown.
    covers : mapping of int to sequence of int, optional
        Levels that cover more than one vertebra.
    template : bool
        Whether the slices are those of the PAM50 template.

    Returns
    -------
    Table
        Means and standard deviations (of the population) over the slices that hold cord.

    Raises
    ------
    ImageError
        What was asked for is not there; see `selection.selected`.

    Examples
    --------
    >>> from sct_deepseg_general.csa.aggregate import aggregated, profiles
    >>> from sct_deepseg_general.csa.selection import Selection
    >>> from sct_deepseg_general.image.nifti import load_map
    >>> from sct_deepseg_general.morphometry.morphometrics import measure
    >>> table = measure(load_map("t2_seg.nii.gz"))
    >>> rows = aggregated(profiles(table), Selection(slices=(20, 21))).rows
    >>> len(rows), rows[0].slices
    (1, (20, 21))
    """
    measurable = np.isfinite(measures[0].values)
    groups = selected(selection, measurable, levels, covers, template)
    rows = (_row(measures, group, selection, distances) for group in groups)
    return Table(
        tuple(f"{s}({measure.name})" for measure in measures for s in measure.statistics),
        tuple(rows),
    )


def _anatomical(morphometrics: Morphometrics) -> list[Profile]:
    if morphometrics.symmetry is None:
        return []
    return [
        Profile(
            _sct_name(field.name),
            np.array(
                [
                    getattr(slice_, field.name) if slice_ else np.nan
                    for slice_ in morphometrics.symmetry
                ]
            ),
        )
        for field in fields(SliceSymmetry)
    ]


def _end(table: Morphometrics, end: int, slices: NDArray[np.int64]) -> float | None:
    """The lower (0) or upper (1) end of the interval of the mean area over some slices."""
    interval = table.mean_interval(slices)
    return None if interval is None else interval[end]


def _sct_name(name: str) -> str:
    if name.endswith(("_ap", "_rl")):
        return name[:-2] + name[-2:].upper()
    return "diameter_AP_ellipse" if name == "diameter_ap_ellipse" else name


def _row(
    measures: Sequence[Profile], group: SliceGroup, selection: Selection, distances: Floats | None
) -> Row:
    where = np.array(group.slices)
    values = tuple(value for measure in measures for value in _statistics(measure, where))
    distance = _distance(where, selection, distances)
    return Row(group.slices, group.levels, distance, values, group.remarks)


def _distance(
    where: NDArray[np.int64], selection: Selection, distances: Floats | None
) -> float | None:
    if selection.pmj_distance is not None and not selection.each_slice:
        return selection.pmj_distance
    if distances is None:
        return None
    known = distances[where][np.isfinite(distances[where])]
    return round(float(known[0]), 2) if known.size else None


def _statistics(measure: Profile, where: NDArray[np.int64]) -> list[float | None]:
    values = measure.values[where]
    if values.size == 1 and math.isfinite(values[0]):  # most tables are per slice
        return [0.0 if s == "STD" else float(values[0]) for s in measure.statistics]
    values = values[np.isfinite(values)]
    if not values.size:
        return [None] * len(measure.statistics)
    mean = values.mean() if measure.mean is None else measure.mean(where)
    results = {"MEAN": mean, "STD": values.std(), "SUM": values.sum()}
    found = (results[statistic] for statistic in measure.statistics)
    return [None if value is None else float(value) for value in found]
