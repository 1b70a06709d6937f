"""The mean area of the vertebral levels C2 and C3: the number that is published most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sct_deepseg_general.csa.aggregate import aggregated, profiles
from sct_deepseg_general.csa.measure import Measured
from sct_deepseg_general.csa.selection import Selection

__all__ = ["C2C3", "LEVELS", "c2c3_of"]

LEVELS = (2, 3)

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
    missing = [name for number, name in ((2, "C2"), (3, "C3")) if number not in held]
    if missing:
        return C2C3("withheld", reasons=(f"{' and '.join(missing)} is not in the mask",))
    row = aggregated(profiles(measured.morphometrics), Selection(levels=LEVELS), levels)
    cut = _cut(held)
    area, lower, upper = (
        _first(row.column(name)) if name in row.columns else None for name in _COLUMNS
    )
    slices = tuple(int(z) for z in row.rows[0].slices)
    repeat = None if area is None else measured.morphometrics.mean_repeat(area)
    return C2C3("partial" if cut else "ok", area, lower, upper, repeat, slices, cut)


def _first(column: NDArray[np.float64]) -> float | None:
    return float(column[0]) if np.isfinite(column[0]) else None


def _cut(held: NDArray[np.int64]) -> tuple[str, ...]:
    """What of C2 and C3 the mask may lack: a level is whole where it goes on beyond it."""
    if held.max() <= LEVELS[1]:
        return ("C3 may be cut: the mask ends in it",)
    return ("C2 may be cut: the mask ends in it",) if held.min() >= LEVELS[0] else ()
