"""The mean area of the vertebral levels C2 and C3: the number that is published most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.csa.aggregate import aggregated, profiles
from sct_deepseg_general.csa.measure import Measured
from sct_deepseg_general.csa.selection import Selection, number_list
from sct_deepseg_general.levels.slices import covered_name

__all__ = ["C2C3", "LEVELS", "c2c3_of"]

LEVELS = (2, 3)

LONGEST = 30.0
"""Length in mm of C2 or C3 along the slices above which it must hold more than one vertebra."""

_COLUMNS = ("MEAN(area)", "MEAN(area_lower)", "MEAN(area_upper)")


@dataclass(frozen=True)
class C2C3:
    """The area in mm² with its two intervals, and the slices it is the mean of.

    `lower` and `upper` hold the area by the field's definition, `repeat` that of a second scan of
    the same person.

    With the status "withheld" there is no area; with "partial" the mask, or the image, does not
    hold all of C2 and C3. `reasons` say why.
    """

    status: Literal["ok", "partial", "withheld"]
    area: float | None = None
    lower: float | None = None
    upper: float | None = None
    repeat: tuple[float, float] | None = None
    slices: tuple[int, ...] = ()
    reasons: tuple[str, ...] = ()


def c2c3_of(measured: Measured, reasons: tuple[str, ...] = ()) -> C2C3:
    """The mean area over the slices of C2 and C3, as a table with `-vert 2:3` gives it.

    `reasons` say why levels were withheld, where they were.
    """
    levels = measured.single_levels
    if levels is None or reasons:
        return C2C3("withheld", reasons=reasons or ("the levels are not known",))
    held = levels[measured.morphometrics.slices]
    lacking = _doubled(measured) or _missing(measured, held) or _long(measured, held)
    if lacking:
        return C2C3("withheld", reasons=lacking)
    row = aggregated(profiles(measured.morphometrics), Selection(levels=LEVELS), levels)
    cut = _cut(held)
    area, lower, upper = (
        _first(row.column(name)) if name in row.columns else None for name in _COLUMNS
    )
    slices = tuple(int(z) for z in row.rows[0].slices)
    repeat = None if area is None else measured.morphometrics.mean_repeat(area)
    return C2C3("partial" if cut else "ok", area, lower, upper, repeat, slices, cut)


def _doubled(measured: Measured) -> tuple[str, ...]:
    """C2 or C3 as one level with others, as a disc between them is not labelled."""
    covers = measured.covers
    return tuple(
        f"{covered_name(level, covers)} is one level, as disc {number_list(covers[level][1:])} is "
        "not labelled"
        for level in covers
        if set(covers[level]) & set(LEVELS)
    )


def _missing(measured: Measured, held: NDArray[np.int64]) -> tuple[str, ...]:
    """C2 or C3 not in the mask, or part of a level without a border, as a disc is not labelled."""
    missing = [number for number in LEVELS if number not in held]
    if not missing:
        return ()
    verb = "are" if len(missing) > 1 else "is"
    names = f"{' and '.join(f'C{number}' for number in missing)} {verb} not"
    top = min(held[held > 0].tolist(), default=0)
    remark = measured.open_levels.get(top, "")
    if missing[0] < top and "open above" in remark:
        return (f"{names} known: {remark.split(':')[0]}",)
    return (f"{names} in the mask",)


def _long(measured: Measured, held: NDArray[np.int64]) -> tuple[str, ...]:
    """C2 or C3 without a border at one end, where it is longer than a vertebra can be."""
    step = measured.morphometrics.spacing[2]
    lengths = {level: float((held == level).sum()) * step for level in LEVELS}
    return tuple(
        f"{measured.open_levels[level]} ({length:.0f} mm)"
        for level, length in lengths.items()
        if level in measured.open_levels and length > LONGEST
    )


def _first(column: NDArray[np.float64]) -> float | None:
    return float(column[0]) if np.isfinite(column[0]) else None


def _cut(held: NDArray[np.int64]) -> tuple[str, ...]:
    """What of C2 and C3 the mask may lack: a level is whole where it goes on beyond it."""
    if held.max() <= LEVELS[1]:
        return ("C3 may be cut: the mask ends in it",)
    return ("C2 may be cut: the mask ends in it",) if held.min() >= LEVELS[0] else ()
