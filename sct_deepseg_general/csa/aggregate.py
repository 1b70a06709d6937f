"""From the shape of every slice to the rows of a table: per slice, per level, or over a region."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.errors import ImageError
from sct_deepseg_general.morphometry.morphometrics import Morphometrics
from sct_deepseg_general.morphometry.slice_shape import SliceShape
from sct_deepseg_general.morphometry.slice_symmetry import SliceSymmetry

__all__ = [
    "Profile",
    "Row",
    "Selection",
    "Statistic",
    "Table",
    "aggregated",
    "per_slice",
    "profiles",
]

Floats = NDArray[np.float64]
Statistic = Literal["MEAN", "STD", "SUM"]


@dataclass(frozen=True, eq=False)
class Profile:
    """One measure along the cord: a value for each slice of the image, NaN where there is none."""

    name: str
    values: Floats
    statistics: tuple[Statistic, ...] = ("MEAN", "STD")


@dataclass(frozen=True)
class Selection:
    """What a row of the table stands for.

    `slices` and `levels` keep to those slices and vertebral levels (empty: all); `per_level`
    gives a row for each level, `per_slice` one for each slice, neither a single row.
    `pmj_distance` (mm) is written beside the region it was found with.
    """

    slices: tuple[int, ...] = ()
    levels: tuple[int, ...] = ()
    per_slice: bool = False
    per_level: bool = False
    pmj_distance: float | None = None


@dataclass(frozen=True)
class Row:
    """The slices and levels a row covers, its distance from the PMJ in mm, and its values."""

    slices: tuple[int, ...]
    levels: tuple[int, ...]
    pmj_distance: float | None
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Table:
    """Named columns and rows of values, None where there is nothing to measure."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]

    def column(self, name: str) -> Floats:
        """A column's values, NaN where there is none."""
        index = self.columns.index(name)
        values = [row.values[index] for row in self.rows]
        return np.array([np.nan if value is None else value for value in values])

    def with_column(self, name: str, values: Sequence[float | None]) -> Table:
        """The same table with one column more, at the end."""
        rows = tuple(
            replace(row, values=(*row.values, value))
            for row, value in zip(self.rows, values, strict=True)
        )
        return Table((*self.columns, name), rows)


@dataclass(frozen=True)
class _Group:
    slices: tuple[int, ...]
    levels: tuple[int, ...]


def profiles(morphometrics: Morphometrics) -> tuple[Profile, ...]:
    """The table's measures in the order of SCT's columns, and ours after them."""
    measures = [
        Profile(_sct_name(field.name), morphometrics.column(field.name))
        for field in fields(SliceShape)
        if field.name != "length"
    ]
    measures.extend(_anatomical(morphometrics))
    measures.append(Profile("length", morphometrics.column("length"), ("SUM",)))
    if morphometrics.soft_area is not None:
        measures.append(Profile("area_soft", morphometrics.soft_area))
    if morphometrics.area_lower is not None and morphometrics.area_upper is not None:
        measures.append(Profile("area_lower", morphometrics.area_lower, ("MEAN",)))
        measures.append(Profile("area_upper", morphometrics.area_upper, ("MEAN",)))
    return tuple(measures)


def per_slice(morphometrics: Morphometrics) -> Table:
    """A row for each slice of the image, as SCT's `-perslice 1`."""
    return aggregated(profiles(morphometrics), Selection(per_slice=True))


def aggregated(
    measures: Sequence[Profile],
    selection: Selection,
    levels: NDArray[np.int64] | None = None,
    distances: Floats | None = None,
) -> Table:
    """The rows that `selection` asks for, ascending by slice.

    `levels` holds the vertebral level of each slice (0: none) and `distances` its distance
    from the pontomedullary junction in mm (NaN: none); both have a value for each slice. Means
    and standard deviations (of the population) are over the slices that hold cord.

    Raises:
        ImageError: a slice outside the image, levels of another image, or none of the levels.
    """
    count = measures[0].values.size
    _check(count, selection, levels)
    groups = sorted(_groups(count, selection, levels), key=lambda group: group.slices)
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


def _sct_name(name: str) -> str:
    if name.endswith(("_ap", "_rl")):
        return name[:-2] + name[-2:].upper()
    return "diameter_AP_ellipse" if name == "diameter_ap_ellipse" else name


def _check(count: int, selection: Selection, levels: NDArray[np.int64] | None) -> None:
    outside = [z for z in selection.slices if not 0 <= z < count]
    if outside:
        raise ImageError(
            f"Slice {outside[0]} is not in the image: its slices are 0 to {count - 1}."
        )
    if levels is None:
        if selection.levels or selection.per_level:
            raise ImageError("Levels need a file that says where they are: give the labels.")
        return
    if levels.size != count:
        raise ImageError(
            f"The level file has {levels.size} slices and the mask {count}: "
            "both must be on the same grid."
        )
    present = np.unique(levels[levels > 0])
    if selection.levels and not set(selection.levels) & {int(level) for level in present}:
        found = ", ".join(str(level) for level in present) or "none"
        raise ImageError(f"None of the levels asked for is in the level file; it holds: {found}.")


def _groups(count: int, selection: Selection, levels: NDArray[np.int64] | None) -> list[_Group]:
    slices = selection.slices or tuple(range(count))
    wanted = selection.levels
    if selection.per_level and not wanted and levels is not None:
        wanted = tuple(int(level) for level in np.unique(levels[levels > 0]))
    if not wanted or levels is None:
        return _by_slice(slices, levels) if selection.per_slice else [_Group(slices, ())]
    by_level = {level: tuple(z for z in slices if levels[z] == level) for level in wanted}
    if selection.per_level:
        return [_Group(members, (level,)) for level, members in by_level.items() if members]
    members = tuple(sorted(z for group in by_level.values() for z in group))
    if not members:
        return []
    return _by_slice(members, levels) if selection.per_slice else [_Group(members, wanted)]


def _by_slice(slices: Sequence[int], levels: NDArray[np.int64] | None) -> list[_Group]:
    if levels is None:
        return [_Group((z,), ()) for z in slices]
    return [_Group((z,), (int(levels[z]),) if levels[z] else ()) for z in slices]


def _row(
    measures: Sequence[Profile], group: _Group, selection: Selection, distances: Floats | None
) -> Row:
    where = np.array(group.slices)
    values = tuple(value for measure in measures for value in _statistics(measure, where))
    return Row(group.slices, group.levels, _distance(where, selection, distances), values)


def _distance(
    where: NDArray[np.int64], selection: Selection, distances: Floats | None
) -> float | None:
    if selection.pmj_distance is not None and not selection.per_slice:
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
    results = {"MEAN": values.mean(), "STD": values.std(), "SUM": values.sum()}
    return [float(results[statistic]) for statistic in measure.statistics]
