"""Discs as values and as files: single voxels with the disc's number, in SCT's convention.

Disc n is the upper border of vertebra n, so that 3 is the disc C2/C3.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from nibabel.affines import apply_affine
from numpy.typing import NDArray

from sct_deepseg_general.image.volume import Grid, Volume
from sct_deepseg_general.levels.course import Course
from sct_deepseg_general.levels.slices import HIGHEST_LEVEL

__all__ = ["Disc", "Origin", "as_volume", "disagreeing", "rows_given"]

Origin = Literal["found", "interpolated", "estimated", "given"]
"""How a disc is known: seen by the network; not seen, but between others; the upper borders of
C1 and C2, which are no discs; or given by the user."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Disc:
    """One disc: its number, its row along the cord's course (mm from the lowest), its posterior
    tip in mm (RAS), and how sure the network is of a disc there (0 to 1).
    """

    number: int
    row: float
    point: tuple[float, float, float]
    origin: Origin = "found"
    response: float = 1.0


def as_volume(discs: Iterable[Disc], grid: Grid) -> Volume:
    """A label map (uint8) on a grid: a voxel with the number of each disc in its field of view."""
    data = np.zeros(grid.shape, np.uint8)
    for disc in discs:
        voxel = np.rint(apply_affine(np.linalg.inv(grid.affine), disc.point)).astype(int)
        if ((voxel >= 0) & (voxel < grid.shape)).all():
            data[tuple(voxel)] = disc.number
    return Volume(data, grid)


def rows_given(discs: Volume, course: Course) -> dict[int, float]:
    """The row (with fraction) along the course of each disc of a label map (x, y, z), by its
    number.

    The labels 49 and 50 (pontomedullary groove and junction) are no discs and left out.
    """
    rows: dict[int, float] = {}
    for number in np.unique(np.round(discs.data[discs.data > 0])).astype(int):
        if number <= HIGHEST_LEVEL:
            voxels = np.argwhere(np.round(discs.data) == number)
            point = apply_affine(discs.grid.affine, voxels).mean(axis=0)
            rows[int(number)] = float(course.rows_of(point[None])[0])
    return rows


def disagreeing(
    given: dict[int, float], found: Iterable[Disc], spacing: float
) -> tuple[tuple[int, float], ...]:
    """The given discs that lie half a level or more from the found disc of the same number.

    Gives each one's number and distance in levels (above zero: given higher up); `spacing` is
    the length of a level in mm.
    """
    apart = [
        (disc.number, (given[disc.number] - disc.row) / spacing)
        for disc in found
        if disc.number in given and disc.origin in ("found", "interpolated")
    ]
    return tuple(pair for pair in sorted(apart) if abs(pair[1]) >= 0.5)
