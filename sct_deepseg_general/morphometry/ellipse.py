"""The ellipse that has a slice's second moments: centre, axes, direction.

The definitions are those of scikit-image's `regionprops`, which SCT measures with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Ellipse", "Moments", "ellipse_of", "moments_of"]


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over the pixels that are more than half filled: count, coordinates, their products.

    Whole numbers, so that a symmetric slice is exactly so.
    """

    count: int
    row: int
    column: int
    rows: int
    columns: int
    both: int

    @property
    def centre(self) -> tuple[float, float]:
        """The centre of mass (row, column), in pixels of the frame."""
        return self.row / self.count, self.column / self.count

    @property
    def covariance(self) -> tuple[int, int, int]:
        """Of rows, of columns and mixed, times the count squared."""
        return (
            self.count * self.rows - self.row**2,
            self.count * self.columns - self.column**2,
            self.count * self.both - self.row * self.column,
        )


@dataclass(frozen=True)
class Ellipse:
    """`centre`, full lengths of the axes in pixels, and direction of the major axis.

    `orientation` is in radians, from the rows' direction, in (-π/2, π/2].
    """

    centre: tuple[float, float]
    major: float
    minor: float
    orientation: float

    @property
    def eccentricity(self) -> float:
        """The eccentricity: 0 for a circle, towards 1 for a line; the range is 0 to 1."""
        if self.major == 0:
            return 0.0
        return math.sqrt(max(0.0, 1 - (self.minor / self.major) ** 2))


def moments_of(inside: NDArray[np.bool_], start: tuple[int, int]) -> Moments:
    """The moments of a mask whose first pixel is the frame's pixel `start`."""
    filled = inside.astype(np.float64)
    rows = np.arange(start[0], start[0] + inside.shape[0], dtype=np.float64)
    columns = np.arange(start[1], start[1] + inside.shape[1], dtype=np.float64)
    by_row = filled @ np.stack([np.ones_like(columns), columns], axis=1)
    by_column = filled.sum(axis=0)
    sums = (
        by_row[:, 0].sum(),
        rows @ by_row[:, 0],
        columns @ by_column,
        rows**2 @ by_row[:, 0],
        columns**2 @ by_column,
        rows @ by_row[:, 1],
    )
    return Moments(*(round(float(value)) for value in sums))


def ellipse_of(moments: Moments) -> Ellipse:
    """The ellipse of equal second moments; there is one pixel or more."""
    rows, columns, mixed = moments.covariance
    square = moments.count**2
    major, minor = _axes(rows / square, columns / square, mixed / square)
    return Ellipse(moments.centre, major, minor, _orientation(rows, columns, mixed))


def _axes(along_rows: float, along_columns: float, mixed: float) -> tuple[float, float]:
    """Major and minor axis (full lengths) from the covariance of the pixels' coordinates."""
    mean = (along_rows + along_columns) / 2
    spread = math.hypot((along_rows - along_columns) / 2, mixed)
    return 4 * math.sqrt(mean + spread), 4 * math.sqrt(max(mean - spread, 0.0))


def _orientation(along_rows: int, along_columns: int, mixed: int) -> float:
    if along_rows == along_columns:
        return math.pi / 4 if mixed > 0 else -math.pi / 4
    return 0.5 * math.atan2(2 * mixed, along_rows - along_columns)
